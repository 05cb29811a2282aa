package order

import (
	"slices"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
)

// Once builds every package of the set once.
func Once(s *Set, o *Outside) *Jobs {
	list := make([]Job, s.Size())
	for v := range list {
		list[v] = Job{Node: int32(v), Stage: 1}
	}
	deps, via := o.merged()
	return newJobs(list, deps, via)
}

// stages is the construction of a plan with `cycles: twice`. A package with a cut
// edge is built in stage 1 with the base's package, without checks if a check
// edge was cut, and again in stage 2 after the package it could not wait for.
// Stage 2 has the order of stage 1, and nothing of stage 1 waits for stage 2
// unless a schedule exists in which it can: so there are no cycles between the
// stages.
type stages struct {
	*Set
	deps   link.Edges // kept edges and orders over outside packages
	via    []int32    // see Outside.merged
	users  graph.CSR
	kinds  []buildbtw.EdgeKinds // by package: of the edges to it that were cut; 0: it meets all new versions
	second []int32              // by package: its stage 2 job, -1
	list   []Job
}

// Twice builds the packages with a cut edge in two stages.
func Twice(s *Set, o *Outside) *Jobs {
	t := &stages{Set: s, kinds: make([]buildbtw.EdgeKinds, s.Size()), second: make([]int32, s.Size())}
	t.deps, t.via = o.merged()
	t.users = t.deps.CSR.Reversed()
	for v := range s.Size() {
		for i := s.Direct.Off[v]; i < s.Direct.Off[v+1]; i++ {
			if s.Cut[i] {
				t.kinds[v] |= s.Direct.Kinds[i]
			}
		}
		t.list = append(t.list, Job{Node: v, Stage: 1, NoCheck: t.kinds[v]&buildbtw.EdgeCheckdepends != 0})
	}
	for v := range s.Size() {
		t.second[v] = -1
		if t.kinds[v] != 0 {
			t.second[v] = int32(len(t.list))
			t.list = append(t.list, Job{Node: v, Stage: 2})
		}
	}
	at := t.schedule()
	deps, via := link.NewEdges(len(t.list), 2*len(t.deps.To)), make([]int32, 0, 2*len(t.deps.To))
	for j := range t.list {
		for _, c := range t.row(int32(j), at) {
			deps.Add(c.to, c.kinds)
			via = append(via, c.via)
		}
		deps.EndRow()
	}
	return newJobs(t.list, deps, via)
}

// cell is one edge of a row.
type cell struct {
	to    int32
	kinds buildbtw.EdgeKinds
	via   int32
}

// row lists the jobs that a job waits for. at is every job's place in a schedule: whoever
// can wait for the second stage of a dependency does.
func (t *stages) row(j int32, at []int32) []cell {
	v := t.list[j].Node
	var row []cell
	for i := t.deps.Off[v]; i < t.deps.Off[v+1]; i++ {
		to := t.deps.To[i]
		if second := t.second[to]; second >= 0 && at[second] < at[j] {
			to = second
		}
		row = append(row, cell{to, t.deps.Kinds[i], t.via[i]})
	}
	if t.list[j].Stage == 2 {
		row = append(row, cell{v, t.kinds[v], -1})
		for i := t.Direct.Off[v]; i < t.Direct.Off[v+1]; i++ {
			if t.Cut[i] {
				row = append(row, cell{t.Direct.To[i], t.Direct.Kinds[i], -1})
			}
		}
	}
	slices.SortFunc(row, func(a, b cell) int { return int(a.to - b.to) })
	return row
}

// scheduler is list scheduling (Graham 1969) by three classes of jobs.
type scheduler struct {
	*stages
	cutDeps, cutUsers graph.CSR // the cut edges, both ways round
	urgent            []bool    // by package: a second stage waits for it
	waits             []int32   // by job: for how many others
	at                []int32   // by job: its place
	ready             [3][]int32
	head              [3]int // of ready: first in, first out
}

// schedule returns the jobs of both stages in one order that respects their dependencies.
// A stage 1 job depends on the last stage of its dependencies, but on the first stage of
// those on its own cycle. A stage 2 job depends on the last stage of all its dependencies,
// on its own stage 1, and on the stage 1 of dependencies that were cut. Stage 2 jobs are
// taken as early as possible; of the others, those first that a cut edge leads from, with
// their dependencies. Jobs that no cycle needs come after the second stages.
func (t *stages) schedule() []int32 {
	n := len(t.list)
	cut := t.Direct.Only(func(edge int32) bool { return t.Cut[edge] })
	q := &scheduler{stages: t, cutDeps: cut.CSR, cutUsers: cut.CSR.Reversed(), waits: make([]int32, n), at: make([]int32, n)}
	q.findUrgent()
	for j, job := range t.list {
		q.waits[j] = int32(len(t.deps.Row(job.Node)))
		if job.Stage == 2 {
			q.waits[j] += 1 + int32(len(q.cutDeps.Row(job.Node)))
		}
		if q.waits[j] == 0 {
			q.push(int32(j))
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

// findUrgent marks the packages that cut edges lead from, and all they need.
func (q *scheduler) findUrgent() {
	q.urgent = make([]bool, q.Size())
	var todo []int32
	visit := func(v int32) {
		if !q.urgent[v] {
			q.urgent[v] = true
			todo = append(todo, v)
		}
	}
	for _, v := range q.cutDeps.To {
		visit(v)
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, u := range q.deps.Row(v) {
			visit(u)
		}
	}
}

// push makes a job ready: stage 2 first, then urgent ones, then the rest.
func (q *scheduler) push(j int32) {
	class := 2
	switch {
	case q.list[j].Stage == 2:
		class = 0
	case q.urgent[q.list[j].Node]:
		class = 1
	}
	q.ready[class] = append(q.ready[class], j)
}

func (q *scheduler) pop() (int32, bool) {
	for class := range q.ready {
		if q.head[class] < len(q.ready[class]) {
			q.head[class]++
			return q.ready[class][q.head[class]-1], true
		}
	}
	return 0, false
}

// release counts down whatever needed the job.
func (q *scheduler) release(j int32) {
	v := q.list[j].Node
	first, final := q.list[j].Stage == 1, q.second[v] < 0 || q.list[j].Stage == 2
	for _, u := range q.users.Row(v) {
		// Only on one cycle may a package be content with the first stage of another.
		together := q.Components.Of[u] == q.Components.Of[v]
		if together && first || !together && final {
			q.done(u)
		}
		if final {
			q.done(q.second[u])
		}
	}
	if first {
		q.done(q.second[v])
		for _, u := range q.cutUsers.Row(v) {
			q.done(q.second[u])
		}
	}
}

func (q *scheduler) done(j int32) {
	if j < 0 {
		return
	}
	if q.waits[j]--; q.waits[j] == 0 {
		q.push(j)
	}
}
