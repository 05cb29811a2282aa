package graphview

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"buildbtw"
)

// Search lists the nodes that match a query, at most n. Words of a query must all
// match: a part of a name, a pattern with * or ?, a status such as "failed", or
// "blocks>100" for the builds that so many wait for in vain. Names that are the query
// come first, then those that begin with it, then by length; with a status or blocks>
// the builds that block most.
func (s *State) Search(query string, n int) []int32 {
	words := strings.Fields(strings.ToLower(query))
	var found []int32
	ranked := false
	matches := make([]func(v int32) bool, len(words))
	for i, word := range words {
		var byState bool
		matches[i], byState = s.matcher(word)
		ranked = ranked || byState
	}
	for v := range s.Nodes {
		if !slices.ContainsFunc(matches, func(match func(int32) bool) bool { return !match(int32(v)) }) {
			found = append(found, int32(v))
		}
	}
	first := strings.Join(words, " ")
	order := func(v int32) int {
		key := strings.ToLower(s.Nodes[v].Key())
		if strings.HasPrefix(key, first) {
			return len(key)
		}
		return len(key) + 1000
	}
	blocks := map[int32]int{}
	if ranked {
		for _, v := range found {
			if s.Builds[v].stuck() && len(blocks) < blockersCompared {
				blocks[v] = s.Blocks(v)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b int32) int {
		return cmp.Or(cmp.Compare(blocks[b], blocks[a]), cmp.Compare(order(a), order(b)), strings.Compare(s.Nodes[a].Key(), s.Nodes[b].Key()))
	})
	return found[:min(n, len(found))]
}

// matcher returns the meaning of one word of a query, and whether it is about the
// state of builds.
func (s *State) matcher(word string) (match func(v int32) bool, byState bool) {
	if least, ok := strings.CutPrefix(word, "blocks>"); ok {
		if n, err := strconv.Atoi(least); err == nil {
			return func(v int32) bool { return s.Builds[v].stuck() && s.Blocks(v) > n }, true
		}
	}
	named := func(v int32) bool { return strings.Contains(strings.ToLower(s.Nodes[v].Key()), word) }
	if strings.ContainsAny(word, "*?") {
		named = func(v int32) bool {
			ok, err := path.Match(word, strings.ToLower(s.Nodes[v].Key()))
			return ok && err == nil
		}
	}
	if i := slices.IndexFunc(buildbtw.Statuses(), func(status buildbtw.Status) bool { return string(status) == word }); i >= 0 {
		status := buildbtw.Statuses()[i]
		return func(v int32) bool { return s.Builds[v].Status == status || named(v) }, true
	}
	return named, false
}

// wayShown bounds how many builds between two are shown besides a shortest way.
const wayShown = 80

// between returns the builds on the ways from one build to another, whichever comes
// first: all of them, or those of a shortest way where there are very many. Without a
// way it is the two alone.
func (s *State) between(a, b int32) []int32 {
	for _, ends := range [][2]int32{{a, b}, {b, a}} {
		from, to := ends[0], ends[1]
		next := map[int32]int32{to: to} // towards to, by a shortest way
		reached := []int32{to}
		for i := 0; i < len(reached); i++ {
			for _, v := range s.in.of(reached[i]) {
				if _, seen := next[v]; !seen {
					next[v] = reached[i]
					reached = append(reached, v)
				}
			}
		}
		if _, ok := next[from]; !ok {
			continue
		}
		all, seen := []int32{from}, map[int32]bool{from: true}
		for i := 0; i < len(all) && len(all) <= wayShown; i++ {
			for _, v := range s.out.of(all[i]) {
				if _, leads := next[v]; leads && !seen[v] {
					seen[v] = true
					all = append(all, v)
				}
			}
		}
		if len(all) > wayShown {
			all = []int32{from}
			for v := from; v != to; v = next[v] {
				all = append(all, next[v])
			}
		}
		slices.Sort(all)
		return all
	}
	if a == b {
		return []int32{a}
	}
	return []int32{min(a, b), max(a, b)}
}

// Connected reports whether one of two builds waits for the other, directly or not.
func (s *State) Connected(a, b int32) bool {
	return len(s.between(a, b)) > 2 || slices.Contains(s.out.of(a), b) || slices.Contains(s.out.of(b), a)
}

// foldFrom is how many builds of one family are joined to a box.
const foldFrom = 4

// family returns the prefix that names of related packages share, such as python-, qt6- or
// lib32-, and "" for a name without one.
func family(pkgbase string) string {
	prefix, _, ok := strings.Cut(pkgbase, "-")
	if !ok {
		return ""
	}
	return prefix + "-"
}

// fold joins builds of one family and level to a box, where there are enough of them.
// Edges lead from lower levels to higher ones, so the picture stays without cycles.
func (s *State) fold(boxes []Box, focus ...int32) []Box {
	type group struct {
		family string
		level  int
	}
	groupOf := func(b Box) (group, bool) {
		if b.Region() || slices.Contains(focus, b.Nodes[0]) {
			return group{}, false
		}
		n := s.Nodes[b.Nodes[0]]
		g := group{family(n.Pkgbase), n.Level}
		return g, g.family != ""
	}
	count := map[group]int{}
	for _, b := range boxes {
		if g, ok := groupOf(b); ok {
			count[g]++
		}
	}
	place := map[group]int{}
	var folded []Box
	for _, b := range boxes {
		g, ok := groupOf(b)
		if !ok || count[g] < foldFrom {
			folded = append(folded, b)
			continue
		}
		at, known := place[g]
		if !known {
			at = len(folded)
			place[g] = at
			folded = append(folded, Box{Name: g.family + "*"})
		}
		folded[at].Nodes = append(folded[at].Nodes, b.Nodes...)
	}
	return folded
}
