package directory

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw/internal/editdistance"
)

// Near lists names that a person who mistyped may have meant: those that are
// two slips away at most (one for short ones), at most limit of them. The nearest come
// first, and of these the ones that most sources depend on. A slip is a letter too many,
// missing, wrong, or swapped with the next.
func (d *Directory) Near(name string, limit int) []Entry {
	name = strings.ToLower(name)
	slips := 2
	if len(name) < 5 {
		slips = 1
	}
	var list []near
	for i, folded := range d.folded {
		if i > 0 && folded == d.folded[i-1] {
			continue // the same name of another kind
		}
		if n := editdistance.Between(name, folded, slips); n <= slips {
			list = append(list, near{n, d.entries[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), cmp.Compare(d.Dependents(b.Entry), d.Dependents(a.Entry)), cmp.Compare(rank(a.Kind), rank(b.Kind)))
	})
	entries := make([]Entry, 0, limit)
	for _, n := range list[:min(len(list), limit)] {
		entries = append(entries, n.Entry)
	}
	return entries
}

type near struct {
	slips int
	Entry
}
