package alpm

import (
	"fmt"
	"strings"
)

const packageSuffix = ".pkg.tar"

// Filename returns the name of a package file as makepkg makes it. The colon of
// an epoch stays in it. ext is zst, xz or gz, or empty for no compression.
func Filename(name, version, arch, ext string) string {
	base := name + "-" + version + "-" + arch + packageSuffix
	if ext == "" {
		return base
	}
	return base + "." + ext
}

// DebugName returns the name of the package of debug symbols that makepkg makes
// of a pkgbase with OPTIONS=(debug strip). It stands in no .SRCINFO.
func DebugName(pkgbase string) string { return pkgbase + "-debug" }

// IsDebugName reports whether a name ends like one of DebugName.
func IsDebugName(pkgname string) bool { return strings.HasSuffix(pkgname, "-debug") }

// ParseFilename is the reverse of Filename. Its results are safe as parts of a
// path.
func ParseFilename(s string) (name, version, arch string, err error) {
	stem, err := cutExt(s)
	if err != nil {
		return "", "", "", err
	}
	stem, arch, _ = cutLast(stem)
	stem, pkgrel, _ := cutLast(stem)
	name, pkgver, found := cutLast(stem)
	if !found {
		return "", "", "", fmt.Errorf("file name %q is not name-version-pkgrel-architecture", s)
	}
	version = pkgver + "-" + pkgrel
	for _, err := range []error{checkName(name), checkVersion(version), checkArch(arch)} {
		if err != nil {
			return "", "", "", fmt.Errorf("file name %q: %w", s, err)
		}
	}
	return name, version, arch, nil
}

func cutExt(s string) (stem string, err error) {
	for _, ext := range []string{"", ".zst", ".xz", ".gz"} {
		if stem, found := strings.CutSuffix(s, packageSuffix+ext); found {
			return stem, nil
		}
	}
	return "", fmt.Errorf("file name %q does not end in .pkg.tar, .pkg.tar.zst, .pkg.tar.xz or .pkg.tar.gz", s)
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
