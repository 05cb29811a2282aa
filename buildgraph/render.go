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
	order []int32      // of jobs, as the plan lists them
	kinds [8]*EdgeInfo // see kindLists
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
			f.builds, f.chain, f.knots = r.builds(total), r.keys(longestChain(total, next)), r.knots()
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

// kindLists gives the names of every set of kinds.
func kindLists() (lists [8]*EdgeInfo) {
	for k := range lists {
		lists[k] = &EdgeInfo{Kinds: slices.Clip(buildbtw.EdgeKinds(k).Names())}
	}
	return lists
}

func (r *renderer) edges() []Edge {
	deps, next := r.jobs.dag.deps, slices.Clone(r.jobs.dag.users.off)
	out := make([]Edge, len(deps.to))
	keys := make([]string, len(r.jobs.list))
	for i := range keys {
		keys[i] = r.key(int32(i))
	}
	ways := make([]wayInfo, len(r.ways))
	for v := range deps.nodes() {
		for i := deps.off[v]; i < deps.off[v+1]; i++ {
			u := deps.to[i]
			e := &out[next[u]]
			next[u]++
			e.From, e.To, e.EdgeInfo = keys[u], keys[v], r.info(ways, i)
		}
	}
	if len(r.jobs.list) > len(r.nodes) { // else nodes are in order of their names
		slices.SortFunc(out, compareEdges)
	}
	return out
}

// info is what there is to say about an edge of the jobs' order: its kinds, and
// the packages outside the set that it goes over, the one nearest to its
// beginning first.
func (r *renderer) info(ways []wayInfo, edge int32) *EdgeInfo {
	kinds, t := r.jobs.dag.deps.kinds[edge], r.jobs.via[edge]
	if t < 0 {
		return r.kinds[kinds]
	}
	way := r.through[t].way
	return ways[way].of(r, way, kinds)
}

// wayInfo is what there is to say about edges over one way, by their kinds.
type wayInfo struct {
	names []string
	infos [8]*EdgeInfo
}

func (w *wayInfo) of(r *renderer, way int32, kinds buildbtw.EdgeKinds) *EdgeInfo {
	if w.names == nil {
		w.names = r.pkgbases(r.ways[way])
	}
	if w.infos[kinds] == nil {
		w.infos[kinds] = &EdgeInfo{Kinds: r.kinds[kinds].Kinds, Through: w.names}
	}
	return w.infos[kinds]
}

func (r *renderer) pkgbases(nodes []int32) []string {
	names := make([]string, 0, len(nodes))
	for _, v := range nodes {
		names = append(names, r.g.units[v].info.Pkgbase)
	}
	return names
}
