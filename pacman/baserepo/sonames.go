package baserepo

import (
	"path"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// deriver concludes from the names of a package's files which sonames its
// libraries have. The names hold the answer (a library is found at run time by
// a file that is called like its DT_SONAME) among others: libfoo.so for the
// linker, libfoo.so.1 the soname, libfoo.so.1.2.3 the file.
type deriver struct {
	needed   map[string]bool // sonames that any package links with
	complete bool            // needed is that of all repositories
	native   string          // word size of usr/lib; empty when it has none
}

// group is the files of one library.
type group struct {
	library  string   // libfoo.so
	bits     string   // 32 or 64
	versions []string // sorted; empty for the bare name
}

func (g *group) soname(version string) string {
	if version == "" {
		return g.library
	}
	return g.library + "." + version
}

// sonames returns them in the form of alpm.SonameOf; not ok when they cannot be
// derived. Libraries without a version that nobody links with are left out.
func (d deriver) sonames(files, provides []string) (sonames []string, ok bool) {
	groups, ok := d.groups(files)
	if !ok {
		return nil, false
	}
	for _, g := range groups {
		versions, ok := d.versions(g, provides)
		if !ok {
			return nil, false
		}
		for _, v := range versions {
			sonames = append(sonames, alpm.SonameOf(g.soname(v), g.bits))
		}
	}
	slices.Sort(sonames)
	return slices.Compact(sonames), true
}

// unnumbered returns alpm.Interface.Symbols for the libraries that packages link
// with although their soname has no version.
func (d deriver) unnumbered(files []string, version string) []string {
	var list []string
	for _, file := range files {
		name := path.Base(file)
		if !d.needed[name] {
			continue
		}
		if symbols, ok := alpm.Unnumbered(file, name, d.bits(file), version); ok {
			list = append(list, symbols)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// groups sorts the names by library. It is not ok when one could be a library
// of a kind unheard of.
func (d deriver) groups(files []string) ([]*group, bool) {
	byName := map[string]*group{}
	var all []*group
	for _, file := range files {
		name := path.Base(file)
		library, version, isLibrary := splitName(name)
		bits := d.bits(file)
		odd := d.needed[name] || !d.complete && strings.HasPrefix(name, "lib")
		switch {
		case !isLibrary && odd, isLibrary && bits == "":
			return nil, false
		case !isLibrary:
			continue
		}
		g := byName[bits+library]
		if g == nil {
			g = &group{library: library, bits: bits}
			byName[bits+library] = g
			all = append(all, g)
		}
		g.versions = append(g.versions, version)
	}
	for _, g := range all {
		slices.Sort(g.versions)
		g.versions = slices.Compact(g.versions)
	}
	return all, true
}

// splitName splits libfoo.so.1.2 into library and version. Parts of a version
// begin with a digit, which manual pages (ld.so.8.gz) and checksums
// (libfoo.so.1.hmac) do not.
func splitName(name string) (library, version string, ok bool) {
	if strings.HasSuffix(name, ".so") {
		return name, "", true
	}
	stem, version, found := strings.Cut(name, ".so.")
	for part := range strings.SplitSeq(version, ".") {
		if part == "" || part[0] < '0' || part[0] > '9' {
			return "", "", false
		}
	}
	return stem + ".so", version, found
}

func (d deriver) bits(file string) string {
	switch {
	case strings.Contains(file, "/lib32/"):
		return "32"
	case strings.Contains(file, "/lib64/"):
		return "64"
	}
	return d.native
}

// versions returns the versions that are sonames: those that packages link with
// or the package itself names in its provides; else that of the usual layout.
func (d deriver) versions(g *group, provides []string) ([]string, bool) {
	var picked, numbered []string
	for _, v := range g.versions {
		if d.needed[g.soname(v)] || v != "" && provided(g, v, provides) {
			picked = append(picked, v)
		}
		if v != "" {
			numbered = append(numbered, v)
		}
	}
	switch {
	case len(picked) > 0:
		return picked, true
	case len(numbered) == 0:
		return nil, d.complete // a plugin, or a library that nobody uses
	case len(numbered) == 1:
		return numbered, true
	case len(numbered) == 2 && strings.HasPrefix(numbered[1], numbered[0]+"."):
		return numbered[:1], true // sorted: the link of the soname, then the file
	}
	return nil, false
}

func provided(g *group, version string, provides []string) bool {
	is := alpm.Soname{Library: g.library, Version: version, Bits: g.bits}
	return slices.ContainsFunc(provides, func(s string) bool {
		n, ok := alpm.ParseSoname(s)
		return ok && n.Version != "" && n.Matches(is)
	})
}
