// Package srcinfo reads .SRCINFO files, the machine-readable summary of a
// PKGBUILD that makepkg --printsrcinfo writes.
//
// A file has one pkgbase section for all packages, and one pkgname section for
// each. A pkgname section overrides the fields in it and inherits the rest.
// [Parse] returns packages with their effective fields, so that nobody else has
// to know how overriding works.
package srcinfo

import (
	"slices"
	"strings"
)

// Info is one .SRCINFO file. All its strings are parts of one copy of the
// file's text.
type Info struct {
	Pkgbase  string
	Epoch    string // digits; empty when the file has none
	Pkgver   string
	Pkgrel   string    // integer, or integer.integer
	Base     Fields    // the pkgbase section
	Packages []Package // in file order, at least one, names are unique
	Unknown  []string  // keys that were passed over, each once a section

	// MaySign is false when no source can be or carry a signature: of thousands that
	// a plan asks for theirs, few can.
	MaySign bool
}

// Package is one pkgname section. Its fields are those in effect: its own,
// and those of the pkgbase section that it does not override.
type Package struct {
	Name string
	Fields
}

// Fields are the fields of both kinds of section, under the names of
// PKGBUILD(5).
type Fields struct {
	Pkgdesc   string
	URL       string
	Install   string
	Changelog string

	Arch         []string
	Groups       []string
	License      []string
	Options      []string
	Backup       []string
	NoExtract    []string
	ValidPGPKeys []string

	Depends      Values
	MakeDepends  Values
	CheckDepends Values
	OptDepends   Values
	Provides     Values
	Conflicts    Values
	Replaces     Values

	Source     Values
	CkSums     Values
	MD5Sums    Values
	SHA1Sums   Values
	SHA224Sums Values
	SHA256Sums Values
	SHA384Sums Values
	SHA512Sums Values
	B2Sums     Values
}

// WeakSums reports whether there are sources and no checksums of them but those of cksum, MD5
// and SHA-1. As with pkgctl release, those of one architecture alone do not count.
func (i *Info) WeakSums() bool {
	b := i.Base
	return len(b.Source.For("")) > 0 && !slices.ContainsFunc([]Values{b.SHA224Sums, b.SHA256Sums, b.SHA384Sums, b.SHA512Sums, b.B2Sums}, func(v Values) bool { return len(v.For("")) > 0 })
}

// Values is a list whose entries may be for one architecture only
// (depends_x86_64). It is in file order.
type Values []Value

// Value is one entry of Values.
type Value struct {
	Arch string // empty: for every architecture
	Text string
}

// For returns the values that count for an architecture: first those of every
// architecture, then those of this one, which is the order makepkg merges
// them in.
func (v Values) For(arch string) []string {
	if len(v) == 0 {
		return nil
	}
	out := v.appendArch(make([]string, 0, len(v)), "")
	if arch != "" {
		out = v.appendArch(out, arch)
	}
	return out
}

func (v Values) appendArch(out []string, arch string) []string {
	for _, one := range v {
		if one.Arch == arch {
			out = append(out, one.Text)
		}
	}
	return out
}

// without returns a copy of v that has nothing of arch.
func (v Values) without(arch string) Values {
	var out Values
	for _, one := range v {
		if one.Arch != arch {
			out = append(out, one)
		}
	}
	return out
}

// Version returns the full version, [epoch:]pkgver-pkgrel. Like makepkg it leaves
// out an epoch of zero.
func (i *Info) Version() string { return string(i.AppendVersion(nil)) }

// AppendVersion appends the full version to a buffer.
func (i *Info) AppendVersion(b []byte) []byte {
	if strings.Trim(i.Epoch, "0") != "" {
		b = append(append(b, i.Epoch...), ':')
	}
	return append(append(append(b, i.Pkgver...), '-'), i.Pkgrel...)
}
