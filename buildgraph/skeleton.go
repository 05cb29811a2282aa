package buildgraph

import (
	"context"
	"encoding/binary"

	"buildbtw"
)

// skeleton is the plan of one architecture in numbers: everything that follows
// from the graph and the request, without commits and versions.
type skeleton struct {
	g       *graph
	nodes   []int32 // graph nodes of the set, ascending: by pkgbase
	local   []int32 // by graph node: place in nodes, -1 outside
	direct  *csr    // dependencies inside the set, by place
	cut     []bool  // by edge of direct
	kept    *csr    // direct without its cut edges
	comps   *components
	names   []string  // by place: pkgbases
	seconds []float64 // by place: how long the build takes

	known   remains       // of the same set before a push
	around  *surroundings // what the frame keeps
	needs   bitset        // graph nodes of the set, and those outside that it needs
	through []throughEdge // order over packages outside the set
	ways    [][]int32     // graph nodes outside the set that edges of through go over
	loose   looseOrder    // what of it lies on cycles and is not kept
}

// key writes down all that the order of the set depends on beside the graph.
func (s *skeleton) key(cycles buildbtw.Cycles, e *estimate) string {
	b := append([]byte(cycles), 0)
	for _, word := range s.set() {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return string(e.appendKey(b, s.g))
}

// set gives the graph nodes of the set.
func (s *skeleton) set() bitset {
	set := newBitset(len(s.g.units))
	for _, v := range s.nodes {
		set.add(v)
	}
	return set
}

// arrange chooses the cuts and finds the order of the set.
func (s *skeleton) arrange(ctx context.Context, e estimate) error {
	s.number()
	s.direct = s.g.deps.subgraph(s.nodes, s.local)
	s.comps = findComponents(s.direct)
	if err := ctx.Err(); err != nil {
		return err
	}
	s.time(e)
	known := s.seconds
	if len(e.known) == 0 {
		known = nil
	}
	var m *middle
	together(
		func() { s.cut = chooseCuts(s.direct, s.comps, known, s.g.memo.solved) },
		func() { m = s.findMiddle() },
	)
	s.kept = s.direct.without(s.cut)
	if m != nil {
		s.findThrough(m)
	}
	return ctx.Err()
}

// number gives the nodes of the set their places.
func (s *skeleton) number() {
	s.local = make([]int32, len(s.g.units))
	for v := range s.local {
		s.local[v] = outside
	}
	for l, v := range s.nodes {
		s.local[v] = int32(l)
	}
}

func (s *skeleton) size() int32 { return int32(len(s.nodes)) }

func (s *skeleton) pkgbase(l int32) string { return s.names[l] }

// time looks up every build's name and how long it takes.
func (s *skeleton) time(e estimate) {
	s.seconds, s.names = make([]float64, s.size()), make([]string, s.size())
	for l, v := range s.nodes {
		s.names[l] = s.g.units[v].info.Pkgbase
		s.seconds[l] = e.of(s.names[l])
	}
}
