package pacmanrepo

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"buildbtw/pacman/alpm"
)

// entry is one package in a repository's databases: the texts as they stand
// there, and the values of desc that the writer works with.
type entry struct {
	desc  []byte
	files []byte

	filename, name, base, version, arch string

	sha256, md5 string // lower case hexadecimal
	size        int64  // of the file, bytes
}

// dir returns the entry's directory inside a database.
func (e *entry) dir() string { return e.name + "-" + e.version }

func (e *entry) same(other *entry) bool {
	return other != nil && bytes.Equal(e.desc, other.desc) && bytes.Equal(e.files, other.files)
}

// file describes a package file as a sequence of bytes.
type file struct {
	name        string
	md5, sha256 string
	size        int64
}

// newEntry returns the entry that repo-add (6.0.2, db_write_entry) would write.
func newEntry(f file, p *alpm.Package) *entry {
	return &entry{
		desc: formatDesc(f, &p.Info), files: []byte("%FILES%\n" + lines(p.Files)),
		filename: f.name, name: p.Info.Name, base: p.Info.Base, version: p.Info.Version, arch: p.Info.Arch,
		sha256: f.sha256, md5: f.md5, size: f.size,
	}
}

// lines returns each text as a line.
func lines(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(text)
		b.WriteByte('\n')
	}
	return b.String()
}

func formatDesc(f file, i *alpm.PkgInfo) []byte {
	var b bytes.Buffer
	put := func(field string, values ...string) {
		// repo-add leaves out a field whose first value is empty.
		if len(values) == 0 || values[0] == "" {
			return
		}
		fmt.Fprintf(&b, "%%%s%%\n%s\n\n", field, strings.Join(values, "\n"))
	}
	put("FILENAME", f.name)
	put("NAME", i.Name)
	put("BASE", i.Base)
	put("VERSION", i.Version)
	put("DESC", i.Desc)
	put("GROUPS", i.Groups...)
	put("CSIZE", strconv.FormatInt(f.size, 10))
	put("ISIZE", strconv.FormatInt(i.Size, 10))
	put("MD5SUM", f.md5)
	put("SHA256SUM", f.sha256)
	put("URL", i.URL)
	put("LICENSE", i.Licenses...)
	put("ARCH", i.Arch)
	put("BUILDDATE", strconv.FormatInt(i.BuildDate, 10))
	put("PACKAGER", i.Packager)
	put("REPLACES", i.Replaces...)
	put("CONFLICTS", i.Conflicts...)
	put("PROVIDES", i.Provides...)
	put("DEPENDS", i.Depends...)
	put("OPTDEPENDS", i.OptDepends...)
	put("MAKEDEPENDS", i.MakeDepends...)
	put("CHECKDEPENDS", i.CheckDepends...)
	return b.Bytes()
}

// parseEntry parses the files of an entry that newEntry or repo-add wrote.
func parseEntry(desc, files []byte) (*entry, error) {
	e := &entry{desc: desc, files: files}
	var size string
	fields := map[string]*string{
		"FILENAME": &e.filename, "NAME": &e.name, "BASE": &e.base, "VERSION": &e.version, "ARCH": &e.arch,
		"SHA256SUM": &e.sha256, "MD5SUM": &e.md5, "CSIZE": &size,
	}
	for field, value := range alpm.DescValues(desc) {
		into := fields[field]
		if into == nil {
			continue
		}
		if *into != "" {
			return nil, fmt.Errorf("database entry %.80q has a second %s", desc, field)
		}
		*into = string(value)
	}
	if e.filename == "" || e.name == "" || e.version == "" || len(e.sha256) != 64 {
		return nil, fmt.Errorf("database entry %.80q lacks file name, name, version or digest", desc)
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("database entry of %s: size: %w", e.filename, err)
	}
	e.size = n
	return e, nil
}

// database is the content of a repository's two databases. It is immutable; a
// write makes the next one.
type database struct {
	id       ID
	entries  map[string]*entry // by pkgname
	modified time.Time         // of DB.db on disk; zero when there is none
	dirty    bool              // the files on disk do not both hold these entries
	blocks   []*block          // the entries as the last write packed them; nil when read from disk
	order    []*entry          // as sorted returns them; nil when read from disk
}

// with returns a database without the dropped entries, in which the others replace
// those of the same pkgnames.
func (d *database) with(entries, dropped []*entry) *database {
	next := &database{id: d.id, entries: maps.Clone(d.entries), modified: d.modified}
	for _, e := range dropped {
		delete(next.entries, e.name)
	}
	for _, e := range entries {
		next.entries[e.name] = e
	}
	if d.order != nil { // few of thousands change
		next.order = slices.DeleteFunc(slices.Clone(d.order), func(e *entry) bool { return next.entries[e.name] != e })
		for _, e := range entries {
			i, found := slices.BinarySearchFunc(next.order, e, byDir)
			if !found {
				next.order = slices.Insert(next.order, i, e)
			}
		}
	}
	return next
}

