// Package alpm knows what pacman's library knows about packages: how versions
// compare, what dependency strings mean, and what a package file holds.
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

// Package is what a package file says about itself.
type Package struct {
	Info  PkgInfo
	Files []string // as repo-add lists them in .files: sorted by bytes, directories end in a slash
}

// ErrLimit is in the errors about packages that are larger than allowed.
var ErrLimit = errors.New("over the limit")

// Limits bound what reading a package may cost. Zero values refuse everything;
// begin with DefaultLimits.
type Limits struct {
	Unpacked int64 // bytes of the unpacked archive
	Entries  int   // files and directories in it
	Names    int   // bytes of all their names together, which are kept in memory
	Window   int64 // bytes of memory that the compression may ask for
}

// DefaultLimits have room for the largest packages of Arch Linux (games with
// 10 GB of data, texlive's 100,000 files, zstd --ultra -22's window of 128 MB).
func DefaultLimits() Limits {
	return Limits{Unpacked: 64 << 30, Entries: 1 << 20, Names: 128 << 20, Window: 128 << 20}
}

// ReadPackage reads a package with the default limits.
func ReadPackage(r io.Reader) (*Package, error) { return DefaultLimits().ReadPackage(r) }

// ReadPackage reads a package file to its end, so that truncated and damaged
// ones are errors. Compression is recognised by its first bytes: zst, xz, gz
// or none.
func (l Limits) ReadPackage(r io.Reader) (*Package, error) {
	plain, closeFn, err := decompress(r, l)
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	defer closeFn()
	reader := packageReader{limits: l, stream: &countingReader{r: plain, limit: l.Unpacked}}
	pkg, err := reader.read()
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	return pkg, nil
}

type packageReader struct {
	limits  Limits
	stream  *countingReader
	info    *PkgInfo
	entries int
	names   int   // bytes
	content int64 // bytes, holes of sparse files included
	files   []string
}

// endOfArchive is the length in bytes of the two zero blocks that end a tar
// archive. Go's reader takes a missing one for an end, too, even after a header
// that another should follow.
const endOfArchive = 1024

func (p *packageReader) read() (*Package, error) {
	archive := tar.NewReader(p.stream)
	for {
		before := p.stream.n
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			if p.stream.n-before < endOfArchive || p.stream.zeros < endOfArchive {
				return nil, errors.New("the archive is cut off")
			}
			break
		}
		if err != nil {
			return nil, archiveError(err)
		}
		if err := p.entry(header, archive); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

func archiveError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the archive is cut off")
	case errors.Is(err, tar.ErrHeader):
		return errors.New("not a tar archive, compressed with zst, xz, gz or nothing")
	}
	return err
}

func (p *packageReader) entry(header *tar.Header, content io.Reader) error {
	if err := p.count(header); err != nil {
		return err
	}
	if err := checkPath(header.Name); err != nil {
		return err
	}
	if header.Name == ".PKGINFO" {
		return p.readInfo(header, content)
	}
	if header.Name[0] != '.' {
		p.files = append(p.files, listName(header))
	}
	_, err := io.Copy(io.Discard, content)
	return archiveErrorOrNil(err)
}

// count holds an entry against the limits. Sizes are counted apart from the
// stream, because a sparse file costs nothing there.
func (p *packageReader) count(header *tar.Header) error {
	p.entries++
	p.names += len(header.Name)
	if header.Typeflag == tar.TypeReg || header.Typeflag == tar.TypeGNUSparse {
		if header.Size > p.limits.Unpacked-p.content {
			return fmt.Errorf("%w: files of more than %d bytes", ErrLimit, p.limits.Unpacked)
		}
		p.content += header.Size
	}
	switch {
	case p.entries > p.limits.Entries:
		return fmt.Errorf("%w: more than %d entries", ErrLimit, p.limits.Entries)
	case p.names > p.limits.Names:
		return fmt.Errorf("%w: names of more than %d bytes", ErrLimit, p.limits.Names)
	}
	return nil
}

func archiveErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return archiveError(err)
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
		return archiveError(err)
	}
	p.info, err = ParsePkgInfo(text)
	return err
}

// finish reads what follows the archive: only zero bytes may, but reading on
// to the end lets the decompressor check its sums.
func (p *packageReader) finish() (*Package, error) {
	if p.info == nil {
		return nil, errors.New("no .PKGINFO: not a package")
	}
	if err := readZeros(p.stream); err != nil {
		return nil, archiveError(err)
	}
	return &Package{Info: *p.info, Files: sortUnique(p.files)}, nil
}
