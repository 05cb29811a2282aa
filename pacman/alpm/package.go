// Package alpm implements the parts of pacman's library that are about
// packages: comparing versions, matching dependencies, and reading package
// files.
//
// Functions that mirror libalpm (pacman 6.0.2) name the one they mirror; the
// tests compare them with pacman's own programs.
package alpm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// Package is the metadata and the file list of a package file.
type Package struct {
	Info      PkgInfo
	Files     []string    // as repo-add lists them in .files: sorted by bytes, directories end in a slash
	Installed []Installed // where it was built, as its .BUILDINFO lists it; empty when it has none
}

// ErrLimit is in the errors about packages that are larger than allowed.
var ErrLimit = errors.New("over the limit")

// Limits bound the cost of reading a package. Zero values refuse everything;
// begin with DefaultLimits.
type Limits struct {
	Unpacked int64 // bytes of the unpacked archive
	Entries  int   // files and directories in it
	Names    int   // bytes of all their names together, which stay in memory
	Window   int64 // bytes of memory that the compression may ask for
	Library  int64 // bytes of a shared library whose soname is read
}

// DefaultLimits have room for the largest packages of Arch Linux (games with
// 10 GB of data, texlive's 100,000 files, zstd --ultra -22's window of 128 MB,
// cuda's libraries of 700 MB).
func DefaultLimits() Limits {
	return Limits{Unpacked: 64 << 30, Entries: 1 << 20, Names: 128 << 20, Window: 128 << 20, Library: 2 << 30}
}

// ReadPackage reads a package with the default limits.
func ReadPackage(r io.Reader) (*Package, error) { return DefaultLimits().ReadPackage(r) }

// ReadPackage reads a package file to its end, as ReadArchive does. Entries that
// would reach beyond the package where it is unpacked are errors.
func (l Limits) ReadPackage(r io.Reader) (*Package, error) {
	return l.readPackage(r, nil)
}

// readPackage shows every entry also to look, unless that is nil.
func (l Limits) readPackage(r io.Reader, look func(*tar.Header, io.Reader) error) (*Package, error) {
	p := packageReader{look: look, shape: newShape(l.Entries)}
	if err := l.ReadArchive(r, p.entry); err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	if p.info == nil {
		return nil, errors.New("read package: no .PKGINFO: not a package")
	}
	return &Package{Info: *p.info, Files: sortUnique(p.files), Installed: p.installed}, nil
}

type packageReader struct {
	look  func(*tar.Header, io.Reader) error
	shape shape
	info  *PkgInfo
	files []string

	installed []Installed
}

func (p *packageReader) entry(header *tar.Header, content io.Reader) error {
	if err := checkPath(header.Name); err != nil {
		return err
	}
	if header.Name == ".PKGINFO" {
		return p.readInfo(header, content)
	}
	if err := p.shape.check(header); err != nil {
		return err
	}
	if header.Name[0] != '.' {
		p.files = append(p.files, listName(header))
	}
	if header.Name == ".BUILDINFO" && header.Typeflag == tar.TypeReg && p.installed == nil {
		var err error
		p.installed, err = ReadBuildInfo(content)
		return err
	}
	if p.look == nil {
		return nil
	}
	return p.look(header, content)
}

func (p *packageReader) readInfo(header *tar.Header, content io.Reader) error {
	if p.info != nil {
		return errors.New("second .PKGINFO")
	}
	if header.Typeflag != tar.TypeReg {
		return errors.New(".PKGINFO is not a file")
	}
	text, err := io.ReadAll(io.LimitReader(content, MaxPkgInfo+1))
	if err != nil {
		return err
	}
	p.info, err = ParsePkgInfo(text)
	return err
}
