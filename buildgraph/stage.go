package buildgraph

import "buildbtw"

// job is one build of the plan: a package of the set, in one stage.
type job struct {
	node    int32 // place in the set
	stage   int
	noCheck bool
}

// jobs are the builds of a plan and the order between them.
type jobs struct {
	list []job
	dag  *dag
	via  []int32 // by edge of dag.deps: place in through, -1
}

// onceJobs builds every package once.
func (s *skeleton) onceJobs() *jobs {
	deps, via := s.withThrough()
	j := &jobs{list: make([]job, s.size()), via: via}
	for v := range j.list {
		j.list[v] = job{node: int32(v), stage: 1}
	}
	j.dag = sortTopologically(deps, deps.reversedPlain())
	return j
}

// cutKinds gives, for every package, the kinds of the edges to it that were
// cut: 0 for a package that meets all new versions.
func (s *skeleton) cutKinds() []buildbtw.EdgeKinds {
	kinds := make([]buildbtw.EdgeKinds, s.size())
	for v := range s.size() {
		for i := s.direct.off[v]; i < s.direct.off[v+1]; i++ {
			if s.cut[i] {
				kinds[v] |= s.direct.kinds[i]
			}
		}
	}
	return kinds
}

// twice is the construction of a plan with `cycles: twice`. A package with a
// cut edge is built in stage 1 with the base's package, and again in stage 2
// after the package it could not wait for. Stage 2 has the order of stage 1,
// and nothing of stage 1 waits for stage 2 unless a schedule exists in which
// it can (see schedule): so there are no cycles between the stages.
type twice struct {
	*skeleton
	deps   *csr // kept edges and orders over outside packages
	users  *csr
	via    []int32
	kinds  []buildbtw.EdgeKinds // by package: what was cut
	second []int32              // by package: its stage 2 job, -1
	list   []job
}

// twiceJobs builds packages with a cut edge in two stages.
func (s *skeleton) twiceJobs() *jobs {
	t := &twice{skeleton: s, kinds: s.cutKinds(), second: make([]int32, s.size())}
	t.deps, t.via = s.withThrough()
	t.users = t.deps.reversedPlain()
	for v := range s.size() {
		check := t.kinds[v]&buildbtw.EdgeCheckdepends != 0
		t.list = append(t.list, job{node: v, stage: 1, noCheck: check})
	}
	for v := range s.size() {
		t.second[v] = -1
		if t.kinds[v] != 0 {
			t.second[v] = int32(len(t.list))
			t.list = append(t.list, job{node: v, stage: 2})
		}
	}
	return t.connect(t.schedule())
}

// connect makes the edges between jobs. at is every job's place in a schedule:
// whoever can wait for the second stage of a dependency does.
func (t *twice) connect(at []int32) *jobs {
	edges := newRows(len(t.list), 2*len(t.deps.to))
	for j := range t.list {
		for _, c := range t.row(int32(j), at) {
			edges.add(c)
		}
		edges.end()
	}
	return &jobs{list: t.list, via: edges.via, dag: sortTopologically(&edges.csr, edges.reversedPlain())}
}

// row lists what a job waits for.
func (t *twice) row(j int32, at []int32) []edgeCell {
	v := t.list[j].node
	var row []edgeCell
	for i := t.deps.off[v]; i < t.deps.off[v+1]; i++ {
		to := t.deps.to[i]
		if second := t.second[to]; second >= 0 && at[second] < at[j] {
			to = second
		}
		row = append(row, edgeCell{to, t.deps.kinds[i], t.via[i]})
	}
	if t.list[j].stage == 2 {
		row = append(row, edgeCell{v, t.kinds[v], -1})
		row = t.addCut(row, v)
	}
	sortCells(row)
	return row
}

// addCut lets a second stage wait for what its first could not wait for.
func (t *twice) addCut(row []edgeCell, v int32) []edgeCell {
	for i := t.direct.off[v]; i < t.direct.off[v+1]; i++ {
		if t.cut[i] {
			row = append(row, edgeCell{t.direct.to[i], t.direct.kinds[i], -1})
		}
	}
	return row
}
