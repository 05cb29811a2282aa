package alpm

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// ReadInterface reads a package with the default limits.
func ReadInterface(r io.Reader, tempDir string) (*Package, Interface, error) {
	return DefaultLimits().ReadInterface(r, tempDir)
}

// ReadInterface is ReadPackage and reads, in the same pass, the interface too.
// Shared libraries of more than a few megabytes are copied, one at a time, to
// an unnamed file in tempDir (the system's directory for temporary files when
// it is empty). A library that cannot be read is no error: Interface.Unknown is
// then the reason.
func (l Limits) ReadInterface(r io.Reader, tempDir string) (*Package, Interface, error) {
	reader := libraryReader{limits: l, tempDir: tempDir}
	p, err := l.readPackage(r, reader.look)
	if err != nil {
		return nil, Interface{}, err
	}
	i := Interface{
		Pkgname: p.Info.Name, Version: p.Info.Version,
		Provides: sortUnique(slices.Clone(p.Info.Provides)), Sonames: sortUnique(reader.sonames),
		Debug: p.Info.XData["pkgtype"] == "debug", Unknown: reader.trouble,
	}
	return p, i, nil
}

// libraryReader collects the sonames of the shared libraries in a package.
type libraryReader struct {
	limits  Limits
	tempDir string
	sonames []string
	bytes   int    // of all sonames
	trouble string // the first library that could not be read, and why
}

// maxInMemory is the size in bytes up to which a library is read without a file.
const maxInMemory = 4 << 20

// look reads regular files only. Symbolic links lead to a file of this package,
// which is read under its own name, or to another package's.
func (l *libraryReader) look(header *tar.Header, content io.Reader) error {
	switch {
	case !IsLibraryName(header.Name):
		return nil
	case header.Typeflag == tar.TypeLink && !IsLibraryName(header.Linkname):
		return l.unreadable(header.Name, fmt.Errorf("a hard link to %q", shorten(header.Linkname)))
	case !isFile(header):
		return nil
	}
	lib, err := l.read(content, header.Size)
	var system *fs.PathError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &system):
		return err
	case err != nil:
		return l.unreadable(header.Name, err)
	case lib.soname == "":
		return nil
	}
	l.bytes += len(lib.soname)
	if l.bytes > l.limits.Names {
		return fmt.Errorf("%w: sonames of more than %d bytes", ErrLimit, l.limits.Names)
	}
	l.sonames = append(l.sonames, SonameOf(lib.soname, lib.bits))
	return nil
}

// IsLibraryName reports whether a file of a package may be a shared library, by
// its name. As in makepkg, all directories count: programs link with libraries
// in /opt/cuda/lib64, too. Detached debugging symbols have the headers of a
// library without its contents.
func IsLibraryName(name string) bool {
	return strings.Contains(path.Base(name), ".so") && !strings.HasPrefix(name, "usr/lib/debug/")
}

func (l *libraryReader) unreadable(name string, err error) error {
	if l.trouble == "" {
		l.trouble = fmt.Sprintf("%q: %v", shorten(name), err)
	}
	return nil
}

// read returns nothing for files that are not ELF, such as linker scripts.
func (l *libraryReader) read(content io.Reader, size int64) (library, error) {
	const magic = 4
	head := make([]byte, min(magic, size))
	if _, err := io.ReadFull(content, head); err != nil {
		return library{}, cut(err)
	}
	if !isELF(head) {
		return library{}, nil
	}
	whole := io.MultiReader(bytes.NewReader(head), content)
	switch {
	case size > l.limits.Library:
		return library{}, fmt.Errorf("%w: a library of more than %d bytes", ErrLimit, l.limits.Library)
	case size <= maxInMemory:
		return readInMemory(whole, size)
	}
	return l.readSpooled(whole, size)
}

func readInMemory(content io.Reader, size int64) (library, error) {
	buf := make([]byte, size)
	if _, err := io.ReadFull(content, buf); err != nil {
		return library{}, cut(err)
	}
	return readLibrary(bytes.NewReader(buf), size)
}

func (l *libraryReader) readSpooled(content io.Reader, size int64) (library, error) {
	f, err := os.CreateTemp(l.tempDir, "library-*")
	if err != nil {
		return library{}, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return library{}, err
	}
	if _, err := io.CopyN(f, content, size); err != nil {
		return library{}, cut(err)
	}
	return readLibrary(f, size)
}

// cut makes every early end of a package the same error.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
