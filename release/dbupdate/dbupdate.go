// Package dbupdate says why db-update of Arch Linux's dbscripts, and what pkgctl release of
// devtools looks at before it, would refuse packages: values in, reasons out.
package dbupdate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Package is a package file that is to be handed over.
type Package struct {
	Filename string
	alpm.Head
}

// Unit is all packages of a pkgbase, of all architectures.
type Unit struct {
	Pkgbase    string
	Repository string   // that receives them
	Version    string   // of the PKGBUILD
	Pkgnames   []string // that the PKGBUILD makes
	PKGBUILD   string   // SHA-256 of the PKGBUILD; empty when it is not known
	WeakSums   bool     // it has sources without a checksum of SHA-2 or BLAKE2
	Packages   []Package
	Debug      []Package // those with the debugging symbols
}

// Entry is a package that a repository has for an architecture.
type Entry struct {
	Repository, Name, Base, Version, Filename string
}

// Repositories are those of a distribution, for one architecture.
type Repositories struct {
	Architecture string
	Names        []string
	Entries      []Entry // of the pkgbase and of packages with its names, in any repository
}

// extension is the only one of packages that devtools makes.
const extension = ".pkg.tar.zst"

// builtIn is where devtools builds.
const builtIn = "/build"

// maxReasons bounds the reasons that are given for a unit.
const maxReasons = 20

// Refuses returns why a unit would be refused, the first reason first; nothing when it would
// be taken.
func (u Unit) Refuses(target buildbtw.Pkgctl, where []Repositories) []string {
	r := reasons{}
	for _, w := range where {
		u.refusedBy(w, &r)
	}
	architectures := make([]string, len(where))
	for i, w := range where {
		architectures[i] = w.Architecture
	}
	version := ""
	for _, p := range slices.Concat(u.Packages, u.Debug) {
		u.refusesFile(p, target, architectures, &r)
		if version == "" {
			version = p.Info.Version
		}
		r.when(p.Info.Version != version, "%s has version %s, and another one of its packages %s; db-update takes one version of a pkgbase", p.Filename, p.Info.Version, version)
	}
	u.refusesParts(&r)
	r.when(u.WeakSums, "its sources have checksums of cksum, MD5 or SHA-1 at most, which pkgctl release refuses; add sha256sums or b2sums to the PKGBUILD")
	return r.list
}

// refusedBy compares the unit with what the repositories have.
func (u Unit) refusedBy(w Repositories, r *reasons) {
	if !slices.Contains(w.Names, u.Repository) {
		r.add("the base repositories of this server for %s have no %s, so that it cannot see what is there; add it with --base-repo", w.Architecture, u.Repository)
		return
	}
	names := map[string]bool{}
	for _, p := range u.Packages {
		names[p.Info.Name] = true
	}
	for _, e := range w.Entries {
		ours := e.Base == u.Pkgbase || names[e.Name]
		switch {
		case !ours:
		case buildbtw.Unstabler(e.Repository, u.Repository):
			r.add("%s has %s %s, which is on its way into %s; move or remove it there first", e.Repository, e.Name, e.Version, buildbtw.Stable(e.Repository))
		case e.Repository != u.Repository && buildbtw.Stable(e.Repository) != buildbtw.Stable(u.Repository):
			r.add("%s has %s %s; all packages of a pkgbase are in one repository, and this one goes to %s", e.Repository, e.Name, e.Version, u.Repository)
		case alpm.Vercmp(e.Version, u.Version) >= 0:
			r.add("%s has %s %s for %s; %s is not newer", e.Repository, e.Name, e.Version, w.Architecture, u.Version)
		}
		// The pool has each file name once, whoever made it.
		for _, p := range u.Packages {
			r.when(e.Filename == p.Filename, "%s has a file %s already; raise the pkgrel", e.Repository, e.Filename)
		}
	}
}

