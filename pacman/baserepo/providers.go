package baserepo

import (
	"path"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// Provider is a package of the base that has a library.
type Provider struct {
	Entry
	File string // usr/lib/libssl.so.3; empty where files are not listed: then it names the soname in its provides
}

// Providers returns the packages of the base that have a library in a directory in which
// programs look for libraries, by name. A copy that a program brings along elsewhere
// (opt/app/lib) provides nothing. Where the files of a repository are not listed, the
// version in a package's provides counts.
func (s *Snapshot) Providers(soname alpm.Soname) []Provider {
	var list []Provider
	for _, entries := range s.byName {
		e := entries[0]
		files, listed := s.files[e.Repo][e.id()]
		if !listed {
			if slices.ContainsFunc(e.Provides, func(p string) bool { return means(p, soname) }) {
				list = append(list, Provider{Entry: *e})
			}
			continue
		}
		i := slices.IndexFunc(files.libraries, func(file string) bool { return strings.Contains(file, soname.Library) && s.provides(file, soname) })
		if i >= 0 {
			list = append(list, Provider{Entry: *e, File: files.libraries[i]})
		}
	}
	slices.SortFunc(list, func(a, b Provider) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// provides reports whether a file of a package is the library, as its name and place tell.
// libssl.so is what the linker follows, to a version that its name does not tell.
func (s *Snapshot) provides(file string, soname alpm.Soname) bool {
	library, version, ok := splitName(path.Base(file))
	is := alpm.Soname{Library: library, Version: version, Bits: s.deriver.bits(file)}
	return ok && alpm.InLibraryDirectory(file) && is.Matches(soname) && (version != "" || soname.Version == "") &&
		(soname.Prefix != "lib32" || is.Bits == "32")
}

// LinksKnown reports whether it is known what all packages of a pkgbase link with.
func (s *Snapshot) LinksKnown(pkgbase string) bool {
	for _, e := range s.byBase[pkgbase] {
		if _, listed := s.links[e.Repo][e.id()]; !listed {
			return false
		}
	}
	return len(s.byBase[pkgbase]) > 0
}

// Dependents returns the packages that depend on one of these names, whatever version they
// want, with the dependency, by name.
func (s *Snapshot) Dependents(names map[string]bool) []User {
	var list []User
	for _, entries := range s.byName {
		e := entries[0]
		if i := slices.IndexFunc(e.Depends, func(d string) bool { return names[d[:nameEnd(d)]] }); i >= 0 {
			list = append(list, User{*e, e.Depends[i]})
		}
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Entry.Name, b.Entry.Name) })
	return list
}

// nameEnd is where the name in a dependency ends and a constraint begins.
func nameEnd(dependency string) int {
	if i := strings.IndexAny(dependency, "<>="); i >= 0 {
		return i
	}
	return len(dependency)
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
