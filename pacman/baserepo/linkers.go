package baserepo

import (
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// Linkers returns the packages that depend on a library by soname, in any form,
// by name. Packages that do not name the sonames they link with are missing.
func (s *Snapshot) Linkers(soname alpm.Soname) []Entry {
	var list []Entry
	for _, entries := range s.byName {
		if e := entries[0]; slices.ContainsFunc(e.Depends, func(d string) bool { return means(d, soname) }) {
			list = append(list, *e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// means reports whether a dependency is on the library. Most are not on any:
// only those that could be are taken apart.
func means(dependency string, soname alpm.Soname) bool {
	if !strings.Contains(dependency, soname.Library) {
		return false
	}
	n, ok := alpm.ParseSoname(dependency)
	return ok && n.Matches(soname)
}