func byDir(a, b *entry) int { return strings.Compare(a.dir(), b.dir()) }

// sorted returns the entries in the order of their directories.
func (d *database) sorted() []*entry {
	if d.order != nil {
		return d.order
	}
	return slices.SortedFunc(maps.Values(d.entries), byDir)
}

// size returns about how many bytes of memory the database takes.
func (d *database) size() int64 {
	const overhead = 512 // of an entry: struct, map slot, allocation slack
	n := int64(overhead)
	for _, e := range d.entries {
		n += int64(len(e.desc)+len(e.files)) + overhead
	}
	for _, b := range d.blocks {
		n += int64(len(b.packed[0]) + len(b.packed[1]))
	}
	return n
}

// DamagedError is a repository whose databases cannot be read, however often
// that is tried: Remake makes them anew.
type DamagedError struct {
	ID  ID
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("repository %s for %s: %v", e.ID.Repository, e.ID.Architecture, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// load returns the database from memory or from disk. One that does not exist is
// empty and dirty; of one that is damaged the error is a *DamagedError.
func (r *Repos) load(id ID) (*database, error) {
	if d, ok := r.cache.Get(id); ok {
		return d, nil
	}
	dir := r.archDir(id.Repository, id.Architecture)
	entries, err := r.disk.readArchive(filepath.Join(dir, archiveName(id.DB, "files")))
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, err
	case err != nil:
		return nil, &DamagedError{id, err}
	}
	main, err := r.disk.readArchive(filepath.Join(dir, archiveName(id.DB, "db")))
	switch {
	case errors.As(err, &disk):
		return nil, err
	case err != nil:
		main = nil // the other one has all that it has
	}
	d := &database{id: id, entries: entries, dirty: entries == nil || main == nil || !sameDescs(entries, main)}
	if d.entries == nil {
		d.entries = map[string]*entry{}
	}
	if info, err := r.disk.stat(filepath.Join(dir, archiveName(id.DB, "db"))); err == nil {
		d.modified = info.ModTime()
	}
	return d, nil
}

// sameDescs reports whether two databases list the same packages: a crash
// between their renames leaves them different until the next write.
func sameDescs(a, b map[string]*entry) bool {
	return maps.EqualFunc(a, b, func(x, y *entry) bool { return string(x.desc) == string(y.desc) })
}

// maxMember bounds one member of a database, in bytes; the largest lists of files
// in Arch have a few megabytes.
const maxMember = 256 << 20

// readArchive returns the entries of a database file by pkgname, or nil when there
// is no such file.
func (d disk) readArchive(name string) (map[string]*entry, error) {
	f, err := d.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(bufio.NewReaderSize(f, 1<<16), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	content := &zeros{r: z}
	members, err := readMembers(tar.NewReader(content))
	if err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	if err == nil && content.n < endOfArchive {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", filepath.Base(name), err)
	}
	entries := make(map[string]*entry, len(members))
	for _, m := range members {
		e, err := parseEntry(m["desc"], m["files"])
		if err != nil {
			return nil, fmt.Errorf("read database %s: %w", filepath.Base(name), err)
		}
		entries[e.name] = e
	}
	return entries, nil
}

// endOfArchive is how many zero bytes end a tar archive, pax(1). Without them an
// empty file, and one that a crash cut between two entries, would be a whole one.
const endOfArchive = 1024

// zeros is a reader that counts the zero bytes at the end of its input.
type zeros struct {
	r io.Reader
	n int
}

func (z *zeros) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	text := bytes.TrimRight(p[:n], "\x00")
	if len(text) > 0 {
		z.n = 0
	}
	z.n += n - len(text)
	return n, err
}

// readMembers returns the texts of an archive by directory and name.
func readMembers(t *tar.Reader) (map[string]map[string][]byte, error) {
	members := map[string]map[string][]byte{}
	for {
		h, err := t.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxMember {
			return nil, fmt.Errorf("%s has %d bytes", h.Name, h.Size)
		}
		text := make([]byte, h.Size)
		if _, err := io.ReadFull(t, text); err != nil {
			return nil, err
		}
		dir, base := path.Split(h.Name)
		if members[dir] == nil {
			members[dir] = map[string][]byte{}
		}
		members[dir][base] = text
	}
}
