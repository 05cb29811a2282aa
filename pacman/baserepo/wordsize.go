package baserepo

import (
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// WordSizes tells, by architecture and pkgname, on which libraries packages depend
// and which they provide, as makepkg wrote it with their word sizes. Packages whose
// names tell of which size their libraries are have no entry.
type WordSizes map[string]map[string][]string

// Of returns the libraries with word sizes of a package.
func (w WordSizes) Of(architecture, pkgname string) []string { return w[architecture][pkgname] }

// Add replaces the libraries of a package by those among its dependencies, unless its name
// implies the same word sizes.
func (w WordSizes) Add(architecture, pkgname string, dependencies []string) {
	libraries := withWordSizes(architecture, pkgname, dependencies)
	switch {
	case len(libraries) == 0:
		delete(w[architecture], pkgname)
		return
	case w[architecture] == nil:
		w[architecture] = map[string][]string{}
	}
	w[architecture][pkgname] = libraries
}

// withWordSizes lists the libraries among dependencies that state their word size,
// if one of them, or a dependency on a package lib32-…, differs from the word
// size that the package's own name implies.
func withWordSizes(architecture, pkgname string, dependencies []string) (libraries []string) {
	native, lib32, odd := alpm.WordSize(architecture), strings.HasPrefix(pkgname, "lib32-"), false
	for _, text := range dependencies {
		n, ok := alpm.ParseSoname(text)
		if !ok || n.Prefix == "" && n.Bits == "" {
			odd = odd || !lib32 && strings.HasPrefix(text, "lib32-")
			continue
		}
		libraries = append(libraries, text)
		isNative := n.Prefix == "lib" || n.Bits != "" && n.Bits == native
		odd = odd || isNative == lib32
	}
	if !odd {
		return nil
	}
	return libraries
}

// WordSizes returns the word sizes of the packages that pacman would install.
func (b Bases) WordSizes() WordSizes {
	w := WordSizes{}
	for architecture, base := range b {
		for name, entries := range base.Snapshot().byName {
			w.Add(architecture, name, slices.Concat(entries[0].Depends, entries[0].Provides))
		}
	}
	return w
}
