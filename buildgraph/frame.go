package buildgraph

import (
	"context"
	"sync/atomic"

	"buildbtw"
)

// frame is the part of a shape that follows from the set alone, whatever
// brought its packages in. Core libraries that need each other have the same
// set: their plans share one frame.
type frame struct {
	key    string  // see skeleton.key
	nodes  []int32 // graph nodes of the set, ascending
	loose  []int32 // see looseOrder: the first before and after, as graph nodes
	count  int     // of loose orders
	builds []frameBuild
	edges  []Edge
	*knots
	chain  []string
	needs  bitset // graph nodes of the set, and those outside that it needs
	around *surroundings
	last   atomic.Pointer[filledFrame]
}

// filledFrame is what some index says about a frame.
type filledFrame struct {
	of       *identity
	builds   []Build
	warnings []Warning
}

// frameBuild is a build without what a source or a reason says. Its node is the
// place in the frame's nodes.
type frameBuild struct {
	job
	level    int32
	priority float64
}

// frame gives what a set comes to, from the memo if another plan has it.
func (p *planner) frame(ctx context.Context, s *skeleton) (*frame, error) {
	cycles := p.request.Settings.Cycles
	key := s.key(cycles, &p.estimate)
	s.known = s.g.memo.remains[key]
	return s.g.memo.frame(ctx, key, func() (*frame, error) {
		if err := s.arrange(ctx, p.estimate); err != nil {
			return nil, err
		}
		return newFrame(key, s, cycles), nil
	})
}

func newFrame(key string, s *skeleton, cycles buildbtw.Cycles) *frame {
	r := &renderer{skeleton: s}
	if cycles == buildbtw.CyclesTwice {
		r.jobs = s.twiceJobs()
	} else {
		r.jobs = s.onceJobs()
	}
	f := &frame{key: key, nodes: s.nodes, count: s.loose.count, needs: s.needs, around: s.around}
	r.fill(f)
	if s.loose.count > 0 {
		f.loose = []int32{s.nodes[s.loose.before], s.nodes[s.loose.after]}
	}
	return f
}

// has reports whether a graph node is in the set.
func (f *frame) has(v int32) bool {
	lo, hi := 0, len(f.nodes)
	for lo < hi {
		mid := (lo + hi) / 2
		if f.nodes[mid] < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(f.nodes) && f.nodes[lo] == v
}

// cells is how much the frame holds, for the bound of the memo.
func (f *frame) cells() int {
	return len(f.edges) + len(f.builds) + len(f.needs) + len(f.inner.to) + f.around.cells()
}
