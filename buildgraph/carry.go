package buildgraph

import "slices"

// parted is what stays of shapes that a push broke up. It is kept until the
// next push, and never changes once the memo is there.
type parted struct {
	moved   []int32             // graph nodes whose edges the push changed, ascending
	reached map[string]*reached // by key of the shape: the push changed only the order
	remains map[string]remains  // by key of the frame
}

// remains are parts of a frame before a push.
type remains struct {
	knots  *knots        // nil: nobody knows them; see knots.same
	around *surroundings // nil also when the push changed edges of nodes outside the set
}

func newParted() parted {
	return parted{reached: map[string]*reached{}, remains: map[string]remains{}}
}

// carry gives a memo with the shapes that do not depend on the changes, and
// what of the others does not.
func (m *memo) carry(changed []edgeChange) *memo {
	out := newMemo()
	out.solved = m.solved
	for _, e := range changed {
		out.moved = append(out.moved, e.from)
	}
	out.moved = slices.Compact(out.moved) // they come by node
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.order {
		h := m.shapes[key]
		reach, order := h.reach.dependsOn(changed), h.frame.dependsOn(changed)
		if !reach && !order {
			out.add(key, h)
			continue
		}
		if !reach {
			out.reached[key] = h.reached
		}
		out.remains[h.key] = h.remains(out.moved)
	}
	return out
}

// remains gives what of a frame may stay when the edges of some nodes changed.
func (f *frame) remains(moved []int32) remains {
	r := remains{knots: f.knots}
	if !slices.ContainsFunc(moved, func(v int32) bool { return !f.has(v) }) {
		r.around = f.around
	}
	return r
}
