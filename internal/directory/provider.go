package directory

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// Providers returns the packages whose sources say that they provide a library, by name.
// Sources mostly leave the version to makepkg, so that curl and an old copy of it both
// provide libcurl.so. A name that is another provider's with a version behind it
// (openssl-1.1 beside openssl, icu76 beside icu) means such a copy: it provides that
// version, and the other package provides the rest.
func (d *Directory) Providers(wanted alpm.Soname) []Entry {
	var list []Entry
	for _, p := range d.providers[wanted.Library] {
		same := func(e Entry) bool { return e.Pkgname == p.Pkgname && e.Pkgbase == p.Pkgbase }
		if p.soname.Matches(wanted) && (wanted.Bits != "64" || !strings.HasPrefix(p.Pkgname, "lib32-")) && !slices.ContainsFunc(list, same) {
			list = append(list, p.Entry)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Pkgname, b.Pkgname), strings.Compare(a.Pkgbase, b.Pkgbase))
	})
	if wanted.Version == "" {
		return list
	}
	wrong := map[string]bool{}
	for _, p := range list {
		for _, other := range list {
			version, isCopy := copyOf(p.Pkgname, other.Pkgname)
			switch {
			case isCopy && sameVersion(version, wanted.Version):
				wrong[other.Pkgname] = true
			case isCopy:
				wrong[p.Pkgname] = true
			}
		}
	}
	return slices.DeleteFunc(list, func(e Entry) bool { return wrong[e.Pkgname] })
}

// copyOf returns the version in the name of a package that is called like another one with
// a version behind it.
func copyOf(pkgname, of string) (version string, ok bool) {
	rest, ok := strings.CutPrefix(pkgname, of)
	version = strings.TrimPrefix(rest, "-")
	return version, ok && version != "" && strings.Trim(version, "0123456789.") == ""
}

// sameVersion reports whether a version in a package's name is that of a soname: 1.1 and
// 1.1, 54 and 5.4, 76 and 76.1.
func sameVersion(inName, soname string) bool {
	return strings.ReplaceAll(inName, ".", "") == strings.ReplaceAll(soname, ".", "") || strings.HasPrefix(soname, inName+".")
}
