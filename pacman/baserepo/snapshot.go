package baserepo

import (
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// Snapshot is the contents of all base repositories at one time. Its methods
// may be called by many at once.
type Snapshot struct {
	byName  map[string][]*Entry  // in the order of the repositories
	byBase  map[string][]*Entry  // of those that win; sorted by name
	files   map[string]fileLists // by repository
	deriver deriver
	count   int
}

func newSnapshot(repos []*repository, architecture string) *Snapshot {
	s := &Snapshot{
		byName: map[string][]*Entry{}, byBase: map[string][]*Entry{}, files: map[string]fileLists{},
		deriver: deriver{needed: map[string]bool{}, complete: true, native: nativeBits(architecture)},
	}
	for _, r := range repos {
		for _, p := range r.parts {
			s.add(r.Name, p.table)
		}
		s.deriver.complete = s.deriver.complete && r.parts[2].table != nil
	}
	s.groupByBase()
	return s
}

// nativeBits returns the word size of the libraries in usr/lib.
func nativeBits(architecture string) string {
	switch architecture {
	case "x86_64", "aarch64", "riscv64", "loong64", "loongarch64", "powerpc64le":
		return "64"
	case "i486", "i686", "pentium4", "armv6h", "armv7h", "powerpc", "espresso":
		return "32"
	}
	return ""
}

func (s *Snapshot) add(repo string, t table) {
	switch t := t.(type) {
	case database:
		s.addEntries(repo, t)
	case fileLists:
		s.files[repo] = t
	case *links:
		for soname := range t.sonames {
			s.deriver.needed[soname] = true
		}
	}
}

// addEntries adds copies, because other snapshots may share the entries.
func (s *Snapshot) addEntries(repo string, entries database) {
	s.count += len(entries)
	for _, e := range entries {
		e := *e
		e.Repo = repo
		s.byName[e.Name] = append(s.byName[e.Name], &e)
	}
}

func (s *Snapshot) groupByBase() {
	for _, entries := range s.byName {
		e := entries[0]
		s.byBase[e.Base] = append(s.byBase[e.Base], e)
	}
	for _, entries := range s.byBase {
		slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Name, b.Name) })
	}
}

// Packages returns the number of entries in all repositories.
func (s *Snapshot) Packages() int { return s.count }

// Package returns the package that pacman would install by this name: that of
// the first repository which has it, with any version.
func (s *Snapshot) Package(name string) (Entry, bool) {
	entries := s.byName[name]
	if len(entries) == 0 {
		return Entry{}, false
	}
	return *entries[0], true
}

// Interfaces returns the interfaces of the packages of a pkgbase that pacman
// would install: those that dependents outside of a buildspace were last built
// against. It is not ok when the base repositories do not have the pkgbase, or
// lack data; the reason is then in Unknown.
func (s *Snapshot) Interfaces(pkgbase string) (list []alpm.Interface, ok bool) {
	ok = len(s.byBase[pkgbase]) > 0
	for _, e := range s.byBase[pkgbase] {
		i := s.interfaceOf(e)
		ok = ok && i.Unknown == ""
		list = append(list, i)
	}
	return list, ok
}

func (s *Snapshot) interfaceOf(e *Entry) alpm.Interface {
	i := alpm.Interface{Pkgname: e.Name, Version: e.Version, Provides: slices.Sorted(slices.Values(e.Provides)), Derived: true}
	files, listed := s.files[e.Repo][e.id()]
	if !listed {
		i.Unknown = "base repository " + e.Repo + " has no list of its files"
		return i
	}
	sonames, told := s.deriver.sonames(files, e.Provides)
	if !told {
		i.Unknown = "the names of its files do not tell which sonames it has"
		return i
	}
	i.Sonames = sonames
	return i
}
