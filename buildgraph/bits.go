package buildgraph

import "math/bits"

// bitset is a set of small numbers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

// newBitsets makes many of one size in one piece.
func newBitsets(count, n int) []bitset {
	out, words := make([]bitset, count), (n+63)/64
	all := make(bitset, count*words)
	for i := range out {
		out[i], all = all[:words:words], all[words:]
	}
	return out
}

func (b bitset) add(i int32)      { b[i>>6] |= 1 << (uint32(i) & 63) }
func (b bitset) remove(i int32)   { b[i>>6] &^= 1 << (uint32(i) & 63) }
func (b bitset) has(i int32) bool { return b[i>>6]&(1<<(uint32(i)&63)) != 0 }

func (b bitset) union(o bitset) {
	for i, w := range o {
		b[i] |= w
	}
}

func (b bitset) subtract(o bitset) {
	for i, w := range o {
		b[i] &^= w
	}
}

// highest gives the largest number in the set, -1 when it is empty.
func (b bitset) highest() int32 {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return int32(i*64 + 63 - bits.LeadingZeros64(b[i]))
		}
	}
	return -1
}

// clearRange takes the numbers from lo up to hi out of the set and returns how
// many of them were in it.
func (b bitset) clearRange(lo, hi int32) int {
	removed := 0
	for i := lo >> 6; i <= (hi-1)>>6 && lo < hi; i++ {
		mask := ^uint64(0)
		if first := i << 6; first < lo {
			mask &= ^uint64(0) << (lo - first)
		}
		if end := (i + 1) << 6; end > hi {
			mask &= ^uint64(0) >> (end - hi)
		}
		removed += bits.OnesCount64(b[i] & mask)
		b[i] &^= mask
	}
	return removed
}

// firstFrom gives the smallest number in the set that is not below lo, -1 when
// there is none.
func (b bitset) firstFrom(lo int32) int32 {
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

// list gives the numbers in the set, ascending.
func (b bitset) list() []int32 {
	size := 0
	for _, w := range b {
		size += bits.OnesCount64(w)
	}
	out := make([]int32, 0, size)
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, int32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return out
}
