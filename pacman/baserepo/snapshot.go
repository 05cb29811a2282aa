package baserepo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"buildbtw/pacman/alpm"
)

// Snapshot is the contents of all base repositories at one time. Its methods
// may be called by many at once.
type Snapshot struct {
	byName  map[string][]*Entry  // in the order of the repositories
	byBase  map[string][]*Entry  // of those that win; sorted by name
	files   map[string]fileLists // by repository
	links   map[string]links     // by repository
	deriver deriver
	count   int
	known   bool           // every repository has been read
	order   map[string]int // of the repositories, by name

	graphOnce    sync.Once
	packageGraph *packageGraph // made by the first who asks for digests

	stateOnce sync.Once
	state     string // made by the first who asks for it
}

func newSnapshot(repos []*repository, architecture string) *Snapshot {
	s := &Snapshot{
		byName: map[string][]*Entry{}, byBase: map[string][]*Entry{}, files: map[string]fileLists{}, links: map[string]links{},
		known: true, order: map[string]int{},
		deriver: deriver{needed: map[string]bool{}, complete: true, native: alpm.WordSize(architecture)},
	}
	for i, r := range repos {
		s.order[r.Name] = i
		s.known = s.known && r.parts[0].table != nil
		for _, p := range r.parts {
			s.add(r.Name, p.table)
		}
		s.deriver.complete = s.deriver.complete && r.parts[2].table != nil
	}
	s.groupByBase()
	return s
}

func (s *Snapshot) add(repo string, t table) {
	switch t := t.(type) {
	case database:
		s.addEntries(repo, t)
	case fileLists:
		s.files[repo] = t
	case links:
		s.links[repo] = t
		for _, sonames := range t {
			for _, soname := range sonames {
				s.deriver.needed[soname] = true
			}
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

// State returns a digest of what the databases of the repositories say: another one when a
// package was added, removed or changed.
func (s *Snapshot) State() string {
	s.stateOnce.Do(func() {
		sum := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(s.byName)) {
			for _, e := range s.byName[name] {
				fmt.Fprintf(sum, "%s %s %s %s %s\n%q %q %q %q\n", e.Repo, e.Name, e.Base, e.Version, e.Filename, e.Depends, e.Provides, e.Conflicts, e.Replaces)
			}
		}
		s.state = hex.EncodeToString(sum.Sum(nil))
	})
	return s.state
}

// Package returns the package that pacman would install by this name: that of
// the first repository which has it, with any version.
func (s *Snapshot) Package(name string) (Entry, bool) {
	entries := s.byName[name]
	if len(entries) == 0 {
		return Entry{}, false
	}
	return *entries[0], true
}

// Names returns the names of all packages, in no order.
func (s *Snapshot) Names() iter.Seq[string] { return maps.Keys(s.byName) }

// Installed returns the packages that pacman would install by their names, with their
// interfaces, in the order of the repositories and by name.
func (s *Snapshot) Installed() iter.Seq2[Entry, alpm.Interface] {
	return func(yield func(Entry, alpm.Interface) bool) {
		for e := range s.Entries() {
			if !yield(*e, s.interfaceOf(e)) {
				return
			}
		}
	}
}

// Entries returns the packages that pacman would install by their names, in the order of the
// repositories and by name. They must not be changed.
func (s *Snapshot) Entries() iter.Seq[*Entry] {
	list := make([]*Entry, 0, len(s.byName))
	for _, entries := range s.byName {
		list = append(list, entries[0])
	}
	slices.SortFunc(list, func(a, b *Entry) int {
		return cmp.Or(s.order[a.Repo]-s.order[b.Repo], strings.Compare(a.Name, b.Name))
	})
	return slices.Values(list)
}

// ListsFiles reports whether it is known which files the packages of a repository have.
func (s *Snapshot) ListsFiles(repo string) bool { return s.files[repo] != nil }

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
	i.Directories = append([]string{}, alpm.DirectoriesOf(files.directories, e.Version)...)
	i.Links = s.linksOf(e)
	sonames, told := s.deriver.sonames(files.libraries, e.Provides)
	if !told {
		i.Unknown = "the names of its files do not tell which sonames it has"
		return i
	}
	i.Sonames = sonames
	i.Symbols = s.deriver.unnumbered(files.libraries, e.Version)
	return i
}

// linksOf returns the sonames that a package links with; nil when not known. The
// list does not tell their word size: it is that of usr/lib, but for packages
// whose name says that they are for 32 bits.
func (s *Snapshot) linksOf(e *Entry) []string {
	needed, listed := s.links[e.Repo][e.id()]
	if !listed {
		return nil
	}
	bits := s.deriver.native
	if strings.HasPrefix(e.Name, "lib32-") {
		bits = "32"
	}
	list := make([]string, len(needed))
	for i, soname := range needed {
		list[i] = alpm.SonameOf(soname, bits)
	}
	slices.Sort(list)
	return list
}

// Packed returns the size in bytes of the files of a pkgbase's packages; 0 when the base does
// not have it, or does not tell.
func (s *Snapshot) Packed(pkgbase string) (bytes int64) {
	for _, e := range s.byBase[pkgbase] {
		bytes += max(0, e.Packed)
	}
	return bytes
}

// Versions returns the versions that the repositories have of a pkgbase's packages and
// of packages with these names, also those that a repository before them hides: a
// machine may not have that one.
func (s *Snapshot) Versions(pkgbase string, pkgnames []string) []string {
	names := map[string]bool{}
	for _, name := range pkgnames {
		names[name] = true
	}
	for _, e := range s.byBase[pkgbase] {
		names[e.Name] = true
	}
	var list []string
	for name := range names {
		for _, e := range s.byName[name] {
			list = append(list, e.Version)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Everything returns the packages of all repositories, also those that a repository before
// theirs hides, in no order. They must not be changed.
func (s *Snapshot) Everything() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, entries := range s.byName {
			for _, e := range entries {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Named returns the packages of a name in all repositories, in their order. They must not be
// changed.
func (s *Snapshot) Named(name string) []*Entry { return s.byName[name] }

// Repositories returns the names of the repositories, in their order.
func (s *Snapshot) Repositories() []string {
	return slices.SortedFunc(maps.Keys(s.order), func(a, b string) int { return s.order[a] - s.order[b] })
}
