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

// Interface is what the dependents of a package can notice of it when it is
// replaced by another build: its name, its version (where they ask for one),
// what it provides, and the shared libraries to link with. Not part of it are
// static libraries, headers and programs: those that were built with the old
// ones go on working.
type Interface struct {
	Pkgname  string   `json:"pkgname"`
	Version  string   `json:"version"`  // [epoch:]pkgver-pkgrel
	Provides []string `json:"provides"` // as written, sorted
	Sonames  []string `json:"sonames"`  // libfoo.so=1-64: makepkg's form of library, version and word size; sorted

	// Derived says that the sonames were concluded from a list of files. Then
	// libraries without a version which nothing links with are not among them.
	Derived bool `json:"derived,omitempty"`
	// Debug packages have nothing that anybody depends on. They are left out of
	// every comparison.
	Debug bool `json:"debug,omitempty"`
	// Unknown says why this is not the whole interface. Such a one differs from
	// every other, even from itself. Empty when all is known.
	Unknown string `json:"unknown,omitempty"`
}

// SonameOf writes a DT_SONAME as makepkg's find_libprovides does:
// libfoo.so.1 becomes libfoo.so=1-64, and what has no version stands for it
// itself: libfoo-2.so=libfoo-2.so-64. bits is 32 or 64.
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

// Digest returns the SHA-256, in hexadecimal, of the part that every dependent can
// notice: Canonical. Packages of the same digest differ, if at all, in what a
// constraint on the version tells apart; Noticed knows. It is empty when the
// interface is not known: an empty one equals nothing.
func (i Interface) Digest() string {
	if i.Unknown != "" {
		return ""
	}
	sum := sha256.Sum256(i.Canonical())
	return hex.EncodeToString(sum[:])
}

// Canonical returns the text that Digest digests. It has no version, and a provide
// that has the package's own version says only that.
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
// (provides=("libfoo=$pkgver")) are as good as the version itself; any other
// version is one that the packager maintains, and tells something.
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

// OutputDigest identifies what a build gave, for the input keys of those that
// build with it: the SHA-256 of its files' names and their SHA-256. Two runs of
// a build that is not reproducible have different ones; that leads to another
// build, never to a wrong reuse.
func OutputDigest(sha256ByFilename map[string]string) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sha256ByFilename)) {
		fmt.Fprintf(hash, "%s %s\n", sha256ByFilename[name], name)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
