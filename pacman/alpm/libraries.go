package alpm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
// Programs and libraries of more than a few megabytes are copied, one at a time,
// to an unnamed file in tempDir (the system's directory for temporary files when
// it is empty). A library that cannot be read is no error: Interface.Unknown is
// then the reason.
func (l Limits) ReadInterface(r io.Reader, tempDir string) (*Package, Interface, error) {
	reader := libraryReader{limits: l, tempDir: tempDir, links: map[string]bool{}, exports: map[string]string{}}
	p, err := l.readPackage(r, reader.look)
	if err != nil {
		return nil, Interface{}, err
	}
	var directories Directories
	for _, name := range p.Files {
		directories.Add(name)
	}
	names, err := directories.Names()
	if err != nil && reader.trouble == "" {
		reader.trouble = err.Error()
	}
	i := Interface{
		Pkgname: p.Info.Name, Version: p.Info.Version,
		Provides: sortUnique(slices.Clone(p.Info.Provides)), Sonames: sortUnique(reader.sonames),
		Directories: DirectoriesOf(names, p.Info.Version), Symbols: sortUnique(reader.symbolsOf(p.Info.Version)), Links: reader.foreign(),
		Exports: reader.exported(), Content: reader.contentOf(),
		Debug: p.Info.XData["pkgtype"] == "debug", Unknown: reader.trouble,
	}
	return p, i, nil
}

// libraryReader collects the sonames, links and symbol versions of the programs and shared
// libraries in a package.
type libraryReader struct {
	limits     Limits
	tempDir    string
	sonames    []string
	symbols    []string
	unnumbered []unnumbered
	links      map[string]bool
	bytes      int // of all names above
	exports    map[string]string
	unread     map[string]bool // sonames of libraries of which it is not known what they export
	content    Content
	trouble    string // the first library that could not be read, and why
}

// maxInterface is the largest total length, in bytes, of the names of a package's
// libraries, of their versions and of their links, which are stored as long as the package.
// Those of glibc and of Qt have some 10 kB.
const maxInterface = 4 << 20

// unnumbered is a library whose soname has no version, as libperl.so.
type unnumbered struct {
	soname    string // as SonameOf writes it
	directory string // the versioned directory in which it lies; empty when in usr/lib itself
}

// Unnumbered returns the entry of Interface.Symbols for a library without a version in its
// soname, by its file and soname in a package of this version. ok is false when the soname
// has one, or no program can link with the file.
func Unnumbered(file, soname, bits, version string) (symbols string, ok bool) {
	written := SonameOf(soname, bits)
	dir, ok := linkedFrom(file)
	return written + "@" + cmp.Or(dir, upstream(version)), ok && !isVersioned(written)
}

// symbolsOf returns Interface.Symbols for a package of this version.
func (l *libraryReader) symbolsOf(version string) []string {
	list := l.symbols
	for _, u := range l.unnumbered {
		list = append(list, u.soname+"@"+cmp.Or(u.directory, upstream(version)))
	}
	return list
}

// exported returns Interface.Exports: nil when nothing is known.
func (l *libraryReader) exported() map[string]string {
	for soname := range l.unread {
		delete(l.exports, soname)
	}
	if len(l.exports) == 0 {
		return nil
	}
	return l.exports
}

// export notes what a library exports. Where two have one soname, as for two kinds of
// processors, a change of either counts.
func (l *libraryReader) export(soname, digest string) {
	before, twice := l.exports[soname]
	switch {
	case digest == "":
		if l.unread == nil {
			l.unread = map[string]bool{}
		}
		l.unread[soname] = true
	case !twice:
		l.exports[soname] = digest
	case before != digest:
		l.exports[soname] = ShortDigest(min(before, digest) + max(before, digest))
	}
}

// contentOf returns Interface.Content.
func (l *libraryReader) contentOf() *Content {
	slices.Sort(l.content.Privileged)
	slices.Sort(l.content.BuildIDs)
	return &l.content
}

const (
	setUser, setGroup = 0o4000, 0o2000 // in the mode of a file
	installScript     = ".INSTALL"     // in a package
	privilegedBits    = setUser | setGroup
)

