package buildgraph

import (
	"slices"
	"strings"
)

// chunk hands out many small slices from few large blocks. The zero value is
// ready.
type chunk[T any] struct{ blocks [][]T } // the last one has room left

// Blocks double in size. A single source fits into the first.
const (
	firstBlock = 1 << 4
	lastBlock  = 1 << 14
)

// room gives an empty slice with space for n.
func (c *chunk[T]) room(n int) []T {
	last := len(c.blocks) - 1
	if last < 0 || cap(c.blocks[last])-len(c.blocks[last]) < n {
		size := firstBlock
		if last >= 0 {
			size = min(2*cap(c.blocks[last]), lastBlock)
		}
		c.blocks = append(c.blocks, make([]T, 0, max(n, size)))
		last++
	}
	used := len(c.blocks[last])
	return c.blocks[last][used : used : used+n]
}

// keep takes the slice that room gave out of the free space.
func (c *chunk[T]) keep(s []T) []T {
	last := len(c.blocks) - 1
	c.blocks[last] = c.blocks[last][:len(c.blocks[last])+len(s)]
	return slices.Clip(s)
}

// copied gives a copy of a slice.
func (c *chunk[T]) copied(s []T) []T { return c.keep(append(c.room(len(s)), s...)) }

// letters makes many small strings in few large blocks.
type letters struct{ block strings.Builder }

func (l *letters) text(b []byte) string {
	if l.block.Cap()-l.block.Len() < len(b) {
		size := min(max(2*l.block.Cap(), firstBlock), lastBlock)
		l.block.Reset()
		l.block.Grow(max(len(b), size))
	}
	from := l.block.Len()
	l.block.Write(b)
	return l.block.String()[from:]
}
