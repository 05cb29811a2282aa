package srcinfo

import "strings"

// WordSizes reports of which word size the libraries are that a package names without
// one, as in "libxml2.so": native is that of the architecture's own libraries,
// lib32 that of the 32-bit ones beside them on a 64-bit machine.
//
// Packages called lib32-… mean the latter, and so do those that depend on its C or
// compiler library, unless they depend on the native one as well: they may mean
// either. All others mean native libraries.
func (p *Package) WordSizes() (native, lib32 bool) {
	if strings.HasPrefix(p.Name, "lib32-") {
		return false, true
	}
	ownC, lib32C := false, false
	for i := range p.Depends {
		name, isLib32 := strings.CutPrefix(p.Depends[i].Text, "lib32-")
		if !strings.HasPrefix(name, "g") { // most have neither
			continue
		}
		if end := strings.IndexAny(name, "<>="); end >= 0 {
			name = name[:end]
		}
		if name == "glibc" || name == "gcc-libs" {
			ownC, lib32C = ownC || !isLib32, lib32C || isLib32
		}
	}
	return ownC || !lib32C, lib32C
}
