package buildgraph

// components are the strongly connected components of a graph. Numbers run in
// topological order against the edges: an edge v→u between two components has
// of[u] < of[v], so with edges to dependencies, dependencies come first.
type components struct {
	of   []int32
	size []int32
}

// tarjan is the state of Tarjan's algorithm without recursion: a distribution
// has paths of thousands of nodes.
type tarjan struct {
	g          *csr
	index, low []int32 // 0: not seen
	open       []int32 // nodes whose component is not closed yet
	path       []int32 // the path of the depth-first search
	next       []int32 // the edge to look at next, by node
	seen       int32
	out        components
}

func findComponents(g *csr) *components {
	n := g.nodes()
	t := &tarjan{g: g, index: make([]int32, n), low: make([]int32, n), next: append([]int32(nil), g.off[:n]...)}
	t.out.of = make([]int32, n)
	for v := range n {
		t.out.of[v] = -1
	}
	for v := range n {
		if t.index[v] == 0 {
			t.walk(v)
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

func (t *tarjan) walk(root int32) {
	t.enter(root)
	for len(t.path) > 0 {
		v := t.path[len(t.path)-1]
		if !t.advance(v) {
			t.leave(v)
		}
	}
}

// advance follows v's next edges until one leads to a new node.
func (t *tarjan) advance(v int32) bool {
	for t.next[v] < t.g.off[v+1] {
		u := t.g.to[t.next[v]]
		t.next[v]++
		switch {
		case t.index[u] == 0:
			t.enter(u)
			return true
		case t.out.of[u] < 0 && t.index[u] < t.low[v]:
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
	id, size := int32(len(t.out.size)), int32(0)
	for {
		u := t.open[len(t.open)-1]
		t.open = t.open[:len(t.open)-1]
		t.out.of[u] = id
		size++
		if u == v {
			break
		}
	}
	t.out.size = append(t.out.size, size)
}

// members lists the nodes of every component with more than one, ascending.
func (c *components) members() [][]int32 {
	lists := make(map[int32]int, 8)
	var out [][]int32
	for v, comp := range c.of {
		if c.size[comp] < 2 {
			continue
		}
		i, ok := lists[comp]
		if !ok {
			i = len(out)
			lists[comp] = i
			out = append(out, make([]int32, 0, c.size[comp]))
		}
		out[i] = append(out[i], int32(v))
	}
	return out
}

// order sorts the nodes by component: each after all that it needs in others.
func (c *components) order() []int32 {
	next := make([]int32, len(c.size))
	for i, size := range c.size[:max(len(c.size), 1)-1] {
		next[i+1] = next[i] + size
	}
	order := make([]int32, len(c.of))
	for v, comp := range c.of {
		order[next[comp]] = int32(v)
		next[comp]++
	}
	return order
}
