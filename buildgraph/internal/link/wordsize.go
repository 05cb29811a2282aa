package link

import (
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// wordSizes is a set of word sizes of libraries. A distribution for 64-bit machines may
// have a second set of libraries, for programs of 32 bits, whose packages are
// called lib32-…; sources name both alike, "libxml2.so".
type wordSizes uint8

const (
	native wordSizes = 1 << iota // that of the architecture's own libraries
	other                        // any other
)

// Built returns the depends and provides of an existing package file, in which makepkg
// has written the word sizes of libraries. It is empty when there is no such package.
type Built func(architecture, pkgname string) []string

// meant returns the word sizes that a library stands for which a package names without
// one: those in its built file, else those that its source implies.
func (c *compiler) meant(p *srcinfo.Package, library Symbol) (w wordSizes) {
	if c.options.Built != nil {
		name := c.symbols.list[library].text
		for _, text := range c.options.Built(c.arch, p.Name) {
			if n, ok := alpm.ParseSoname(text); ok && n.Library == name && stated(n) {
				w |= sizes(n, c.bits)
			}
		}
	}
	if w != 0 {
		return w
	}
	isNative, lib32 := p.WordSizes()
	if isNative {
		w |= native
	}
	if lib32 {
		w |= other
	}
	return w
}

// stated reports whether a soname says its word size.
func stated(n alpm.Soname) bool { return n.Prefix != "" || n.Bits != "" }

// sizes are those that a soname which states one may have on an architecture whose
// libraries have these bits. An unknown architecture excludes none.
func sizes(n alpm.Soname, bits string) wordSizes {
	switch {
	case n.Prefix == "lib" || n.Bits != "" && n.Bits == bits:
		return native
	case n.Prefix == "" && bits == "":
		return native | other
	}
	return other
}

// sameWordSize reports whether a provided library may be the one that is needed, as
// far as word sizes go.
func (l *linker) sameWordSize(dep, provide *symbol) bool {
	return l.wordSizesOf(dep)&l.wordSizesOf(provide) != 0
}

func (l *linker) wordSizesOf(s *symbol) wordSizes {
	if n := s.parsed.soname; stated(n) {
		return sizes(n, l.bits)
	}
	return s.wordSizes
}
