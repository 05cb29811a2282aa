package buildgraph

import (
	"cmp"
	"slices"
	"strings"
)

// named is something with a name, at its place in a list.
type named struct {
	prefix uint64 // the first eight bytes of the name: they settle most comparisons
	name   string
	at     int32
}

// sortByName sorts the places of those in a list that have a name by it; equal
// names stay in their order.
func sortByName(n int, name func(int32) (string, bool)) []named {
	list := make([]named, 0, n)
	for i := range int32(n) {
		if text, ok := name(i); ok {
			list = append(list, named{prefixOf(text), text, i})
		}
	}
	slices.SortFunc(list, func(a, b named) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.at, b.at))
	})
	return list
}

// prefixOf compares like the beginning of the name.
func prefixOf(name string) uint64 {
	var p uint64
	for i := range 8 {
		p <<= 8
		if i < len(name) {
			p |= uint64(name[i])
		}
	}
	return p
}
