package srcinfo

import "slices"

const anyArchitecture = "any"

// Allows reports whether makepkg builds the packages on an architecture: the arch
// array of the pkgbase and that of every package must have it, or be any. One
// package for another architecture, and it refuses them all (lint_arch).
func (i *Info) Allows(arch string) bool {
	return allows(i.Base.Arch, arch) && i.firstPackage(arch, false) < 0
}

// firstPackage finds the first package whose arch array does, or does not, allow an
// architecture; -1 when there is none.
func (i *Info) firstPackage(arch string, allowed bool) int {
	for at := range i.Packages {
		if allows(i.Packages[at].Arch, arch) == allowed {
			return at
		}
	}
	return -1
}

// Forbids returns the name whose arch array keeps makepkg from building on an architecture
// that some of the packages are for, and that array: the pkgbase, or else the first package
// without the architecture. name is empty when makepkg would build, or when no package is
// for the architecture.
func (i *Info) Forbids(arch string) (name string, has []string) {
	if i.Allows(arch) || i.firstPackage(arch, true) < 0 {
		return "", nil
	}
	if !allows(i.Base.Arch, arch) {
		return i.Pkgbase, i.Base.Arch
	}
	at := i.firstPackage(arch, false)
	return i.Packages[at].Name, i.Packages[at].Arch
}

func allows(list []string, arch string) bool {
	return slices.Contains(list, arch) || slices.Contains(list, anyArchitecture)
}
