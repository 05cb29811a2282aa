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

func (r *renderer) plan() *ArchPlan {
	seconds := make([]float64, len(r.jobs.list))
	for i, j := range r.jobs.list {
		seconds[i] = r.seconds[j.node]
	}
	r.order, r.kinds = r.jobOrder(), kindLists()
	p := &ArchPlan{}
	together(
		func() { p.Edges = r.edges() },
		func() {
			total, next := r.jobs.dag.remaining(seconds)
			p.Builds, p.Chain, p.Cuts = r.builds(total), r.keys(longestChain(total, next)), r.cuts()
		},
	)
	return p
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

func (r *renderer) builds(total []float64) []Build {
	out := make([]Build, 0, len(r.order))
	for _, i := range r.order {
		out = append(out, r.build(i, total[i]))
	}
	return out
}

// places gives the place in the set of every build.
func (r *renderer) places() []int32 {
	out := make([]int32, 0, len(r.order))
	for _, i := range r.order {
		out = append(out, r.jobs.list[i].node)
	}
	return out
}

func (r *renderer) build(i int32, priority float64) Build {
	j := r.jobs.list[i]
	return Build{
		Pkgbase: r.pkgbase(j.node), Stage: j.stage, NoCheck: j.noCheck,
		Level: int(r.jobs.dag.level[i]), Priority: priority,
	}
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
	out := make([]Edge, 0, len(users.to))
	keys := make([]string, len(r.jobs.list))
	for i := range keys {
		keys[i] = r.key(int32(i))
	}
	paths := r.paths()
	for v := range users.nodes() {
		for i := users.off[v]; i < users.off[v+1]; i++ {
			u := users.to[i]
			e := Edge{From: keys[v], To: keys[u], Kinds: r.kinds[users.kinds[i]]}
			if paths != nil {
				e.Through = paths[i]
			}
			out = append(out, e)
		}
	}
	if len(r.jobs.list) > len(r.nodes) { // else nodes are in order of their names
		slices.SortFunc(out, compareEdges)
	}
	return out
}

// paths names, for every edge of the jobs' users, the packages outside the set
// over which it holds, the one nearest to its beginning first. Edges inside the
// set have none; nil when all edges are inside.
func (r *renderer) paths() [][]string {
	if len(r.through) == 0 {
		return nil
	}
	deps, users := r.jobs.dag.deps, r.jobs.dag.users
	out, ways := make([][]string, len(users.to)), make([][]string, len(r.ways))
	for i, way := range r.ways {
		ways[i] = r.names(way)
	}
	for v := range deps.nodes() {
		for i := deps.off[v]; i < deps.off[v+1]; i++ {
			if t := r.jobs.via[i]; t >= 0 {
				out[users.find(deps.to[i], v)] = ways[r.through[t].way]
			}
		}
	}
	return out
}

func (r *renderer) names(nodes []int32) []string {
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
