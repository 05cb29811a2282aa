package buildgraph

import (
	"cmp"
	"slices"

	"buildbtw"
)

// renderer turns an architecture's skeleton into the plan that people see.
type renderer struct {
	*skeleton
	ix   *Index
	jobs *jobs
}

func (r *renderer) plan() *ArchPlan {
	seconds := make([]float64, len(r.jobs.list))
	for i, j := range r.jobs.list {
		seconds[i] = r.seconds[j.node]
	}
	total, next := r.jobs.dag.remaining(seconds)
	p := &ArchPlan{Builds: r.builds(total), Edges: r.edges(), Cuts: r.cuts(), Chain: []string{}}
	for _, i := range longestChain(total, next) {
		p.Chain = append(p.Chain, r.key(i))
	}
	return p
}

func (r *renderer) key(i int32) string {
	j := r.jobs.list[i]
	return key(r.pkgbase(j.node), j.stage)
}

func (r *renderer) builds(total []float64) []Build {
	level := r.jobs.dag.level
	order := make([]int32, len(r.jobs.list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		x, y := r.jobs.list[a], r.jobs.list[b]
		return cmp.Or(cmp.Compare(level[a], level[b]), cmp.Compare(x.node, y.node), cmp.Compare(x.stage, y.stage))
	})
	out := make([]Build, 0, len(order))
	for _, i := range order {
		out = append(out, r.build(i, total[i]))
	}
	return out
}

func (r *renderer) build(i int32, priority float64) Build {
	j := r.jobs.list[i]
	v := r.nodes[j.node]
	u, source := r.g.units[v], &r.ix.sources[r.g.sources[v]]
	return Build{
		Pkgbase: u.info.Pkgbase, Source: source.Slug, Commit: source.Commit,
		Version: u.version, Pkgnames: u.pkgnames, Any: u.any,
		Stage: j.stage, NoCheck: j.noCheck, Level: int(r.jobs.dag.level[i]), Priority: priority,
		Reason: r.g.reason(r.reach, v),
	}
}

// kindNames are the lists that edges share; nobody may write to them.
var kindNames = func() (names [8][]string) {
	for k := range names {
		names[k] = slices.Clip(buildbtw.EdgeKinds(k).Names())
	}
	return names
}()

func (r *renderer) edges() []Edge {
	users := r.jobs.dag.users
	out := make([]Edge, 0, len(users.to))
	keys := make([]string, len(r.jobs.list))
	for i := range keys {
		keys[i] = r.key(int32(i))
	}
	for v := range users.nodes() {
		for i := users.off[v]; i < users.off[v+1]; i++ {
			u := users.to[i]
			out = append(out, Edge{From: keys[v], To: keys[u], Kinds: kindNames[users.kinds[i]], Through: r.path(v, u)})
		}
	}
	byName := func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) }
	if !slices.IsSortedFunc(out, byName) {
		slices.SortFunc(out, byName)
	}
	return out
}

// path names the packages outside the set over which an edge holds, the one
// nearest to its beginning first; nil for an edge inside the set.
func (r *renderer) path(from, to int32) []string {
	if len(r.through) == 0 {
		return nil
	}
	t := r.jobs.via[r.jobs.dag.deps.find(to, from)]
	if t < 0 {
		return nil
	}
	names := make([]string, 0, len(r.through[t].path))
	for _, v := range r.through[t].path {
		names = append(names, r.g.units[v].info.Pkgbase)
	}
	return names
}

func (r *renderer) cuts() []Cut {
	out := []Cut{}
	finder := newCycleFinder(r.direct.reversed(), r.comps)
	for v := range r.size() {
		for i := r.direct.off[v]; i < r.direct.off[v+1]; i++ {
			if !r.cut[i] {
				continue
			}
			u := r.direct.to[i]
			c := Cut{From: r.pkgbase(u), To: r.pkgbase(v), Kinds: kindNames[r.direct.kinds[i]]}
			for _, w := range finder.find(u, v) {
				c.Cycle = append(c.Cycle, r.pkgbase(w))
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cut) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}
