package baserepo

import (
	"slices"
	"strings"
)

// User is a package of the base that uses something.
type User struct {
	Entry
	Name string // the part that it uses, as alpm.Uses names it, or a dependency on a soname as written
}

// Users returns the packages of the base that use a name that the function accepts: a
// versioned directory in which they have files, a soname that they link with or
// depend on. They are sorted by pkgname. It is not whole when the lists of files, or for
// sonames those of links, of a repository are missing: packages that do not name
// the sonames they link with are missing then.
func (s *Snapshot) Users(soname bool, accepts func(name string) bool) (list []User, whole bool) {
	whole = len(s.byName) > 0
	for _, entries := range s.byName {
		e := entries[0]
		files, listed := s.files[e.Repo][e.id()]
		names := files.directories
		if soname {
			linked := s.linksOf(e)
			listed = linked != nil
			names = slices.Concat(linked, e.Depends)
		}
		whole = whole && listed
		if i := slices.IndexFunc(names, accepts); i >= 0 {
			list = append(list, User{*e, names[i]})
		}
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Entry.Name, b.Entry.Name) })
	return list, whole
}

// Users returns Snapshot.Users of an architecture's base; none, and not whole,
// when it has none.
func (b Bases) Users(architecture string, soname bool, accepts func(name string) bool) (list []User, whole bool) {
	base, ok := b[architecture]
	if !ok {
		return nil, false
	}
	return base.Snapshot().Users(soname, accepts)
}
