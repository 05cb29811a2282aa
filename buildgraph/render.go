package buildgraph

import (
	"cmp"
	"slices"

	"buildbtw"
)

// renderer turns an architecture's skeleton into the plan that people see.
type renderer struct {
	*skeleton
	jobs  *jobs
	order []int32     // of jobs, as the plan lists them
	kinds [8][]string // see kindLists
}

// fill renders all that follows from the set alone.
func (r *renderer) fill(f *frame) {
	seconds := make([]float64, len(r.jobs.list))
	for i, j := range r.jobs.list {
		seconds[i] = r.seconds[j.node]
	}
	r.order, r.kinds = r.jobOrder(), kindLists()
	together(
		func() { f.edges = r.edges() },
		func() {
			total, next := r.jobs.dag.remaining(seconds)
			f.builds, f.chain, f.cuts = r.builds(total), r.keys(longestChain(total, next)), r.cuts()
		},
	)
}

func (r *renderer) key(i int32) string {
	j := r.jobs.list[i]
	return key(r.pkgbase(j.node), j.stage)
}

func (r *renderer) keys(jobs []int32) []string {
	keys := make([]string, len(jobs))
	for i, j := range jobs {
		keys[i] = r.key(j)
	}
	return keys
}

// jobOrder sorts the jobs by level, then pkgbase, then stage.
func (r *renderer) jobOrder() []int32 {
	level := r.jobs.dag.level
	start := make([]int32, len(level)+1)
	for _, l := range level {
		start[l+1]++
	}
	for l := range level {
		start[l+1] += start[l]
	}
	order := make([]int32, len(level))
	for _, i := range r.byPkgbase() {
		order[start[level[i]]] = i
		start[level[i]]++
	}
	return order
}

// byPkgbase lists the jobs by pkgbase, then stage.
func (r *renderer) byPkgbase() []int32 {
	list := make([]int32, len(r.jobs.list))
	for i := range list {
		list[i] = int32(i)
	}
	if len(list) > len(r.nodes) { // some have two stages
		slices.SortFunc(list, func(a, b int32) int {
			x, y := r.jobs.list[a], r.jobs.list[b]
			return cmp.Or(cmp.Compare(x.node, y.node), cmp.Compare(x.stage, y.stage))
		})
	}
	return list
}

// builds lists the builds in the order of the plan.
func (r *renderer) builds(total []float64) []frameBuild {
	out := make([]frameBuild, 0, len(r.order))
	for _, i := range r.order {
		j := r.jobs.list[i]
		out = append(out, frameBuild{j, r.jobs.dag.level[i], total[i]})
	}
	return out
}

// kindLists gives the names of every set of kinds. Edges share them; nobody may
// write to them.
func kindLists() (names [8][]string) {
	for k := range names {
		names[k] = slices.Clip(buildbtw.EdgeKinds(k).Names())
	}
	return names
}

func (r *renderer) edges() []Edge {
	users := r.jobs.dag.users
	out := make([]Edge, len(users.to))
	keys := make([]string, len(r.jobs.list))
	for i := range keys {
		keys[i] = r.key(int32(i))
	}
	for v := range users.nodes() {
		for i := users.off[v]; i < users.off[v+1]; i++ {
			e := &out[i]
			e.From, e.To, e.Kinds = keys[v], keys[users.to[i]], r.kinds[users.kinds[i]]
		}
	}
	r.addWays(out)
	if len(r.jobs.list) > len(r.nodes) { // else nodes are in order of their names
		slices.SortFunc(out, compareEdges)
	}
	return out
}

// addWays names, for edges over packages outside the set, those packages, the
// one nearest to its beginning first.
func (r *renderer) addWays(edges []Edge) {
	if len(r.through) == 0 {
		return
	}
	deps, users := r.jobs.dag.deps, r.jobs.dag.users
	ways := make([][]string, len(r.ways))
	for i, way := range r.ways {
		ways[i] = r.pkgbases(way)
	}
	for v := range deps.nodes() {
		for i := deps.off[v]; i < deps.off[v+1]; i++ {
			if t := r.jobs.via[i]; t >= 0 {
				edges[users.find(deps.to[i], v)].Through = ways[r.through[t].way]
			}
		}
	}
}

func (r *renderer) pkgbases(nodes []int32) []string {
	names := make([]string, 0, len(nodes))
	for _, v := range nodes {
		names = append(names, r.g.units[v].info.Pkgbase)
	}
	return names
}

func (r *renderer) cuts() []Cut {
	out := []Cut{}
	finder := newCycleFinder(r.direct, r.comps)
	for v := range r.size() {
		for i := r.direct.off[v]; i < r.direct.off[v+1]; i++ {
			if !r.cut[i] {
				continue
			}
			u := r.direct.to[i]
			c := Cut{From: r.pkgbase(u), To: r.pkgbase(v), Kinds: r.kinds[r.direct.kinds[i]]}
			for _, w := range finder.find(u, v) {
				c.Cycle = append(c.Cycle, r.pkgbase(w))
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cut) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}
