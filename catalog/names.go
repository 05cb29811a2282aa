package catalog

import (
	"buildbtw"
	"buildbtw/internal/directory"
)

const (
	maxResolved     = 20_000 // names in one question: a distribution's, twice over
	suggestedFor    = 20     // unknown names for which similar ones are looked up: each is compared with all
	suggestionsEach = 3
)

// ResolvedName is a name of a list with the source that makes it.
type ResolvedName struct {
	Name    string
	Pkgbase string // empty when no source makes it
	Source  string
	InBase  bool     // no source makes it, but the base repositories have it
	Near    []string // similar names, for the first of those that nothing has
}

// ResolveNames finds the pkgbase and source of each name: of a package, a pkgbase, a source,
// or of something that exactly one source provides. The result has the order of the list.
func (c *Catalog) ResolveNames(names []string) ([]ResolvedName, error) {
	if len(names) > maxResolved {
		return nil, buildbtw.TooLarge("the list has %d names; at most %d are allowed", len(names), maxResolved)
	}
	d, err := c.Directory()
	if err != nil {
		return nil, err
	}
	suggested := 0
	list := make([]ResolvedName, len(names))
	for i, name := range names {
		r := &list[i]
		r.Name = name
		if err := buildbtw.CheckPkgname(name); err != nil {
			return nil, err
		}
		if e, ok := maker(d.Named(name)); ok {
			r.Pkgbase, r.Source = e.Pkgbase, e.Source
			continue
		}
		for _, arch := range c.Architectures {
			if _, ok := c.Bases.Package(arch, name); ok {
				r.InBase = true
				break
			}
		}
		if !r.InBase && suggested < suggestedFor {
			suggested++
			for _, e := range d.Near(name, suggestionsEach) {
				r.Near = append(r.Near, e.Name)
			}
		}
	}
	return list, nil
}

// maker returns the entry that a name means: a package's own name counts more than a
// pkgbase's, that more than a source's, and what is provided counts if one source alone
// provides it. Entries are in this order.
func maker(entries []directory.Entry) (directory.Entry, bool) {
	if len(entries) == 0 || entries[0].Pkgbase == "" {
		return directory.Entry{}, false
	}
	first := entries[0]
	if first.Kind == directory.KindProvides {
		for _, e := range entries {
			if e.Source != first.Source {
				return directory.Entry{}, false
			}
		}
	}
	return first, true
}
