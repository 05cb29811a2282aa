package graphlayout

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
)

// How much a cache keeps: a layout of 8,000 nodes takes about 2 MB.
const (
	cachedLayouts = 64
	cachedPoints  = 400_000 // nodes and points of all of them together
)

// Cache keeps the layouts that were asked for last, by a digest of the graph.
// Nobody may change what it gives out. The zero value is ready.
type Cache struct {
	mu     sync.Mutex
	recent []*cached // latest first
}

type cached struct {
	digest [sha256.Size]byte
	once   sync.Once // whoever asks meanwhile waits for the one layout
	layout *Layout
	err    error
	size   int // 0 until the layout is there
}

// New is New, or what it gave before for the same graph.
func (c *Cache) New(g Graph) (*Layout, error) {
	entry := c.entry(digest(g))
	entry.once.Do(func() { entry.layout, entry.err = New(g) })
	if entry.err == nil {
		c.weigh(entry)
	}
	return entry.layout, entry.err
}

// entry finds or begins an entry and makes it the latest.
func (c *Cache) entry(d [sha256.Size]byte) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.recent, func(e *cached) bool { return e.digest == d })
	entry := &cached{digest: d}
	if i >= 0 {
		entry = c.recent[i]
		c.recent = slices.Delete(c.recent, i, i+1)
	}
	c.recent = slices.Insert(c.recent, 0, entry)
	return entry
}

// weigh forgets the oldest layouts when there are too many or they are too
// large.
func (c *Cache) weigh(entry *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.size = len(entry.layout.Nodes) + len(entry.layout.Points)
	total := 0
	for i, e := range c.recent {
		if total += e.size; i > 0 && (i >= cachedLayouts || total > cachedPoints) {
			clear(c.recent[i:])
			c.recent = c.recent[:i]
			return
		}
	}
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
