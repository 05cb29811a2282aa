package buildgraph

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"

	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/guard"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// duplicate is a pkgbase that two sources define.
type duplicate struct {
	pkgbase      string
	winner, lost int32 // sources
	why          string
}

// contest decides which of several sources of one pkgbase or pkgname counts: a changeset, else
// one that Options.Prefer names, else the one that meets most of the constraints that
// others have on its packages, else the newest, else the one named like the pkgbase,
// else the first by name.
type contest struct {
	sources     []Source
	changesets  func(*Source) int // ranks: the smaller wins
	preferred   func(*Source) int
	names       map[string]bool              // pkgnames of the sources that somebody contests
	constraints map[string][]link.Constraint // by pkgname: those of sources that won their own pkgbase
}

// settle chooses a winner for each pkgbase. Given are the sources of each, by their
// places; those that win come first afterwards. Constraints that count are those of
// the sources that win without them.
func (c *contest) settle(groups [][]int32) {
	var disputed [][]int32
	for _, same := range groups {
		if len(same) > 1 {
			slices.SortFunc(same, func(a, b int32) int { return c.compare(a, b, nil) })
			disputed = append(disputed, same)
		}
	}
	if len(disputed) == 0 {
		return
	}
	c.names = map[string]bool{}
	for _, same := range disputed {
		for _, at := range same {
			for i := range c.sources[at].Info.Packages {
				c.names[c.sources[at].Info.Packages[i].Name] = true
			}
		}
	}
	c.constraints = map[string][]link.Constraint{}
	winners := make([]*srcinfo.Info, len(groups)) // so far
	asked := make([][]string, len(groups))
	var work guard.Group
	for i, same := range groups {
		winners[i] = c.sources[same[0]].Info
	}
	parts := runtime.GOMAXPROCS(0)
	for part := range parts {
		work.Go(func() {
			for i := len(groups) * part / parts; i < len(groups)*(part+1)/parts; i++ {
				asked[i] = constraintsOn(winners[i], c.names)
			}
		})
	}
	work.Wait()
	for i, list := range asked {
		for _, text := range list {
			if dep, err := alpm.ParseDep(text); err == nil {
				c.constraints[dep.Name] = append(c.constraints[dep.Name], link.Constraint{Dep: dep, By: winners[i].Pkgbase})
			}
		}
	}
	for _, same := range disputed {
		if on := c.on(same); len(on) > 0 {
			slices.SortFunc(same, func(a, b int32) int { return c.compare(a, b, on) })
		}
	}
}

// constraintsOn lists the dependencies of a source that ask for versions of packages
// with these names, sorted.
func constraintsOn(info *srcinfo.Info, names map[string]bool) (list []string) {
	look := func(values srcinfo.Values) {
		for i := range values {
			text := values[i].Text
			for end := range len(text) {
				if c := text[end]; '<' <= c && c <= '>' {
					if names[text[:end]] {
						list = append(list, text)
					}
					break
				}
			}
		}
	}
	look(info.Base.Depends)
	for i := range info.Packages {
		if own, base := info.Packages[i].Depends, info.Base.Depends; len(own) > 0 && (len(base) != len(own) || &base[0] != &own[0]) {
			look(own)
		}
	}
	look(info.Base.MakeDepends)
	look(info.Base.CheckDepends)
	if len(list) < 2 {
		return list
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// on lists the constraints that others have on the packages of some sources of one
// pkgbase.
func (c *contest) on(same []int32) (list []link.Constraint) {
	var seen []string
	for _, at := range same {
		info := c.sources[at].Info
		for i := range info.Packages {
			name := info.Packages[i].Name
			if asked := c.constraints[name]; len(asked) > 0 && !slices.Contains(seen, name) {
				seen = append(seen, name)
				list = append(list, asked...)
			}
		}
	}
	return slices.DeleteFunc(list, func(one link.Constraint) bool { return one.By == c.sources[same[0]].Info.Pkgbase })
}

// compare puts the winner first.
func (c *contest) compare(a, b int32, on []link.Constraint) int {
	s, t := &c.sources[a], &c.sources[b]
	return cmp.Or(
		cmp.Compare(c.changesets(s), c.changesets(t)), cmp.Compare(c.preferred(s), c.preferred(t)),
		cmp.Compare(unmet(s.Info, on), unmet(t.Info, on)), -alpm.Vercmp(s.Info.Version(), t.Info.Version()),
		cmp.Compare(namedOtherwise(s), namedOtherwise(t)), cmp.Compare(a, b),
	)
}

// why returns the reason for which the first of two sources wins, in words.
func (c *contest) why(a, b int32, on []link.Constraint) string {
	s, t := &c.sources[a], &c.sources[b]
	switch {
	case c.changesets(s) != c.changesets(t):
		return "it is a changeset"
	case c.preferred(s) != c.preferred(t):
		return "--prefer says so"
	case unmet(s.Info, on) != unmet(t.Info, on):
		at := slices.IndexFunc(on, func(one link.Constraint) bool { return meets(s.Info, one.Dep) && !meets(t.Info, one.Dep) })
		return fmt.Sprintf("it meets %s (needed by %s)", on[at].Dep, on[at].By)
	case s.Info.Version() != t.Info.Version():
		return "it is newer"
	case namedOtherwise(s) != namedOtherwise(t):
		return "it is named like the pkgbase"
	}
	return "it comes first by name"
}

func namedOtherwise(s *Source) int {
	if s.Slug == s.Info.Pkgbase {
		return 0
	}
	return 1
}

// unmet counts the constraints that the packages of a source do not meet.
func unmet(info *srcinfo.Info, on []link.Constraint) (n int) {
	for i := range on {
		if !meets(info, on[i].Dep) {
			n++
		}
	}
	return n
}

func meets(info *srcinfo.Info, dep alpm.Dep) bool {
	return slices.ContainsFunc(info.Packages, func(p srcinfo.Package) bool {
		return p.Name == dep.Name && dep.SatisfiedBy(info.Version()) || slices.ContainsFunc(p.Provides, func(v srcinfo.Value) bool {
			provide, err := alpm.ParseProvide(v.Text)
			return err == nil && dep.SatisfiedByProvide(provide)
		})
	})
}

// preference ranks sources by a list of slugs, or of the places that sources come
// from: the one with the smallest rank wins.
func preference(names []string) func(*Source) int {
	ranks := make(map[string]int, len(names))
	for i, name := range slices.Backward(names) {
		ranks[name] = i
	}
	rank := func(name string) int {
		if i, ok := ranks[name]; ok && name != "" {
			return i
		}
		return len(names)
	}
	return func(s *Source) int { return min(rank(s.Slug), rank(s.Place)) }
}

func (d duplicate) warning(ix *Index) Warning {
	return twice("pkgbase", d.pkgbase, &ix.sources[d.winner], &ix.sources[d.lost], "only the first is used, because "+d.why)
}

// twice warns of a name that two sources define.
func twice(kind, name string, winner, lost *Source, then string) Warning {
	return Warning{
		Kind: WarnDuplicate, Source: lost.Slug,
		Message: fmt.Sprintf("%s %s is defined by %s and by %s; %s", kind, name, describePlace(winner), describePlace(lost), then),
	}
}

// describePlace names a source with its version and where it comes from.
func describePlace(s *Source) string {
	if s.Place == "" {
		return describe(s) + " (" + s.Info.Version() + ")"
	}
	return describe(s) + " in " + s.Place + " (" + s.Info.Version() + ")"
}
