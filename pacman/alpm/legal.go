package alpm

import (
	"errors"
	"fmt"
	"strings"
)

// The characters of names and versions are restricted as in makepkg's
// lint_pkgbuild directory. Both become parts of file names: the rules exclude
// slashes, control characters, hidden files and options of commands.

// maxPart bounds names and versions in bytes: a file name has at most 255.
const maxPart = 200

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxPart:
		return fmt.Errorf("the name is longer than %d bytes", maxPart)
	case name[0] == '-' || name[0] == '.':
		return errors.New("the name begins with a hyphen or a dot")
	case !all(name, isName):
		return errors.New("the name holds more than letters, digits and @ . _ + -")
	}
	return nil
}

// checkDepName also knows sonames, which may have a prefix and a colon.
func checkDepName(name string) error {
	prefix, rest, found := strings.Cut(name, ":")
	if found && isPrefix(prefix) && strings.Contains(rest, ".so") {
		return checkName(rest)
	}
	return checkName(name)
}

// checkVersion is for full versions, [epoch:]pkgver-pkgrel.
func checkVersion(version string) error {
	epoch, rest, found := strings.Cut(version, ":")
	if !found {
		epoch, rest = "0", version
	}
	pkgver, pkgrel, _ := strings.Cut(rest, "-")
	switch {
	case len(version) > maxPart:
		return fmt.Errorf("the version is longer than %d bytes", maxPart)
	case epoch == "" || !all(epoch, isDigit):
		return fmt.Errorf("the version %q has an epoch that is no integer", version)
	case pkgver == "" || pkgver[0] == '.' || !all(pkgver, isPkgver):
		return fmt.Errorf("the version %q has an illegal pkgver", version)
	case !isPkgrel(pkgrel):
		return fmt.Errorf("the version %q has a pkgrel that is no integer or integer.integer", version)
	}
	return nil
}

func isPkgrel(s string) bool {
	whole, part, dotted := strings.Cut(s, ".")
	return whole != "" && all(whole, isDigit) && all(part, isDigit) && dotted == (part != "")
}

func checkArch(arch string) error {
	if arch == "" || len(arch) > maxPart || !all(arch, isArch) {
		return fmt.Errorf("the architecture %q is not of letters, digits and _", arch)
	}
	return nil
}

func all(s string, class func(byte) bool) bool { return span(s, class) == len(s) }

func isArch(c byte) bool { return isDigit(c) || isLetter(c) || c == '_' }

func isName(c byte) bool { return isArch(c) || c == '@' || c == '.' || c == '+' || c == '-' }

func isPkgver(c byte) bool { return isDepVersion(c) && c != ':' && c != '-' }

// isDepVersion reports whether a dependency may have this version.
func isDepVersion(c byte) bool { return '!' <= c && c <= '~' && c != '/' }

// isPrefix is for the directory names of sonames (lib, lib32).
func isPrefix(s string) bool { return s != "" && all(s, isArch) }
