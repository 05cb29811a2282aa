package graphview

import (
	"cmp"
	"maps"
	"slices"
)

// Mode is how much of the graph is looked at.
type Mode string

// The modes.
const (
	ModeNear   Mode = "near"   // a build, its dependencies and dependents
	ModeFailed Mode = "failed" // failures, and the builds that they block
	ModeAll    Mode = "all"
	ModePath   Mode = "path" // the ways between two builds
)

// View selects the part of the graph to draw.
type View struct {
	Mode     Mode
	Focus    int32 // a node, or -1
	To       int32 // of ModePath: the other end, a node
	Collapse bool  // draw finished regions as one box
	Small    bool  // of ModeNear: direct neighbours only, and few of them
	Fold     bool  // draw builds of one family and level, such as python-*, as one box
}

// How many builds a neighbourhood shows.
const (
	nearBefore  = 16 // right before the focus
	nearFurther = 8  // before those, if they are not done
	nearCauses  = 4  // causes to which the whole way is shown
	nearAfter   = 22 // right behind the focus
	nearBeyond  = 16 // behind those

	nearestShown = 5 // on either side of the focus in a small neighbourhood
)

// nodes returns the nodes of a view, in order.
func (s *State) nodes(v View) []int32 {
	switch {
	case v.Mode == ModeNear && v.Focus >= 0 && v.Small:
		return s.nearest(v.Focus)
	case v.Mode == ModeNear && v.Focus >= 0:
		return s.near(v.Focus)
	case v.Mode == ModePath && v.Focus >= 0:
		return s.between(v.Focus, v.To)
	case v.Mode == ModeFailed:
		return s.failed()
	}
	all := make([]int32, len(s.Nodes))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

func (s *State) failed() []int32 {
	var nodes []int32
	for v, b := range s.Builds {
		if b.stuck() || s.Held[v] {
			nodes = append(nodes, int32(v))
		}
	}
	return nodes
}

// near selects the neighbourhood of a build: the paths from its root causes,
// its dependencies, the dependencies of those that are unfinished, its
// dependents, and their dependents.
func (s *State) near(focus int32) []int32 {
	chosen := map[int32]bool{focus: true}
	for i, cause := range s.Causes(focus) {
		if i == nearCauses {
			break
		}
		s.addWay(chosen, cause, focus)
	}
	before := s.choose(chosen, s.in.of(focus), nearBefore, s.urgency)
	var further []int32
	for _, v := range before {
		if !s.Builds[v].settled() {
			further = append(further, s.in.of(v)...)
		}
	}
	s.choose(chosen, further, nearFurther, s.urgency)
	after := s.choose(chosen, s.out.of(focus), nearAfter, s.weight)
	var beyond []int32
	for _, v := range after {
		beyond = append(beyond, s.out.of(v)...)
	}
	s.choose(chosen, beyond, nearBeyond, s.weight)
	return slices.Sorted(maps.Keys(chosen))
}

// nearest selects some direct dependencies and dependents of a build: those that
// matter most to it.
func (s *State) nearest(focus int32) []int32 {
	chosen := map[int32]bool{focus: true}
	s.choose(chosen, s.in.of(focus), nearestShown, s.urgency)
	s.choose(chosen, s.out.of(focus), nearestShown, s.weight)
	return slices.Sorted(maps.Keys(chosen))
}

// choose adds at most n of the candidates, the most important ones, and returns
// those that are new.
func (s *State) choose(chosen map[int32]bool, candidates []int32, n int, important func(a, b int32) int) []int32 {
	list := slices.Clone(candidates)
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(v int32) bool { return chosen[v] })
	slices.SortStableFunc(list, important)
	list = list[:min(n, len(list))]
	for _, v := range list {
		chosen[v] = true
	}
	return list
}

// urgency orders builds that block others first, then blocked ones, then those
// that are unfinished.
func (s *State) urgency(a, b int32) int {
	rank := func(v int32) int {
		switch {
		case s.Builds[v].stuck():
			return 0
		case s.Held[v]:
			return 1
		case !s.Builds[v].settled():
			return 2
		}
		return 3
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), s.weight(a, b))
}

// weight orders the builds at the beginning of the longest chains first.
func (s *State) weight(a, b int32) int {
	return cmp.Compare(s.Builds[b].Priority, s.Builds[a].Priority)
}

// addWay adds a shortest path from a root cause to a build that it blocks.
func (s *State) addWay(chosen map[int32]bool, cause, to int32) {
	next := map[int32]int32{to: to} // towards to
	for queue := []int32{to}; len(queue) > 0; queue = queue[1:] {
		for _, from := range s.in.of(queue[0]) {
			if _, seen := next[from]; seen || !s.Held[from] && from != cause {
				continue
			}
			next[from] = queue[0]
			if from != cause {
				queue = append(queue, from)
				continue
			}
			for v := cause; v != to; v = next[v] {
				chosen[v] = true
			}
			return
		}
	}
}

// Size returns how many builds a view shows, before any are joined.
func (s *State) Size(v View) int { return len(s.nodes(v)) }
