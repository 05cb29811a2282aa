// Package directory searches packages by a part of their names: names of
// packages and sources, provides, libraries and the packages that link with
// them, and commits. A directory is made from the sources once and never
// changes.
package directory

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// Source is a source as the catalog has it.
type Source struct {
	Slug   string
	Commit string        // empty when the source has none at the base ref
	Info   *srcinfo.Info // nil when it cannot be read
}

// Kind is the kind of thing that an entry names.
type Kind string

// The kinds, the most telling first.
const (
	KindPackage  Kind = "package"  // a pkgname
	KindPkgbase  Kind = "pkgbase"  // of which no package has the name
	KindSource   Kind = "source"   // whose pkgbase is called otherwise, or is not known
	KindProvides Kind = "provides" // another name that a package provides
)

// Entry is one name.
type Entry struct {
	Name    string
	Kind    Kind
	Pkgname string // that has the name or provides it; empty for the other kinds
	Pkgbase string // empty for a source that cannot be read
	Source  string
	Version string
}

// User is a package that depends on a library, in the words of its source.
type User struct {
	Pkgbase    string
	Dependency string
}

// Directory is all names. It is safe for concurrent use.
type Directory struct {
	entries []Entry  // by folded name, then kind
	folded  []string // the entries' names in lower case
	text    string   // all of folded, each followed by a newline
	starts  []int    // where each begins in text
	commits []Entry  // sources by commit, which is their Name

	dependents map[string]int // by name: the sources that depend on it by this name
	provided   map[string]int // by name: the entries that provide it
	users      map[string][]use
	providers  map[string][]provider // by library
}

// use is a dependency on a library.
type use struct {
	soname alpm.Soname
	User
}

// provider is a package that provides a library.
type provider struct {
	soname alpm.Soname
	Entry
}

// New makes a directory.
func New(sources []Source) *Directory {
	d := &Directory{users: map[string][]use{}, dependents: map[string]int{}, providers: map[string][]provider{}}
	for _, s := range sources {
		d.add(s)
	}
	slices.SortFunc(d.entries, func(a, b Entry) int {
		return cmp.Or(
			strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)),
			cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(a.Pkgbase, b.Pkgbase), strings.Compare(a.Pkgname, b.Pkgname),
		)
	})
	d.entries = slices.Compact(d.entries)
	slices.SortFunc(d.commits, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	d.index()
	return d
}

func rank(k Kind) int {
	return slices.Index([]Kind{KindPackage, KindPkgbase, KindSource, KindProvides}, k)
}

func (d *Directory) add(s Source) {
	own := Entry{Name: s.Slug, Kind: KindSource, Source: s.Slug}
	if s.Info != nil {
		own.Pkgbase, own.Version = s.Info.Pkgbase, s.Info.Version()
	}
	if s.Commit != "" {
		commit := own
		commit.Name = s.Commit
		d.commits = append(d.commits, commit)
	}
	if s.Info == nil {
		d.entries = append(d.entries, own)
		return
	}
	if s.Slug != s.Info.Pkgbase {
		d.entries = append(d.entries, own)
	}
	d.addPackages(s, own)
	d.addUsers(s.Info)
}

// addPackages adds the packages of a source, their provides, and its pkgbase
// when no package has that name.
func (d *Directory) addPackages(s Source, own Entry) {
	hasBase := false
	for i := range s.Info.Packages {
		p := &s.Info.Packages[i]
		e := own
		e.Name, e.Pkgname, e.Kind = p.Name, p.Name, KindPackage
		d.entries = append(d.entries, e)
		hasBase = hasBase || p.Name == s.Info.Pkgbase
		for _, provide := range p.Provides {
			if n, ok := soname(provide.Text); ok {
				d.providers[n.Library] = append(d.providers[n.Library], provider{n, e})
			}
			if name := provided(provide.Text); name != p.Name {
				alias := e
				alias.Name, alias.Kind = name, KindProvides
				d.entries = append(d.entries, alias)
			}
		}
	}
	if !hasBase {
		own.Name, own.Kind = s.Info.Pkgbase, KindPkgbase
		d.entries = append(d.entries, own)
	}
}

// provided returns the name under which a provide is found. For a library that
// is its name up to .so.
func provided(text string) string {
	if n, ok := soname(text); ok {
		return n.Library
	}
	p, err := alpm.ParseProvide(text)
	if err != nil {
		return text
	}
	return p.Name
}

// soname is alpm.ParseSoname for texts of which most are none.
func soname(text string) (alpm.Soname, bool) {
	if !strings.Contains(text, ".so") {
		return alpm.Soname{}, false
	}
	return alpm.ParseSoname(text)
}

// addUsers counts a source as dependent of each name in its depends, makedepends and
// checkdepends, and records it by the libraries among them.
func (d *Directory) addUsers(info *srcinfo.Info) {
	seen := map[string]bool{}
	note := func(values srcinfo.Values) {
		for _, v := range values {
			if seen[v.Text] {
				continue
			}
			seen[v.Text] = true
			name := v.Text[:nameEnd(v.Text)]
			n, ok := soname(v.Text)
			if ok {
				name = n.Library
			}
			if !seen["name "+name] {
				seen["name "+name] = true
				d.dependents[name]++
			}
			if !ok {
				continue
			}
			d.users[n.Library] = append(d.users[n.Library], use{n, User{Pkgbase: info.Pkgbase, Dependency: v.Text}})
		}
	}
	for i := range info.Packages {
		note(info.Packages[i].Depends)
	}
	note(info.Base.MakeDepends)
	note(info.Base.CheckDepends)
}

// nameEnd is where the name in a dependency ends and a constraint begins.
func nameEnd(dependency string) int {
	if i := strings.IndexAny(dependency, "<>=:"); i >= 0 {
		return i
	}
	return len(dependency)
}

// Dependents returns how many sources depend on an entry by its name. It is none for a
// name that several packages provide: which of them is meant, the name does not say.
func (d *Directory) Dependents(e Entry) int {
	if e.Kind == KindProvides && d.provided[e.Name] > 1 {
		return 0
	}
	return d.dependents[e.Name]
}

// index prepares the search for parts of names.
func (d *Directory) index() {
	var text strings.Builder
	d.provided = map[string]int{}
	for _, e := range d.entries {
		if e.Kind == KindProvides {
			d.provided[e.Name]++
		}
		folded := strings.ToLower(e.Name)
		d.starts = append(d.starts, text.Len())
		d.folded = append(d.folded, folded)
		text.WriteString(folded)
		text.WriteByte('\n')
	}
	d.text = text.String()
}
