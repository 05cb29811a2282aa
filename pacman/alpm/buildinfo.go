package alpm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
)

// BuildInfo is a package's .BUILDINFO (BUILDINFO(5)), as far as it says with what the package
// was built.
type BuildInfo struct {
	Name, Base, Version, Arch, Packager string

	Dir            string   // in which makepkg built it
	PkgbuildSHA256 string   // of the PKGBUILD, in hexadecimal digits
	Installed      []string // files of installed packages, without their extension: libcalc-2.0.0-1-x86_64
}

// ParseBuildInfo reads a .BUILDINFO. Of a key that has one value and is given more often the
// last counts, as for dbscripts. Lines of other forms are left out.
func ParseBuildInfo(text []byte) BuildInfo {
	var b BuildInfo
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " = ")
		switch key {
		case "pkgname":
			b.Name = value
		case "pkgbase":
			b.Base = value
		case "pkgver":
			b.Version = value
		case "pkgarch":
			b.Arch = value
		case "packager":
			b.Packager = value
		case "builddir":
			b.Dir = value
		case "pkgbuild_sha256sum":
			b.PkgbuildSHA256 = value
		case "installed":
			b.Installed = append(b.Installed, value)
		}
	}
	return b
}

// Head is what a package says about itself in its first entries.
type Head struct {
	Info  PkgInfo
	Build *BuildInfo // nil when it has no .BUILDINFO
}

// ReadHead reads only the .PKGINFO and .BUILDINFO of a package file, which makepkg puts before
// all files that are installed: what follows those is not looked at. A .BUILDINFO is read up to
// MaxBuildInfo.
func ReadHead(r io.Reader) (Head, error) {
	limits := DefaultLimits()
	limits.Unpacked, limits.Entries = 64<<20, 100 // .MTREE of the largest packages has 20 MB
	p := packageReader{}
	var build *BuildInfo
	err := limits.ReadArchive(r, func(h *tar.Header, content io.Reader) error {
		switch {
		case h.Name == ".PKGINFO":
			return p.readInfo(h, content)
		case h.Name == ".BUILDINFO" && h.Typeflag == tar.TypeReg && build == nil:
			text, err := io.ReadAll(io.LimitReader(content, MaxBuildInfo))
			if err != nil {
				return err
			}
			b := ParseBuildInfo(text)
			build = &b
		case !strings.HasPrefix(h.Name, "."):
			return errFound
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errFound):
		return Head{}, fmt.Errorf("read .PKGINFO and .BUILDINFO: %w", err)
	case p.info == nil:
		return Head{}, errors.New("read .PKGINFO: there is none before the files: not a package")
	}
	return Head{Info: *p.info, Build: build}, nil
}
