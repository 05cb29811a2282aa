package buildgraph

import (
	"cmp"
	"slices"
)

// duplicate says that two sources define the same thing.
type duplicate struct {
	name         string // the pkgbase or pkgname
	winner, lost int32  // sources
	base         bool   // name is a pkgbase
}

// doubled is a duplicate that concerns an architecture, with the nodes that the
// two sources' pkgbases have there.
type doubled struct {
	duplicate
	winner, lost int32
}

// placeDuplicates finds the nodes of the pkgbases that two sources have.
func (l *linker) placeDuplicates() {
	for _, d := range l.ix.dups {
		if v, ok := l.find(d.name); ok {
			l.dups = append(l.dups, doubled{d, v, v})
		}
	}
}

func (d duplicate) warning(ix *Index) Warning {
	what, then := "pkgname", "dependencies on it mean the first"
	if d.base {
		what, then = "pkgbase", "only the first is used"
	}
	winner, lost := &ix.sources[d.winner], &ix.sources[d.lost]
	return Warning{
		Kind:    WarnDuplicate,
		Source:  lost.Slug,
		Message: what + " " + d.name + " is defined by " + describe(winner) + " and by " + describe(lost) + "; " + then,
	}
}

func describe(s *Source) string {
	if s.Ref == "" {
		return s.Slug
	}
	return s.Slug + "/" + s.Ref
}

// ranks orders sources that define the same name.
type ranks map[string]int

func newRanks(slugs []string) ranks {
	r := make(ranks, len(slugs))
	for i, slug := range slugs {
		if _, ok := r[slug]; !ok {
			r[slug] = i
		}
	}
	return r
}

// of is smallest for the source that wins.
func (r ranks) of(s *Source) int {
	if i, ok := r[s.Slug]; ok {
		return i
	}
	if s.Slug == s.Info.Pkgbase {
		return len(r)
	}
	return len(r) + 1
}

// before reports whether source a wins a pkgname against source b.
func (ix *Index) before(a, b int32) bool {
	x, y := &ix.sources[a], &ix.sources[b]
	return cmp.Or(cmp.Compare(ix.names.of(x), ix.names.of(y)), cmp.Compare(a, b)) < 0
}

// choose picks one source for every pkgbase and notes the others. It is given
// the places of all sources, sorted by pkgbase.
func (ix *Index) choose(bases []named) {
	ix.chosen = make([]int32, 0, len(bases))
	for len(bases) > 0 {
		n := 1
		for n < len(bases) && bases[n].name == bases[0].name {
			n++
		}
		ix.chooseOf(bases[:n])
		bases = bases[n:]
	}
}

// chooseOf picks one of the sources of one pkgbase.
func (ix *Index) chooseOf(same []named) {
	if len(same) > 1 {
		slices.SortFunc(same, func(a, b named) int {
			return cmp.Or(cmp.Compare(ix.ranks.of(&ix.sources[a.at]), ix.ranks.of(&ix.sources[b.at])), cmp.Compare(a.at, b.at))
		})
	}
	winner := same[0].at
	ix.chosen = append(ix.chosen, winner)
	for _, other := range same[1:] {
		ix.dups = append(ix.dups, duplicate{name: other.name, winner: winner, lost: other.at, base: true})
	}
}
