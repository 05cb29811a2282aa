package graphlayout

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"buildbtw/internal/lru"
)

// Bounds of a cache: a layout of 8,000 nodes has about 2 MB.
const (
	cachedLayouts = 64
	cachedPoints  = 400_000 // nodes and points of all of them together
)

// Cache caches the most recently used layouts, by a digest of the graph. Nobody
// may change a layout that it returns. The zero value is ready.
type Cache struct {
	ready  sync.Once
	recent *lru.Cache[[sha256.Size]byte, *cached]
}

type cached struct {
	once   sync.Once // whoever asks meanwhile waits for the one layout
	layout *Layout
	err    error
}

// weight returns the size of a layout, at least 1/cachedLayouts and at most all
// of the cache: so the latest one is always cached.
func (c *cached) weight() int64 {
	size := 0
	if c.layout != nil {
		size = len(c.layout.Nodes) + len(c.layout.Points)
	}
	return int64(min(max(size, cachedPoints/cachedLayouts), cachedPoints))
}

// New returns the layout of the function New, from the cache if it has one.
func (c *Cache) New(g Graph) (*Layout, error) {
	c.ready.Do(func() { c.recent = lru.NewWeighted[[sha256.Size]byte](cachedPoints, (*cached).weight) })
	key := digest(g)
	entry := c.recent.GetOrPut(key, func() *cached { return &cached{} })
	made := false
	entry.once.Do(func() { entry.layout, entry.err = New(g); made = true })
	if made && entry.err == nil {
		c.recent.Put(key, entry) // its weight is known now
	}
	return entry.layout, entry.err
}

func digest(g Graph) [sha256.Size]byte {
	b := make([]byte, 0, 16+4*len(g.Widths)+9*len(g.Edges))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(g.Widths)))
	for _, w := range g.Widths {
		b = binary.LittleEndian.AppendUint32(b, uint32(w))
	}
	for _, e := range g.Edges {
		b = binary.LittleEndian.AppendUint32(b, uint32(e.From))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.To))
	}
	for _, keep := range g.Keep {
		if keep {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return sha256.Sum256(b)
}
