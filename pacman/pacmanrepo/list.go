package pacmanrepo

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Listing is how a repository's database describes a package.
type Listing struct {
	Version, SHA256   string
	Size              int64 // installed, in bytes
	Depends, Provides []string
}

// List returns the packages of a repository that have one of the names, by pkgname. Without
// names it has all of them. The error is NotFound when there is no such repository (any more).
func (r *Repos) List(id ID, names map[string]bool) (map[string]Listing, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	entries, err := r.entries(id)
	if err != nil {
		return nil, fmt.Errorf("list the packages of repository %s for %s: %w", id.Repository, id.Architecture, err)
	}
	list := make(map[string]Listing, len(entries))
	for name, e := range entries {
		if names != nil && !names[name] {
			continue
		}
		l := Listing{Version: e.version, SHA256: e.sha256}
		for field, value := range alpm.DescValues(e.desc) {
			switch field {
			case "ISIZE":
				l.Size, _ = strconv.ParseInt(string(value), 10, 64) // 0: unknown
			case "DEPENDS":
				l.Depends = append(l.Depends, string(value))
			case "PROVIDES":
				l.Provides = append(l.Provides, string(value))
			}
		}
		list[name] = l
	}
	return list, nil
}

// entries returns the entries of a repository from memory, or else those of its database
// without the lists of files. It needs no lock: the file is only ever replaced.
func (r *Repos) entries(id ID) (map[string]*entry, error) {
	if d, ok := r.cache.Get(id); ok {
		return d.entries, nil
	}
	entries, err := r.disk.readArchive(filepath.Join(r.archDir(id.Repository, id.Architecture), archiveName(id.DB, "db")))
	if err == nil && entries == nil {
		err = buildbtw.NotFound("the repository is not there any more")
	}
	return entries, err
}

// Files returns the names of a package's files as the repository lists them: sorted,
// directories end in a slash. The error is NotFound when the repository does not have the
// package in this version (any more).
func (r *Repos) Files(id ID, pkgname, version string) ([]string, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	text, err := r.fileList(id, pkgname, version)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s %s: %w", pkgname, version, err)
	}
	var files []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "%FILES%\n")) {
		files = append(files, strings.TrimSuffix(line, "\n"))
	}
	return files, nil
}

func (r *Repos) fileList(id ID, pkgname, version string) ([]byte, error) {
	gone := buildbtw.NotFound("repository %s does not have %s %s any more", id.Repository, pkgname, version)
	if d, ok := r.cache.Get(id); ok {
		if e := d.entries[pkgname]; e != nil && e.version == version {
			return e.files, nil
		}
		return nil, gone
	}
	f, err := r.disk.open(filepath.Join(r.archDir(id.Repository, id.Architecture), archiveName(id.DB, "files")))
	if err != nil {
		return nil, gone
	}
	defer f.Close()
	z, err := zstd.NewReader(bufio.NewReaderSize(f, 1<<16), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, gone
		case err != nil:
			return nil, err
		case strings.TrimPrefix(h.Name, "./") == pkgname+"-"+version+"/files":
			if h.Size > maxMember {
				return nil, fmt.Errorf("%s has %d bytes", h.Name, h.Size)
			}
			return io.ReadAll(t)
		}
	}
}

// FileList is the names of a package's files.
type FileList struct {
	Pkgname, SHA256 string // of the package
	text            []byte
}

// Names returns the names, sorted; directories end in a slash. They are good until the next.
func (l FileList) Names() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(bytes.TrimPrefix(l.text, []byte("%FILES%\n"))) {
			if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// FileLists returns the lists of files of all packages of a repository. There are none when it
// does not exist.
func (r *Repos) FileLists(ctx context.Context, id ID) ([]FileList, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	d, err := r.loadLocked(ctx, id)
	if err != nil || d == nil {
		return nil, err
	}
	list := make([]FileList, 0, len(d.entries))
	for _, e := range d.entries {
		list = append(list, FileList{e.name, e.sha256, e.files})
	}
	return list, nil
}
