package buildgraph

// line is an order of nodes in which a move costs the same however far it
// goes: a list, with labels that ascend along it so that any two nodes can be
// compared.
type line struct {
	label []int32 // by node
	next  []int32 // by node; behind all others stands the end, numbered like one node more,
	prev  []int32 // and before the first one too
}

const lineSpace = 1<<31 - 1 // labels lie between 0 and this

func newLine(order []int32) *line {
	n := len(order)
	l := &line{label: make([]int32, n), next: make([]int32, n+1), prev: make([]int32, n+1)}
	last := l.end()
	for _, v := range order {
		l.next[last], l.prev[v] = v, last
		last = v
	}
	l.next[last], l.prev[l.end()] = l.end(), last
	l.spread()
	return l
}

func (l *line) end() int32 { return int32(len(l.label)) }

// spread labels all nodes anew, with equal gaps.
func (l *line) spread() {
	gap := lineSpace / int32(len(l.label)+1)
	at := gap
	for v := l.next[l.end()]; v != l.end(); v = l.next[v] {
		l.label[v] = at
		at += gap
	}
}

// gap gives the labels of a node and the one behind it.
func (l *line) gap(v int32) (lo, hi int32) {
	hi = lineSpace
	if v != l.end() {
		lo = l.label[v]
	}
	if next := l.next[v]; next != l.end() {
		hi = l.label[next]
	}
	return lo, hi
}

// makeRoom sees to it that a node can go right behind v.
func (l *line) makeRoom(v int32) {
	if lo, hi := l.gap(v); hi-lo < 2 {
		l.spread()
	}
}

// move puts v right behind another node, or first of all behind the end.
func (l *line) move(v, behind int32) {
	l.next[l.prev[v]], l.prev[l.next[v]] = l.next[v], l.prev[v]
	lo, hi := l.gap(behind)
	next := l.next[behind]
	l.label[v] = lo + (hi-lo)/2
	l.next[behind], l.prev[v] = v, behind
	l.next[v], l.prev[next] = next, v
}

// appendTo lists the nodes in their order.
func (l *line) appendTo(order []int32) []int32 {
	for v := l.next[l.end()]; v != l.end(); v = l.next[v] {
		order = append(order, v)
	}
	return order
}
