package graphview

import "slices"

// Box is one box of a picture: a build, or a region of builds that are done.
type Box struct {
	Nodes           []int32
	Name            string // of a family of builds, such as "python-*"; else empty
	Before, Further int    // direct dependencies, and dependents, that the picture leaves out
}

// Region reports whether the box stands for several builds.
func (b Box) Region() bool { return len(b.Nodes) > 1 }

// boxes puts nodes into boxes. With Fold, families share boxes. With Collapse, connected builds that are done
// and have no unfinished dependency share one box: no edge leads into such a
// region, so the picture stays without cycles. The focus stays outside of
// regions.
func (s *State) boxes(nodes []int32, v View) []Box {
	boxes := s.regions(nodes, v)
	if v.Fold {
		return s.fold(boxes, v.Focus, v.To)
	}
	return boxes
}

func (s *State) regions(nodes []int32, v View) []Box {
	if !v.Collapse {
		boxes := make([]Box, len(nodes))
		for i, node := range nodes {
			boxes[i].Nodes = []int32{node}
		}
		return boxes
	}
	done := s.doneBelow()
	if v.Focus >= 0 {
		s.leaveOut(done, v.Focus)
	}
	shown := make([]bool, len(s.Builds))
	for _, node := range nodes {
		shown[node] = true
	}
	regions := newForest(len(s.Builds))
	for _, e := range s.Edges {
		if shown[e.From] && shown[e.To] && done[e.From] && done[e.To] {
			regions.join(e.From, e.To)
		}
	}
	var boxes []Box
	place := map[int32]int{} // of regions, by root
	for _, node := range nodes {
		root := regions.root(node)
		if i, ok := place[root]; ok {
			boxes[i].Nodes = append(boxes[i].Nodes, node)
			continue
		}
		place[root] = len(boxes)
		boxes = append(boxes, Box{Nodes: []int32{node}})
	}
	return boxes
}

// doneBelow marks the builds that need no more work and have only marked
// dependencies.
func (s *State) doneBelow() []bool {
	done := make([]bool, len(s.Builds))
	for _, v := range s.order {
		done[v] = s.Builds[v].settled() && !slices.ContainsFunc(s.in.of(v), func(u int32) bool { return !done[u] })
	}
	return done
}

// leaveOut unmarks a node and all its dependents, direct and indirect.
func (s *State) leaveOut(done []bool, v int32) {
	if !done[v] {
		return
	}
	done[v] = false
	for _, to := range s.out.of(v) {
		s.leaveOut(done, to)
	}
}

// forest joins nodes to sets.
type forest []int32

func newForest(n int) forest {
	f := make(forest, n)
	for i := range f {
		f[i] = int32(i)
	}
	return f
}

func (f forest) root(v int32) int32 {
	for f[v] != v {
		f[v] = f[f[v]]
		v = f[v]
	}
	return v
}

func (f forest) join(a, b int32) {
	ra, rb := f.root(a), f.root(b)
	f[max(ra, rb)] = min(ra, rb)
}
