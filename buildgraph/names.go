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

// sortByName sorts the places of a list by name; equal names stay in their
// order.
func sortByName(n int, name func(int32) string) []named {
	list := make([]named, n)
	for i := range list {
		text := name(int32(i))
		list[i] = named{prefixOf(text), text, int32(i)}
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
