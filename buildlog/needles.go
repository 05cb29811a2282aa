package buildlog

import "bytes"

// needles finds many words in a text in one pass that looks at one place in
// several only (Wu and Manber, with pairs of bytes and the length of the shortest
// word).
type needles struct {
	words    [][]byte
	shortest int
	skip     [1 << 16]uint8 // how far the end of the window may move, by the pair of bytes there
	group    [1 << 16]uint8 // where it may not move: the index in groups
	groups   [][]int        // words whose window ends with the same pair
}

// newNeedles takes words of at least two bytes, at most 255 of them.
func newNeedles(words []string) *needles {
	n := &needles{shortest: len(words[0]), groups: make([][]int, 1)}
	for _, w := range words {
		n.words = append(n.words, []byte(w))
		n.shortest = min(n.shortest, len(w))
	}
	for i := range n.skip {
		n.skip[i] = uint8(n.shortest - 1)
	}
	for i, w := range n.words {
		for end := 1; end < n.shortest; end++ {
			p := pair(w[end-1], w[end])
			n.skip[p] = min(n.skip[p], uint8(n.shortest-1-end))
		}
		p := pair(w[n.shortest-2], w[n.shortest-1])
		if n.group[p] == 0 {
			n.group[p] = uint8(len(n.groups))
			n.groups = append(n.groups, nil)
		}
		n.groups[n.group[p]] = append(n.groups[n.group[p]], i)
	}
	return n
}

func pair(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// next returns the first place, not before from, at which a word begins, and
// which words begin there; -1 when there is none.
func (n *needles) next(text []byte, from int) (at int, words []int) {
	for end := from + n.shortest - 1; end < len(text); {
		p := pair(text[end-1], text[end])
		if skip := n.skip[p]; skip > 0 {
			end += int(skip)
			continue
		}
		at := end - n.shortest + 1
		for _, i := range n.groups[n.group[p]] {
			if bytes.HasPrefix(text[at:], n.words[i]) {
				words = append(words, i)
			}
		}
		if len(words) > 0 {
			return at, words
		}
		end++
	}
	return -1, nil
}
