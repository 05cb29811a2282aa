package buildgraph

// dag is a graph without cycles over the builds of a plan: rows list what must
// be built before, users the other way round.
type dag struct {
	deps  *csr
	users *csr
	order []int32 // every node after its dependencies; of free ones the smaller number first by level
	level []int32 // longest path from a node without dependencies
}

// sortTopologically orders an acyclic graph level by level.
func sortTopologically(deps, users *csr) *dag {
	n := deps.nodes()
	d := &dag{deps: deps, users: users, order: make([]int32, 0, n), level: make([]int32, n)}
	waits := make([]int32, n)
	for v := range n {
		waits[v] = deps.off[v+1] - deps.off[v]
		if waits[v] == 0 {
			d.order = append(d.order, v)
		}
	}
	for head := 0; head < len(d.order); head++ {
		v := d.order[head]
		for _, u := range users.row(v) {
			d.level[u] = max(d.level[u], d.level[v]+1)
			if waits[u]--; waits[u] == 0 {
				d.order = append(d.order, u)
			}
		}
	}
	return d
}

// remaining gives, for every node, the seconds of the longest chain that starts
// there, and the node after it on that chain (-1 at the end).
func (d *dag) remaining(seconds []float64) (total []float64, next []int32) {
	n := len(d.order)
	total, next = make([]float64, n), make([]int32, n)
	for i := n - 1; i >= 0; i-- {
		v := d.order[i]
		next[v] = -1
		for _, u := range d.users.row(v) {
			if next[v] < 0 || total[u] > total[next[v]] {
				next[v] = u
			}
		}
		total[v] = seconds[v]
		if next[v] >= 0 {
			total[v] += total[next[v]]
		}
	}
	return total, next
}

// longestChain follows the longest chain from its first node.
func longestChain(total []float64, next []int32) []int32 {
	if len(total) == 0 {
		return nil
	}
	start := int32(0)
	for v := range total {
		if total[v] > total[start] {
			start = int32(v)
		}
	}
	var chain []int32
	for v := start; v >= 0; v = next[v] {
		chain = append(chain, v)
	}
	return chain
}