// refusesFile looks at one package file.
func (u Unit) refusesFile(p Package, target buildbtw.Pkgctl, architectures []string, r *reasons) {
	name, i, b := p.Filename, p.Info, p.Build
	stem, packed := strings.CutSuffix(name, extension)
	r.when(!packed, "%s does not end in %s; set PKGEXT where packages are built", name, extension)
	r.when(packed && stem != i.Name+"-"+i.Version+"-"+i.Arch, "%s is not named after its .PKGINFO, which says %s %s for %s", name, i.Name, i.Version, i.Arch)
	r.when(i.Arch != "any" && !slices.Contains(architectures, i.Arch), "%s is for %s; the distribution has %s", name, i.Arch, strings.Join(architectures, " and "))
	r.when(i.Base != u.Pkgbase, "%s says in its .PKGINFO that its pkgbase is %q, not %s; build it with a newer makepkg", name, i.Base, u.Pkgbase)
	r.when(i.Desc == "", "%s has no pkgdesc, without which db-update ends halfway; add one to the PKGBUILD", name)
	r.when(i.Version != u.Version, "%s has version %s, and the PKGBUILD of its commit %s; commit what pkgver() made", name, i.Version, u.Version)
	if err := target.CheckPackager(i.Packager); err != nil {
		r.add("%s: %s", name, buildbtw.MessageOf(err))
	}
	if b == nil {
		r.add("%s has no .BUILDINFO; build it with makepkg 5.1 or newer", name)
		return
	}
	for _, f := range []struct{ field, build, info string }{
		{"pkgname", b.Name, i.Name}, {"pkgbase", b.Base, i.Base}, {"pkgver", b.Version, i.Version}, {"pkgarch", b.Arch, i.Arch}, {"packager", b.Packager, i.Packager},
	} {
		r.when(f.build != f.info, "%s: its .BUILDINFO has %s = %s, and its .PKGINFO %s", name, f.field, f.build, f.info)
	}
	r.when(b.Dir != builtIn, "%s was built in %q instead of a chroot's %s, so that nobody can make the same again; build it with the runner pkgctl", name, b.Dir, builtIn)
	r.when(b.PkgbuildSHA256 == "", "%s: its .BUILDINFO does not say from which PKGBUILD it was built", name)
	r.when(b.PkgbuildSHA256 != "" && u.PKGBUILD != "" && b.PkgbuildSHA256 != u.PKGBUILD, "%s was built from another PKGBUILD than that of its commit", name)
	r.when(u.PKGBUILD == "", "the PKGBUILD of its commit is not in the mirror (any more)")
}

// refusesParts looks whether the unit is complete: db-update wants all packages that the
// PKGBUILD makes, for each architecture that one of them has. "any" is one of its own there.
func (u Unit) refusesParts(r *reasons) {
	has := map[string]map[string]bool{} // by architecture
	for _, p := range u.Packages {
		if has[p.Info.Arch] == nil {
			has[p.Info.Arch] = map[string]bool{}
		}
		has[p.Info.Arch][p.Info.Name] = true
		r.when(!slices.Contains(u.Pkgnames, p.Info.Name), "the PKGBUILD of its commit makes no package %s", p.Info.Name)
	}
	for _, arch := range slices.Sorted(maps.Keys(has)) {
		for _, name := range u.Pkgnames {
			mixed := arch != "any" && has["any"][name] || arch == "any" && !has[arch][name] && len(has) > 1
			r.when(mixed, "some of its packages are for any machine and others are not; db-update takes all packages of a pkgbase for the same architectures only")
			r.when(!mixed && !has[arch][name], "the PKGBUILD makes a package %s, which is not there for %s", name, arch)
		}
	}
}

// reasons collects reasons, each once.
type reasons struct{ list []string }

func (r *reasons) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(r.list) < maxReasons && !slices.Contains(r.list, text) {
		r.list = append(r.list, text)
	}
}

func (r *reasons) when(wrong bool, format string, args ...any) {
	if wrong {
		r.add(format, args...)
	}
}
