package graph

import "math/bits"

// Bitset is a set of small numbers.
type Bitset []uint64

// NewBitset makes an empty set with room for the numbers below n.
func NewBitset(n int) Bitset { return make(Bitset, (n+63)/64) }

// NewBitsets makes many sets of one size in one piece of memory.
func NewBitsets(count, n int) []Bitset {
	out, words := make([]Bitset, count), (n+63)/64
	all := make(Bitset, count*words)
	for i := range out {
		out[i], all = all[:words:words], all[words:]
	}
	return out
}

// Add puts a number into the set.
func (b Bitset) Add(i int32) { b[i>>6] |= 1 << (uint32(i) & 63) }

// Remove takes a number out of the set.
func (b Bitset) Remove(i int32) { b[i>>6] &^= 1 << (uint32(i) & 63) }

// Has reports whether a number is in the set.
func (b Bitset) Has(i int32) bool { return b[i>>6]&(1<<(uint32(i)&63)) != 0 }

// Union adds all numbers of another set, which may be shorter.
func (b Bitset) Union(o Bitset) {
	for i, w := range o {
		b[i] |= w
	}
}

// Subtract removes all numbers of another set, which may be shorter.
func (b Bitset) Subtract(o Bitset) {
	for i, w := range o {
		b[i] &^= w
	}
}

// Len is how many numbers are in the set.
func (b Bitset) Len() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Max returns the largest number in the set, -1 when it is empty.
func (b Bitset) Max() int32 {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return int32(i*64 + 63 - bits.LeadingZeros64(b[i]))
		}
	}
	return -1
}

// Next returns the smallest number in the set that is not below lo, -1 when
// there is none.
func (b Bitset) Next(lo int32) int32 {
	for i := int(lo >> 6); i < len(b); i++ {
		w := b[i]
		if first := int32(i << 6); first < lo {
			w &= ^uint64(0) << (lo - first)
		}
		if w != 0 {
			return int32(i*64 + bits.TrailingZeros64(w))
		}
	}
	return -1
}

// RemoveRange removes the numbers from lo up to hi (not included) and returns
// how many of them were in the set.
func (b Bitset) RemoveRange(lo, hi int32) int {
	removed := 0
	for i := b.Next(lo); i >= 0 && i < hi; i = b.Next(i + 1) {
		b.Remove(i)
		removed++
	}
	return removed
}

// List returns the numbers in the set, ascending.
func (b Bitset) List() []int32 {
	out := make([]int32, 0, b.Len())
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, int32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return out
}
