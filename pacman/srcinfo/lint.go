package srcinfo

import "strings"

// The rules of this file are those of makepkg's lint_pkgbuild directory: a
// package that breaks them cannot be built. Each returns the reason, or "" when
// all is well.

// maxName bounds names: a package's file name has to fit into 255 bytes.
const maxName = 200

func checkName(key, name string) string {
	switch {
	case name == "":
		return key + " is empty"
	case len(name) > maxName:
		return key + " is longer than 200 bytes"
	case name[0] == '-' || name[0] == '.':
		return key + " must not begin with a hyphen or a dot"
	case !all(name, nameByte):
		return key + " may hold only letters, digits and @ . _ + -"
	}
	return ""
}

func checkPkgver(version string) string {
	switch {
	case version == "":
		return "pkgver is empty"
	case len(version) > maxName:
		return "pkgver is longer than 200 bytes"
	case !all(version, versionByte):
		return "pkgver must not hold colons, slashes, hyphens, white space or anything but ASCII"
	}
	return ""
}

func checkPkgrel(rel string) string {
	whole, part, dotted := strings.Cut(rel, ".")
	if whole == "" || !all(whole, digit) || !all(part, digit) || dotted && part == "" {
		return "pkgrel must be an integer, or two with a dot between"
	}
	return ""
}

func checkEpoch(epoch string) string {
	if !all(epoch, digit) {
		return "epoch must be an integer"
	}
	return ""
}

func checkArch(arch string) string {
	if arch == "" || !all(arch, archByte) {
		return "an architecture may hold only letters, digits and _"
	}
	return ""
}

func all(s string, legal func(byte) bool) bool {
	for i := range len(s) {
		if !legal(s[i]) {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func archByte(c byte) bool {
	return digit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func nameByte(c byte) bool {
	return archByte(c) || c == '@' || c == '.' || c == '+' || c == '-'
}

func versionByte(c byte) bool {
	return '!' <= c && c <= '~' && c != ':' && c != '/' && c != '-'
}
