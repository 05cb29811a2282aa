package directory

import (
	"cmp"
	"slices"
	"strings"
)

// Near lists names that a person who mistyped may have meant: those that are
// two slips away at most (one for short ones), the nearest first, at most limit
// of them. A slip is a letter too many, missing, wrong, or swapped with the
// next.
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
		if n := distance(name, folded, slips); n <= slips {
			list = append(list, near{n, d.entries[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), cmp.Compare(rank(a.Kind), rank(b.Kind)))
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

// distance is the number of slips between two texts (optimal string alignment),
// or anything above most when there are more.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(b) > maxDistanced {
		return most + 1
	}
	var rows [3][maxDistanced + 1]int // two lines back, the line before, this line
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[2][0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			rows[2][j] = slip(&rows, a, b, i, j)
			least = min(least, rows[2][j])
		}
		if least > most {
			return most + 1
		}
		rows[0], rows[1] = rows[1], rows[2]
	}
	return rows[1][len(b)]
}

// maxDistanced is the length in bytes of the longest name that is compared.
const maxDistanced = 64

func slip(rows *[3][maxDistanced + 1]int, a, b string, i, j int) int {
	changed := 1
	if a[i-1] == b[j-1] {
		changed = 0
	}
	n := min(rows[1][j]+1, rows[2][j-1]+1, rows[1][j-1]+changed)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		n = min(n, rows[0][j-2]+1)
	}
	return n
}
