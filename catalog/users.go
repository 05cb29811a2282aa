package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// UsersOf are the packages that use a versioned directory or a library.
type UsersOf struct {
	Name         string // as it was asked for
	Architecture string
	Library      bool // it is a soname
	Users        []NameUser
	More         int  // that are not listed
	Whole        bool // everything is known of the base; else packages may be missing

	// Of a library only:
	Providers []NameProvider
	Unknown   []UnknownUser // that may link with it
}

// Sources returns the sources of the users, and with unknown those of packages that may
// be users, sorted. left is how many pkgbases have no source here.
func (u UsersOf) Sources(unknown bool) (slugs []string, left int) {
	bases := map[string]string{}
	for _, n := range u.Users {
		bases[n.Pkgbase] = n.Source
	}
	if unknown {
		for _, n := range u.Unknown {
			bases[n.Pkgbase] = n.Source
		}
	}
	for _, source := range bases {
		if source == "" {
			left++
			continue
		}
		slugs = append(slugs, source)
	}
	slices.Sort(slugs)
	return slices.Compact(slugs), left
}

// NameUser is a package that uses a directory or a library.
type NameUser struct {
	Pkgname, Pkgbase, Version string
	Source                    string // that makes the pkgbase now; empty when none does
	Name                      string // what it uses: usr/lib/python3.13/, libssl.so=3-64
	Repository                string // the base repository that has it; empty for a built package
	Buildspace                string // where it was built
	Iteration                 int
	Build                     int64
}

// Reason returns how it uses the name.
func (u NameUser) Reason() string {
	if strings.HasSuffix(u.Name, "/") {
		return "has files in /" + u.Name
	}
	return "links with " + u.Name
}

// maxUsers bounds the users in one answer.
const maxUsers = 5000

// maxProviders bounds the providers of a library in one answer.
const maxProviders = 50

// NameProvider is a package that has a library.
type NameProvider struct {
	Pkgname, Pkgbase, Version string
	File                      string // in the base; empty where its files are not listed
	Repository                string // the base repository that has it
	Buildspace                string // where it was built
	Iteration                 int
	Declared                  bool // only its source says so, mostly without a version
}

// Words returns how it is known that the package has the library, as a clause.
func (p NameProvider) Words() string {
	switch {
	case p.File != "":
		return "has /" + p.File + " in " + p.Repository
	case p.Repository != "":
		return "names it in its provides in " + p.Repository
	case p.Buildspace != "":
		return fmt.Sprintf("built in %s #%d", p.Buildspace, p.Iteration)
	}
	return "by its source; no file was looked into"
}

// UnknownUser is a package that depends on a library, or on a package that provides it, and
// of which it is not known what it links with.
type UnknownUser struct{ Pkgbase, Source, Dependency string }

// Users returns the packages that have files in a versioned directory
// (python3.13, perl5/5.40, /usr/lib/ruby/gems/3.3.0), or that link with a library
// (libssl.so.3): those of the base, and those that were built in iterations that
// are not superseded. An empty architecture is the first.
func (c *Catalog) Users(ctx context.Context, name, arch string) (UsersOf, error) {
	u := UsersOf{Name: name, Architecture: cmp.Or(arch, c.Architectures[0])}
	if len(name) > maxQuery || strings.Trim(name, "/ ") == "" {
		return u, buildbtw.Invalid("name a directory with a version, for example python3.13 or perl5/5.40, or a library, for example libssl.so.3")
	}
	if !slices.Contains(c.Architectures, u.Architecture) {
		return u, buildbtw.Invalid("nothing is built for %.40q here; choose %s", arch, strings.Join(c.Architectures, ", "))
	}
	accepts, needle := c.accepts(&u)
	inBase, whole := c.Bases.Users(u.Architecture, u.Library, accepts)
	u.Whole = whole
	for _, b := range inBase {
		u.Users = append(u.Users, NameUser{Pkgname: b.Entry.Name, Pkgbase: b.Base, Version: b.Version, Name: b.Name, Repository: b.Repo})
	}
	built, err := c.Store.PackagesWith(ctx, u.Architecture, needle)
	if err != nil {
		return u, err
	}
	for _, p := range built {
		names, _ := alpm.Uses([]alpm.Interface{p.Interface})
		if i := slices.IndexFunc(names, accepts); i >= 0 {
			u.Users = append(u.Users, NameUser{
				Pkgname: p.Pkgname, Pkgbase: p.Pkgbase, Version: p.Version, Name: names[i], Buildspace: p.Buildspace, Iteration: p.Iteration, Build: p.BuildID,
			})
		}
	}
	for i := range u.Users {
		brief, _ := c.current.Load().index.Brief(u.Architecture, u.Users[i].Pkgbase)
		u.Users[i].Source = brief.Source
	}
	if u.Library {
		if err := c.addLibrary(ctx, &u, built); err != nil {
			return u, err
		}
	}
	slices.SortStableFunc(u.Users, func(a, b NameUser) int { return strings.Compare(a.Pkgname, b.Pkgname) })
	u.More = max(0, len(u.Users)-maxUsers)
	u.Users = u.Users[:len(u.Users)-u.More]
	return u, nil
}

// accepts returns whether a name is meant, and a text that is in each such name.
func (c *Catalog) accepts(u *UsersOf) (accepts func(name string) bool, needle string) {
	if wanted, ok := alpm.ParseSoname(u.Name); ok {
		u.Library = true
		return func(name string) bool {
			if !strings.Contains(name, wanted.Library) {
				return false
			}
			n, ok := alpm.ParseSoname(name)
			if ok && n.Version == n.Library { // a soname without a version: libperl.so=libperl.so-64
				n.Version = ""
			}
			return ok && n.Matches(wanted)
		}, wanted.Library
	}
	path := strings.Trim(u.Name, "/ ") + "/"
	return func(name string) bool { return name == path || strings.HasSuffix(name, "/"+path) }, path
}
