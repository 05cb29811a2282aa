package buildgraph

import (
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
	order  []string // oldest first
	cells  int
}

// maxCells bounds a memo to about 150 MB.
const maxCells = 1_500_000

func newMemo() *memo { return &memo{shapes: map[string]*shape{}} }

func (m *memo) get(key string) *shape {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shapes[key]
}

// put keeps a shape and drops the oldest ones above the bound.
func (m *memo) put(key string, h *shape) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shapes[key] != nil || h.cells() > maxCells {
		return
	}
	m.shapes[key] = h
	m.order = append(m.order, key)
	m.cells += h.cells()
	for m.cells > maxCells {
		oldest := m.order[0]
		m.order = m.order[1:]
		m.cells -= m.shapes[oldest].cells()
		delete(m.shapes, oldest)
	}
}

// carry gives a memo with the shapes that do not depend on any of the nodes.
func (m *memo) carry(changed []int32) *memo {
	out := newMemo()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.order {
		h := m.shapes[key]
		if !h.dependsOn(changed) {
			out.shapes[key] = h
			out.order = append(out.order, key)
			out.cells += h.cells()
		}
	}
	return out
}

func (h *shape) dependsOn(nodes []int32) bool {
	for _, v := range nodes {
		if h.inside.has(v) {
			return true
		}
	}
	return false
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
