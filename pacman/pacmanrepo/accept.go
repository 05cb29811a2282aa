package pacmanrepo

import (
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// archAny is the architecture of packages that suit every machine.
const archAny = "any"

// accept compares the .PKGINFO of a package with its file name and with the
// expected result of the build.
func (u Upload) accept(i *alpm.PkgInfo) error {
	_, ext, _ := strings.Cut(u.Filename, ".pkg.tar")
	if own := alpm.Filename(i.Name, i.Version, i.Arch, strings.TrimPrefix(ext, ".")); own != u.Filename {
		return buildbtw.Invalid("the package in %s says that it is %s; upload it under that name", u.Filename, own)
	}
	if i.Base != u.Pkgbase {
		return buildbtw.Invalid("%s is of pkgbase %q, but this build is of %s", u.Filename, i.Base, u.Pkgbase)
	}
	if i.Name != alpm.DebugName(u.Pkgbase) && !slices.Contains(u.Pkgnames, i.Name) {
		return buildbtw.Invalid("%s holds package %s, but the .SRCINFO of %s has only: %s",
			u.Filename, i.Name, u.Pkgbase, strings.Join(u.Pkgnames, ", "))
	}
	if i.Arch != u.Architecture && i.Arch != archAny {
		return buildbtw.Invalid("%s is for %s, but this build is for %s", u.Filename, i.Arch, u.Architecture)
	}
	return u.acceptVersion(i.Version)
}

// acceptKeys refuses .PKGINFO lines that repo-add would run as assignments to
// its own variables (6.0.2: `declare "$var=$val"`).
func acceptKeys(filename string, i *alpm.PkgInfo) error {
	if len(i.Unknown) > 0 {
		return buildbtw.Invalid("the .PKGINFO in %s has the unknown key %.80q; makepkg writes no such line", filename, i.Unknown[0])
	}
	return nil
}

// acceptVersion allows another version than that of the .SRCINFO only as
// makepkg's update_pkgver makes one: pkgver() gives another pkgver, which sets
// pkgrel to 1. The epoch never changes.
func (u Upload) acceptVersion(version string) error {
	if version == u.Version {
		return nil
	}
	if !u.VersionMayChange {
		return buildbtw.Invalid("%s has version %s, but the .SRCINFO says %s and the PKGBUILD has no pkgver() that could change it; update the .SRCINFO",
			u.Filename, version, u.Version)
	}
	got, want := splitVersion(version), splitVersion(u.Version)
	if got.epoch != want.epoch || got.pkgver == want.pkgver || got.pkgrel != "1" && got.pkgrel != want.pkgrel {
		return buildbtw.Invalid("%s has version %s, but the .SRCINFO says %s; pkgver() changes only the pkgver and sets pkgrel to 1",
			u.Filename, version, u.Version)
	}
	return nil
}

type versionParts struct{ epoch, pkgver, pkgrel string }

// splitVersion splits [epoch:]pkgver-pkgrel.
func splitVersion(version string) versionParts {
	epoch, rest, found := strings.Cut(version, ":")
	if !found {
		epoch, rest = "0", version
	}
	pkgver, pkgrel, _ := strings.Cut(rest, "-")
	return versionParts{epoch, pkgver, pkgrel}
}
