package buildgraph

// schedule puts the jobs of both stages into one order in which nothing comes
// before what it needs at least: stage 1 the last stage of its dependencies, but
// the first of those on its own cycle; stage 2 the last stage of everything, its
// own stage 1, and the stage 1 of what was cut. It
// takes stage 2 jobs as early as possible and, of the others, first those that
// some cut edge leads from or that such a package needs. So whatever is not
// needed to get round a cycle comes after the second stages.
func (t *twice) schedule() []int32 {
	n := len(t.list)
	q := &scheduleQueue{twice: t, waits: make([]int32, n), at: make([]int32, n), urgent: t.urgent()}
	for j := range int32(n) {
		q.waits[j] = q.least(j)
		if q.waits[j] == 0 {
			q.push(j)
		}
	}
	for place := int32(0); ; place++ {
		j, ok := q.pop()
		if !ok {
			return q.at
		}
		q.at[j] = place
		q.release(j)
	}
}

// urgent marks the packages that cut edges lead from, and all they need.
func (t *twice) urgent() []bool {
	mark := make([]bool, t.size())
	var todo []int32
	visit := func(v int32) {
		if !mark[v] {
			mark[v] = true
			todo = append(todo, v)
		}
	}
	for i, cut := range t.cut {
		if cut {
			visit(t.direct.to[i])
		}
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, u := range t.deps.row(v) {
			visit(u)
		}
	}
	return mark
}

// scheduleQueue holds the jobs that nothing holds back.
type scheduleQueue struct {
	*twice
	waits  []int32
	at     []int32
	urgent []bool
	ready  [3][]int32 // stage 2, urgent stage 1, the rest; first in, first out
	head   [3]int
	cutTo  [][]int32
}

// least counts what a job needs at least.
func (q *scheduleQueue) least(j int32) int32 {
	v := q.list[j].node
	n := int32(len(q.deps.row(v)))
	if q.list[j].stage == 2 {
		n += 1 + int32(len(q.addCut(nil, v)))
	}
	return n
}

func (q *scheduleQueue) push(j int32) {
	class := 2
	switch {
	case q.list[j].stage == 2:
		class = 0
	case q.urgent[q.list[j].node]:
		class = 1
	}
	q.ready[class] = append(q.ready[class], j)
}

func (q *scheduleQueue) pop() (int32, bool) {
	for class := range q.ready {
		if q.head[class] < len(q.ready[class]) {
			q.head[class]++
			return q.ready[class][q.head[class]-1], true
		}
	}
	return 0, false
}

// release counts down whatever needed the job.
func (q *scheduleQueue) release(j int32) {
	v := q.list[j].node
	first, final := q.list[j].stage == 1, q.second[v] < 0 || q.list[j].stage == 2
	for _, u := range q.users.row(v) {
		if q.sameCycle(u, v) && first || !q.sameCycle(u, v) && final {
			q.done(u)
		}
		if final {
			q.done(q.second[u])
		}
	}
	if first {
		q.done(q.second[v])
		for _, u := range q.cutUsers(v) {
			q.done(q.second[u])
		}
	}
}

// sameCycle reports whether two packages lie on cycles together. Only then may
// one be content with the first stage of the other.
func (t *twice) sameCycle(u, v int32) bool { return t.comps.of[u] == t.comps.of[v] }

func (q *scheduleQueue) done(j int32) {
	if j < 0 {
		return
	}
	if q.waits[j]--; q.waits[j] == 0 {
		q.push(j)
	}
}

// cutUsers lists the packages whose edge from v was cut.
func (q *scheduleQueue) cutUsers(v int32) []int32 {
	if q.cutTo == nil {
		q.cutTo = make([][]int32, q.size())
		for u := range q.size() {
			for _, c := range q.addCut(nil, u) {
				q.cutTo[c.to] = append(q.cutTo[c.to], u)
			}
		}
	}
	return q.cutTo[v]
}
