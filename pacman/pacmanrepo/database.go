package pacmanrepo

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// database is what both databases of a repository hold. It is never changed
// once it is made; a write makes the next one.
type database struct {
	id       ID
	entries  map[string]*entry // by pkgname
	modified time.Time         // of DB.db on disk; zero when there is none
	dirty    bool              // the files on disk do not both hold these entries
	blocks   []*block          // the entries as the last write packed them; nil when read from disk
	order    []*entry          // as sorted gives them; nil when read from disk
}

// with returns a database in which the entries replace those of the same pkgname.
func (d *database) with(entries []*entry) *database {
	next := &database{id: d.id, entries: maps.Clone(d.entries), modified: d.modified}
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

// size is about how much memory the database takes, in bytes.
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

// load returns the database from memory or from disk. One that does not exist is
// empty and dirty.
func (r *Repos) load(id ID) (*database, error) {
	if d, ok := r.cache.Get(id); ok {
		return d, nil
	}
	dir := r.archDir(id.Repository, id.Architecture)
	entries, err := readArchive(filepath.Join(dir, archiveName(id.DB, "files")))
	if err != nil {
		return nil, err
	}
	main, err := readArchive(filepath.Join(dir, archiveName(id.DB, "db")))
	if err != nil {
		return nil, err
	}
	d := &database{id: id, entries: entries, dirty: entries == nil || main == nil || !sameDescs(entries, main)}
	if d.entries == nil {
		d.entries = map[string]*entry{}
	}
	if info, err := os.Stat(filepath.Join(dir, archiveName(id.DB, "db"))); err == nil {
		d.modified = info.ModTime()
	}
	return d, nil
}

// sameDescs compares the two databases: a crash between their renames leaves
// them different until the next write.
func sameDescs(a, b map[string]*entry) bool {
	return maps.EqualFunc(a, b, func(x, y *entry) bool { return string(x.desc) == string(y.desc) })
}

// maxMember bounds what one member of a database may be; the largest lists of
// files in Arch have a few megabytes.
const maxMember = 256 << 20

// readArchive returns the entries of a database file by pkgname, or nil when there
// is no such file.
func readArchive(name string) (map[string]*entry, error) {
	f, err := os.Open(name)
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
	members, err := readMembers(tar.NewReader(z))
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
