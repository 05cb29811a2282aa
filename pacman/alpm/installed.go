package alpm

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Installed is a package that was installed where something was built.
type Installed struct {
	Name    string
	Version string // [epoch:]pkgver-pkgrel
}

// String returns the package as pacman -Q prints it: "libcalc 2.0.0-1".
func (i Installed) String() string { return i.Name + " " + i.Version }

// ParseInstalled is the reverse of String. The error is an illegal name or version.
func ParseInstalled(line string) (Installed, error) {
	name, version, found := strings.Cut(line, " ")
	if !found {
		return Installed{}, fmt.Errorf("%q is not of the form name version", shorten(line))
	}
	return newInstalled(name, version)
}

// ParseInstalledEntry reads the name of a directory of pacman's local database, such as
// "libcalc-2.0.0-1".
func ParseInstalledEntry(entry string) (Installed, error) {
	stem, pkgrel, _ := cutLast(entry)
	name, pkgver, found := cutLast(stem)
	if !found {
		return Installed{}, fmt.Errorf("%q is not of the form name-version-pkgrel", shorten(entry))
	}
	return newInstalled(name, pkgver+"-"+pkgrel)
}

func newInstalled(name, version string) (Installed, error) {
	return Installed{name, version}, errors.Join(checkName(name), checkVersion(version))
}

// MergeInstalled returns the packages of all lists, sorted by name. Of a name that is in
// several of them the last list counts: what is installed over something hides it.
func MergeInstalled(lists ...[]Installed) []Installed {
	all := slices.Concat(lists...)
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b Installed) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Installed) bool { return a.Name == b.Name })
}

// MaxBuildInfo is the size in bytes of a .BUILDINFO that is read; the rest is ignored.
const MaxBuildInfo = 1 << 20

// ReadBuildInfo returns the installed packages of a .BUILDINFO (BUILDINFO(5)), sorted by
// name. Lines that name no package are left out.
func ReadBuildInfo(r io.Reader) ([]Installed, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBuildInfo))
	if err != nil {
		return nil, err
	}
	var list []Installed
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), "installed = ")
		if entry, _, ok := cutLast(value); found && ok { // without the architecture
			if p, err := ParseInstalledEntry(entry); err == nil {
				list = append(list, p)
			}
		}
	}
	return MergeInstalled(list), nil
}
