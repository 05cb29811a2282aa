package graphview

import "slices"

// About describes the neighbours of one build.
type About struct {
	Dependencies []int32 // unfinished ones first
	Dependents   []int32 // those with the longest chains first
	Causes       []int32 // stuck builds because of which it is blocked, nearest first
	Blocks       int     // builds that are blocked because of it
}

// About returns the neighbours of one build.
func (s *State) About(v int32) About {
	a := About{
		Dependencies: slices.Clone(s.in.of(v)), Dependents: slices.Clone(s.out.of(v)), Causes: s.Causes(v), Blocks: s.Blocks(v),
	}
	slices.SortStableFunc(a.Dependencies, s.urgency)
	slices.SortStableFunc(a.Dependents, s.weight)
	return a
}
