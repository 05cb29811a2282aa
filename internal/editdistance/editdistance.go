// Package editdistance compares names that people may have mistyped.
package editdistance

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Nearest returns the names that are at most most changes away from the wanted one, as
// Between counts them: the nearest first, of equally near ones by the alphabet, and at most
// limit of them.
func Nearest(wanted string, names iter.Seq[string], most, limit int) []string {
	far := map[string]int{}
	for name := range names {
		if n := Between(wanted, name, most); n <= most {
			far[name] = n
		}
	}
	list := make([]string, 0, len(far))
	for name := range far {
		list = append(list, name)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(far[a]-far[b], strings.Compare(a, b)) })
	return list[:min(len(list), limit)]
}

// Between returns the number of bytes to be inserted, removed, replaced or
// swapped with their neighbour to turn a into b (optimal string alignment: Boytsov
// 2011, "Indexing methods for approximate dictionary searching", 2.1), or any
// number above most when there are more.
func Between(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	width := len(b) + 1
	var short [3 * 65]int // keeps names of the usual length off the heap
	cells := short[:]
	if 3*width > len(cells) {
		cells = make([]int, 3*width)
	}
	older, last, row := cells[:width], cells[width:2*width], cells[2*width:3*width]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		older, last, row = last, row, older
	}
	return last[len(b)]
}
