package feedback

// list is an order of nodes in which a move costs the same however far it goes:
// a linked list with labels that ascend along it, so that any two nodes can be
// compared (Dietz, Sleator, "Two algorithms for maintaining order in a list",
// 1987).
type list struct {
	label []int32 // by node
	next  []int32 // by node; behind all others stands the end, numbered like one node more,
	prev  []int32 // and before the first one too
}

const labelSpace = 1<<31 - 1 // labels lie between 0 and this

func newList(order []int32) *list {
	n := len(order)
	l := &list{label: make([]int32, n), next: make([]int32, n+1), prev: make([]int32, n+1)}
	last := l.end()
	for _, v := range order {
		l.next[last], l.prev[v] = v, last
		last = v
	}
	l.next[last], l.prev[l.end()] = l.end(), last
	l.spread()
	return l
}

func (l *list) end() int32 { return int32(len(l.label)) }

// spread labels all nodes anew, with equal gaps.
func (l *list) spread() {
	gap := labelSpace / int32(len(l.label)+1)
	at := gap
	for v := l.next[l.end()]; v != l.end(); v = l.next[v] {
		l.label[v] = at
		at += gap
	}
}

// gap returns the labels of a node and the one behind it.
func (l *list) gap(v int32) (lo, hi int32) {
	hi = labelSpace
	if v != l.end() {
		lo = l.label[v]
	}
	if next := l.next[v]; next != l.end() {
		hi = l.label[next]
	}
	return lo, hi
}

// makeRoom sees to it that a node can go right behind v.
func (l *list) makeRoom(v int32) {
	if lo, hi := l.gap(v); hi-lo < 2 {
		l.spread()
	}
}

// move puts v right behind another node, or first of all behind the end.
func (l *list) move(v, behind int32) {
	l.next[l.prev[v]], l.prev[l.next[v]] = l.next[v], l.prev[v]
	lo, hi := l.gap(behind)
	next := l.next[behind]
	l.label[v] = lo + (hi-lo)/2
	l.next[behind], l.prev[v] = v, behind
	l.next[v], l.prev[next] = next, v
}

// appendTo lists the nodes in their order.
func (l *list) appendTo(order []int32) []int32 {
	for v := l.next[l.end()]; v != l.end(); v = l.next[v] {
		order = append(order, v)
	}
	return order
}