// note keeps what Content has of a file.
func (l *libraryReader) note(header *tar.Header) error {
	if header.Mode&privilegedBits != 0 {
		l.bytes += len(header.Name)
		l.content.Privileged = append(l.content.Privileged, fmt.Sprintf("%s %o", header.Name, header.Mode&0o7777))
	}
	return l.bounded()
}

func (l *libraryReader) bounded() error {
	if l.bytes > maxInterface {
		return fmt.Errorf("%w: sonames and names of programs of more than %d bytes", ErrLimit, maxInterface)
	}
	return nil
}

// foreign returns the libraries that the package links with and does not contain, sorted.
func (l *libraryReader) foreign() []string {
	for _, own := range l.sonames {
		delete(l.links, own)
	}
	return slices.Sorted(maps.Keys(l.links))
}

// maxInMemory is the size in bytes up to which a program or library is read
// without a file.
const maxInMemory = 4 << 20

// look reads regular files only. Symbolic links lead to a file of this package,
// which is read under its own name, or to another package's.
func (l *libraryReader) look(header *tar.Header, content io.Reader) error {
	named := IsLibraryName(header.Name)
	switch {
	case strings.HasPrefix(header.Name, debugDirectory):
		return nil
	case named && header.Typeflag == tar.TypeLink && !IsLibraryName(header.Linkname):
		return l.unreadable(header.Name, fmt.Errorf("a hard link to %q", shorten(header.Linkname)))
	case header.Name == installScript && isFile(header):
		sum := sha256.New()
		_, err := io.Copy(sum, content)
		l.content.Install = hex.EncodeToString(sum.Sum(nil))
		return err
	case !isFile(header):
		return nil
	}
	if err := l.note(header); err != nil {
		return err
	}
	lib, err := l.read(content, header.Size)
	var system *fs.PathError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &system):
		return err
	case err != nil && named:
		return l.unreadable(header.Name, err)
	case err != nil:
		lib = library{} // it only looks like a program
	case !named:
		lib.soname = ""
	}
	return l.add(header.Name, lib)
}

// add adds the sonames, links and symbol versions of a program or library.
func (l *libraryReader) add(name string, lib library) error {
	for _, needed := range lib.needed {
		l.link(SonameOf(needed, lib.bits))
	}
	for _, p := range lib.private {
		soname, version, _ := strings.Cut(p, ":")
		l.link(SonameOf(soname, lib.bits) + ":" + version)
	}
	if lib.soname != "" {
		soname := SonameOf(lib.soname, lib.bits)
		l.bytes += len(soname)
		l.sonames = append(l.sonames, soname)
		l.export(soname, lib.exports)
		for _, version := range lib.versions {
			l.bytes += len(soname) + len(version)
			l.symbols = append(l.symbols, soname+":"+version)
		}
		if dir, ok := linkedFrom(name); ok && !isVersioned(soname) {
			l.unnumbered = append(l.unnumbered, unnumbered{soname, dir})
		}
	}
	if lib.buildID != "" {
		l.bytes += len(name) + len(lib.buildID)
		l.content.BuildIDs = append(l.content.BuildIDs, lib.buildID+" "+name)
	}
	return l.bounded()
}

func (l *libraryReader) link(name string) {
	if !l.links[name] {
		l.bytes += len(name)
		l.links[name] = true
	}
}

// linkedFrom reports whether other packages may link with a library by its place,
// and returns the versioned directory in which it lies, if any. Elsewhere lie
// plugins, which are loaded by the names of their files.
func linkedFrom(name string) (directory string, ok bool) {
	dir, file := path.Split(name)
	if !strings.HasPrefix(file, "lib") {
		return "", false
	}
	if dir == moduleRoot(name) {
		return "", true
	}
	directory, sure := versionedDirectory(name)
	return directory, sure
}

const debugDirectory = "usr/lib/debug/"

// IsLibraryName reports whether a file of a package may be a shared library, by
// its name. As in makepkg, all directories count: programs link with libraries
// in /opt/cuda/lib64, too. Detached debugging symbols have the headers of a
// library without its contents.
func IsLibraryName(name string) bool {
	return strings.Contains(path.Base(name), ".so") && !strings.HasPrefix(name, debugDirectory)
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
