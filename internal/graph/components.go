package graph

// Components are the strongly connected components of a graph. Their numbers
// run against the edges: an edge v→u between two components has Of[u] < Of[v],
// so with edges to dependencies, dependencies come first.
type Components struct {
	Of   []int32 // by node: the number of its component
	Size []int32 // by component
}

// tarjan is the state of Tarjan's algorithm without recursion: a distribution
// has paths of thousands of nodes.
type tarjan struct {
	g          *CSR
	index, low []int32 // index is 0 until the node is seen
	open       []int32 // nodes whose component is not closed yet
	path       []int32 // of the depth-first search
	next       []int32 // by node: its next edge to follow
	seen       int32
	out        Components
}

// StronglyConnected finds the components of a graph (Tarjan, "Depth-first search
// and linear graph algorithms", 1972).
func StronglyConnected(g *CSR) *Components {
	n := g.Nodes()
	t := &tarjan{g: g, index: make([]int32, n), low: make([]int32, n), next: append([]int32(nil), g.Off[:n]...)}
	t.out.Of = make([]int32, n)
	for v := range n {
		t.out.Of[v] = -1
	}
	for root := range n {
		if t.index[root] != 0 {
			continue
		}
		t.enter(root)
		for len(t.path) > 0 {
			if v := t.path[len(t.path)-1]; !t.advance(v) {
				t.leave(v)
			}
		}
	}
	return &t.out
}

func (t *tarjan) enter(v int32) {
	t.seen++
	t.index[v], t.low[v] = t.seen, t.seen
	t.open = append(t.open, v)
	t.path = append(t.path, v)
}

// advance follows v's next edges until one leads to a new node.
func (t *tarjan) advance(v int32) bool {
	for t.next[v] < t.g.Off[v+1] {
		u := t.g.To[t.next[v]]
		t.next[v]++
		switch {
		case t.index[u] == 0:
			t.enter(u)
			return true
		case t.out.Of[u] < 0 && t.index[u] < t.low[v]:
			t.low[v] = t.index[u]
		}
	}
	return false
}

// leave closes v, and its component when v was its first node.
func (t *tarjan) leave(v int32) {
	t.path = t.path[:len(t.path)-1]
	if len(t.path) > 0 {
		parent := t.path[len(t.path)-1]
		t.low[parent] = min(t.low[parent], t.low[v])
	}
	if t.low[v] != t.index[v] {
		return
	}
	id, size := int32(len(t.out.Size)), int32(0)
	for u := int32(-1); u != v; size++ {
		u = t.open[len(t.open)-1]
		t.open = t.open[:len(t.open)-1]
		t.out.Of[u] = id
	}
	t.out.Size = append(t.out.Size, size)
}

// Cyclic lists the nodes of every component of more than one, ascending, by the
// first node.
func (c *Components) Cyclic() [][]int32 {
	place := make(map[int32]int, 8)
	var lists [][]int32
	for v, comp := range c.Of {
		if c.Size[comp] < 2 {
			continue
		}
		i, ok := place[comp]
		if !ok {
			i = len(lists)
			place[comp] = i
			lists = append(lists, make([]int32, 0, c.Size[comp]))
		}
		lists[i] = append(lists[i], int32(v))
	}
	return lists
}

// Sorted lists all nodes by component, those of one ascending: each comes after
// all that its edges lead to in other components.
func (c *Components) Sorted() []int32 {
	nodes := make([]int32, len(c.Of))
	for v := range nodes {
		nodes[v] = int32(v)
	}
	return c.Sort(nodes)
}

// Sort returns some nodes by component; those of one stay in their order.
func (c *Components) Sort(nodes []int32) []int32 {
	of := make([]int32, len(nodes))
	for i, v := range nodes {
		of[i] = c.Of[v]
	}
	sorted := New(len(c.Size), of, nodes)
	return sorted.To
}
