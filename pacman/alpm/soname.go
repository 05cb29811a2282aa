package alpm

import "strings"

// Soname is a dependency on a shared library, or the provide of one, in one
// of the forms that makepkg has written over time:
//
//	libx.so          not built yet: makepkg puts in the version while packaging
//	libx.so=5-64     pacman up to 6.0: version and word size
//	lib:libx.so.5    pacman from 6.1: a directory's name and the DT_SONAME
type Soname struct {
	Prefix  string // lib, lib32; empty in the older forms
	Library string // up to and with .so
	Version string // empty when not known
	Bits    string // word size, 32 or 64; empty when not written
}

// ParseSoname parses a soname and reports whether s is one. A comparison other
// than = makes it none.
func ParseSoname(s string) (Soname, bool) {
	var n Soname
	if prefix, rest, found := strings.Cut(s, ":"); found {
		if !isPrefix(prefix) {
			return Soname{}, false
		}
		n.Prefix, s = prefix, rest
	}
	name, version, versioned := strings.Cut(s, "=")
	n.Library = name
	switch {
	case versioned && n.Prefix != "":
		return Soname{}, false
	case versioned:
		n.Version, n.Bits = cutBits(version)
	case !strings.HasSuffix(name, ".so"):
		n.Library, n.Version, versioned = strings.Cut(name, ".so.")
		n.Library += ".so"
		if !versioned {
			return Soname{}, false
		}
	}
	return n, n.legal(versioned)
}

func (n Soname) legal(versioned bool) bool {
	return strings.HasSuffix(n.Library, ".so") && len(n.Library) > len(".so") &&
		checkName(n.Library) == nil && all(n.Version, isName) && versioned == (n.Version != "")
}

// cutBits splits the word size off a version such as 5-64.
func cutBits(version string) (rest, bits string) {
	for _, bits := range []string{"32", "64"} {
		if rest, found := strings.CutSuffix(version, "-"+bits); found {
			return rest, bits
		}
	}
	return version, ""
}

// Matches reports whether two sonames can mean the same file: one library, and
// nothing that both of them state differs. Sources mostly name libraries
// without a version, because makepkg fills it in later.
func (n Soname) Matches(other Soname) bool {
	return n.Library == other.Library && agree(n.Version, other.Version) &&
		agree(n.Prefix, other.Prefix) && agree(n.bits(), other.bits())
}

func (n Soname) bits() string {
	if n.Prefix == "lib32" {
		return "32"
	}
	return n.Bits
}

// WordSize returns the bits of the libraries in an architecture's own usr/lib, 32
// or 64; empty when they are not known.
func WordSize(architecture string) string {
	switch architecture {
	case "x86_64", "aarch64", "riscv64", "loong64", "loongarch64", "powerpc64le":
		return "64"
	case "i486", "i686", "pentium4", "armv6h", "armv7h", "powerpc", "espresso":
		return "32"
	}
	if strings.HasPrefix(architecture, "x86_64_v") { // the same for newer processors only
		return "64"
	}
	return ""
}

func agree(a, b string) bool { return a == "" || b == "" || a == b }

// String returns a form that ParseSoname reads.
func (n Soname) String() string {
	switch {
	case n.Prefix != "" && n.Version != "":
		return n.Prefix + ":" + n.Library + "." + n.Version
	case n.Prefix != "":
		return n.Prefix + ":" + n.Library
	case n.Bits != "":
		return n.Library + "=" + n.Version + "-" + n.Bits
	case n.Version != "":
		return n.Library + "=" + n.Version
	}
	return n.Library
}
