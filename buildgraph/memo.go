package buildgraph

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"sync"

	"buildbtw"
)

// memo keeps the shapes that plans of one graph were made of, so that a push
// that changes no dependency costs its plans nothing but the new commit.
// Indexes that differ only in commits and versions share it.
type memo struct {
	mu     sync.Mutex
	shapes map[string]*shape
	frames map[string]*usedFrame // those of the shapes
	making map[string]*making    // frames that somebody works on
	parted                       // shapes that the last push broke up
	order  []string              // keys of shapes, oldest first
	cells  int
	solved *solutions
}

type usedFrame struct {
	*frame
	shapes int // that have it
}

// making is a frame under way.
type making struct {
	done chan struct{} // closed when it is there, or could not be made
	*frame
}

// maxCells bounds a memo to about 150 MB.
const maxCells = 1_500_000

func newMemo() *memo {
	return &memo{shapes: map[string]*shape{}, frames: map[string]*usedFrame{}, making: map[string]*making{}, parted: newParted(), solved: &solutions{}}
}

func (m *memo) get(key string) *shape {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shapes[key]
}

// frame gives the frame of a key: that of some shape, or one that somebody is
// working on, or else the one that is made now.
func (m *memo) frame(ctx context.Context, key string, build func() (*frame, error)) (*frame, error) {
	for {
		f, other := m.look(key)
		if f != nil {
			return f, nil
		}
		if other == nil {
			return m.build(key, build)
		}
		select {
		case <-other.done:
			if other.frame != nil {
				return other.frame, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look finds a frame, or who is making it. If there is neither, the caller is
// the one who makes it.
func (m *memo) look(key string) (*frame, *making) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.frames[key]; f != nil {
		return f.frame, nil
	}
	if other := m.making[key]; other != nil {
		return nil, other
	}
	m.making[key] = &making{done: make(chan struct{})}
	return nil, nil
}

// build makes a frame and tells those who wait. It stays among those under way
// until a shape with it is put: until then nobody else finds it.
func (m *memo) build(key string, build func() (*frame, error)) (f *frame, err error) {
	m.mu.Lock()
	mine := m.making[key]
	m.mu.Unlock()
	defer func() {
		if f == nil {
			m.forget(key)
		}
		mine.frame = f
		close(mine.done)
	}()
	return build()
}

func (m *memo) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.making, key)
}

// put keeps a shape and drops the oldest ones above the bound.
func (m *memo) put(key string, h *shape) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.making, h.key)
	if m.shapes[key] != nil || h.reached.cells()+h.frame.cells() > maxCells {
		return
	}
	if f := m.frames[h.key]; f != nil { // somebody else was quicker
		h.frame = f.frame
	}
	m.add(key, h)
	for m.cells > maxCells {
		m.dropOldest()
	}
}

func (m *memo) add(key string, h *shape) {
	m.shapes[key] = h
	m.order = append(m.order, key)
	m.cells += h.reached.cells()
	f := m.frames[h.key]
	if f == nil {
		f = &usedFrame{frame: h.frame}
		m.frames[h.key] = f
		m.cells += f.cells()
	}
	f.shapes++
}

func (m *memo) dropOldest() {
	h := m.shapes[m.order[0]]
	delete(m.shapes, m.order[0])
	m.order = m.order[1:]
	m.cells -= h.reached.cells()
	f := m.frames[h.key]
	if f.shapes--; f.shapes == 0 {
		delete(m.frames, h.key)
		m.cells -= f.cells()
	}
}

// key writes a wish as the key of its shape.
func (w *wanted) key(cycles buildbtw.Cycles, e *estimate, g *graph) string {
	b := []byte{byte(w.trigger)}
	b = append(append(b, w.scope...), 0)
	b = append(append(b, cycles...), 0)
	for _, list := range [][]int32{w.changesets, w.add, w.exclude} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, v := range list {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return string(e.appendKey(b, g))
}

// appendKey adds a digest of all durations of the graph's packages.
func (e *estimate) appendKey(b []byte, g *graph) []byte {
	if len(e.known) == 0 {
		return b
	}
	h := fnv.New128a()
	var word [8]byte
	for _, u := range g.units {
		binary.LittleEndian.PutUint64(word[:], math.Float64bits(e.of(u.info.Pkgbase)))
		_, _ = h.Write(word[:])
	}
	return h.Sum(b)
}
