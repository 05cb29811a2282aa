package alpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Interface is the part of a package whose change can break its dependents: its name, its
// version (for dependencies with a constraint), its provides, its shared libraries, and
// the directories in which an interpreter of one version looks for modules.
// Static libraries, headers and programs are not part of it: dependents that were
// built with the old ones go on working. It also has the package's own
// uses of others, whether it depends on them by name or not: its directories and links.
type Interface struct {
	Pkgname  string   `json:"pkgname"`
	Version  string   `json:"version"`  // [epoch:]pkgver-pkgrel
	Provides []string `json:"provides"` // as written, sorted
	Sonames  []string `json:"sonames"`  // libfoo.so=1-64: makepkg's form of library, version and word size; sorted

	// Directories are the versioned directories in which it has files, sorted; see
	// Directories. Behind that of an interpreter which has no version in its name
	// stands the interpreter's: usr/lib/R/library/@4.4 is the one of R itself.
	Directories []string `json:"directories"`
	// Symbols are the versions that symbols of its libraries have, sorted:
	// libssl.so=3-64:OPENSSL_3.0.0. Of versions that are private to a family of
	// packages they also have a digest of the symbols' names, and of a library
	// without a version in its soname the directory or version of the package:
	// libQt6Core.so=6-64:Qt_6_PRIVATE_API@5f1…, libperl.so=libperl.so-64@usr/lib/perl5/5.40/.
	Symbols []string `json:"symbols"`
	// Links are the sonames, in the same form, of other packages that its programs
	// and libraries link with, and the private versions of their symbols
	// (libQt6Core.so=6-64:Qt_6_PRIVATE_API), sorted.
	Links []string `json:"links"`

	// Exports are digests of the symbols that its libraries export, by soname. A
	// library whose symbols are not known has none, nor have those of interfaces that an
	// older buildbtw read.
	Exports map[string]string `json:"exports,omitempty"`
	// Content is what else checks compare; nil when not known.
	Content *Content `json:"content,omitempty"`

	// Derived means that the sonames were concluded from a list of files. Then
	// libraries without a version which nothing links with are not among them, and
	// Symbols are not known. Directories and Links are nil when not known.
	Derived bool `json:"derived,omitempty"`
	// Debug packages have nothing that anybody depends on. They are left out of
	// every comparison.
	Debug bool `json:"debug,omitempty"`
	// Unknown is why this is not the whole interface. Such a one differs from
	// every other, even from itself. Empty when all is known.
	Unknown string `json:"unknown,omitempty"`
}

// Content is what checks compare of a package besides its interface.
type Content struct {
	Install    string   `json:"install,omitempty"`    // SHA-256 of its .INSTALL script, in hexadecimal; empty when it has none
	Privileged []string `json:"privileged,omitempty"` // files with setuid or setgid, and their modes: "usr/bin/su 4755"; sorted
	BuildIDs   []string `json:"build_ids,omitempty"`  // of its programs and libraries, in hexadecimal, with the file: "0a1b… usr/bin/su"; sorted
}

// interfaceFormat is the version of the stored form of Interface. Interfaces are stored
// for as long as packages are.
const interfaceFormat = 2

// storedInterface is an Interface as JSON.
type storedInterface struct {
	Format int `json:"format"`
	fields
}

// fields is an Interface without its methods.
type fields Interface

// MarshalJSON writes the interface with the number of its format.
func (i Interface) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedInterface{interfaceFormat, fields(i)})
}

// UnmarshalJSON reads an interface. One that an older version of buildbtw wrote
// lacks directories and links, so that it counts as unknown.
func (i *Interface) UnmarshalJSON(text []byte) error {
	var s storedInterface
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*i = Interface(s.fields)
	if s.Format < interfaceFormat && i.Unknown == "" {
		i.Unknown = "it was read by an older buildbtw, which did not look for versioned directories"
	}
	return nil
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

// Digest returns the SHA-256, in hexadecimal, of Canonical: the interface without the
// version. Packages with the same digest can only differ for dependents with a constraint
// on the version; Noticed compares those. It is empty when the interface is not known; an
// empty digest equals no other.
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
	fmt.Fprintf(&b, "interface 2\npkgname %s\n", i.Pkgname)
	for _, p := range i.normalProvides() {
		fmt.Fprintf(&b, "provides %s\n", p)
	}
	for _, s := range sortUnique(slices.Clone(i.Sonames)) {
		fmt.Fprintf(&b, "soname %s\n", s)
	}
	for _, d := range i.Directories {
		fmt.Fprintf(&b, "directory %s\n", d)
	}
	for _, s := range i.Symbols {
		fmt.Fprintf(&b, "symbols %s\n", s)
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

// ShortDigest returns 96 bits of a text's SHA-256 as 16 characters: enough to tell
// texts apart of which there are millions.
func ShortDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
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
