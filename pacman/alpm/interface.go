package alpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Interface is the part of a package whose change its dependents can notice:
// its name, its version (where they ask for one), its provides, and its shared
// libraries. Static libraries, headers and programs are not part of it:
// dependents that were built with the old ones go on working.
type Interface struct {
	Pkgname  string   `json:"pkgname"`
	Version  string   `json:"version"`  // [epoch:]pkgver-pkgrel
	Provides []string `json:"provides"` // as written, sorted
	Sonames  []string `json:"sonames"`  // libfoo.so=1-64: makepkg's form of library, version and word size; sorted

	// Derived means that the sonames were concluded from a list of files. Then
	// libraries without a version which nothing links with are not among them.
	Derived bool `json:"derived,omitempty"`
	// Debug packages have nothing that anybody depends on. They are left out of
	// every comparison.
	Debug bool `json:"debug,omitempty"`
	// Unknown is why this is not the whole interface. Such a one differs from
	// every other, even from itself. Empty when all is known.
	Unknown string `json:"unknown,omitempty"`
}

// SonameOf writes a DT_SONAME as makepkg's find_libprovides does: libfoo.so.1
// becomes libfoo.so=1-64; one without a version is its own version:
// libfoo-2.so=libfoo-2.so-64. bits is 32 or 64.
func SonameOf(soname, bits string) string {
	name, version := soname, soname
	if i := strings.LastIndex(soname, ".so."); i >= 0 {
		name, version = soname[:i+len(".so")], soname[i+len(".so."):]
	}
	return name + "=" + version + "-" + bits
}

// isVersioned reports whether one that SonameOf wrote has a version.
func isVersioned(soname string) bool {
	name, version, _ := strings.Cut(soname, "=")
	rest, _ := cutBits(version)
	return rest != name
}

// Digest returns the SHA-256, in hexadecimal, of the part that every dependent
// can notice: Canonical. Packages with the same digest can only differ for
// dependents with a constraint on the version; Noticed compares those. It is
// empty when the interface is not known: an empty one equals nothing.
func (i Interface) Digest() string {
	if i.Unknown != "" {
		return ""
	}
	sum := sha256.Sum256(i.Canonical())
	return hex.EncodeToString(sum[:])
}

// Canonical returns the text of which Digest is the digest. It has no version,
// and the package's own version in a provide is replaced by a placeholder.
func (i Interface) Canonical() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "interface 1\npkgname %s\n", i.Pkgname)
	for _, p := range i.normalProvides() {
		fmt.Fprintf(&b, "provides %s\n", p)
	}
	for _, s := range sortUnique(slices.Clone(i.Sonames)) {
		fmt.Fprintf(&b, "soname %s\n", s)
	}
	return b.Bytes()
}

func (i Interface) normalProvides() []string {
	var list []string
	for _, p := range i.Provides {
		list = append(list, i.normalProvide(p))
	}
	return sortUnique(list)
}

// normalProvide replaces the package's own version in a provide. Such provides
// (provides=("libfoo=$pkgver")) follow the version by themselves; any other
// version is maintained by the packager, so its change means something.
func (i Interface) normalProvide(s string) string {
	p, err := ParseProvide(s)
	if err != nil || !p.Versioned {
		return s
	}
	if _, soname := ParseSoname(s); soname {
		return s
	}
	full, hasEpoch := i.Version, strings.Contains(i.Version, ":")
	ver, _, _ := strings.Cut(full, "-")
	_, bare, _ := strings.Cut(ver, ":")
	switch {
	case p.Version == full:
		return p.Name + "=<version>"
	case p.Version == ver:
		return p.Name + "=<version without pkgrel>"
	case hasEpoch && p.Version == bare:
		return p.Name + "=<pkgver>"
	}
	return s
}

// OutputDigest returns a digest of a build's packages, for the input keys of
// its dependents: the SHA-256 of the files' names and their SHA-256. Two runs
// of a build that is not reproducible have different ones; that leads to
// another build, never to a wrong reuse.
func OutputDigest(sha256ByFilename map[string]string) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sha256ByFilename)) {
		fmt.Fprintf(hash, "%s %s\n", sha256ByFilename[name], name)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
