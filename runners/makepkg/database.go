package makepkg

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"buildbtw/pacman/alpm"
)

// Limits of a repository's database: the largest of Arch Linux has 15,000
// packages.
const (
	maxDatabase    = 1 << 30 // bytes unpacked
	maxDescription = 4 << 20 // bytes of one package's entry
)

// database is the content of the iteration's repository and of those in
// Options.InstallFrom.
type database struct {
	entries   []entry
	providers map[string][]int // name, or something provided, to entries
	files     map[string]bool  // names of the packages' files, after the name of their repository and a slash
}

// entry is one package of a repository.
type entry struct {
	name     string
	file     string
	provides []string
	depends  []string
}

// read adds the packages of a repository's sync database, which lies in a file.
func (db *database) read(repository, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer f.Close()
	unpacked, err := decompress(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return fmt.Errorf("unpack the database: %w", err)
	}
	archive := tar.NewReader(io.LimitReader(unpacked, maxDatabase))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		if path.Base(header.Name) != "desc" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, maxDescription))
		if err != nil {
			return fmt.Errorf("read %s of the database: %w", header.Name, err)
		}
		e := parseDesc(text)
		db.entries = append(db.entries, e)
		db.files[repository+"/"+e.file] = !strings.Contains(e.file, "/")
		for _, name := range append([]string{e.name}, e.provides...) {
			db.providers[bareName(name)] = append(db.providers[bareName(name)], len(db.entries)-1)
		}
	}
}

// decompress recognises the compression by its first bytes, as pacman does.
func decompress(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDatabase))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return xz.NewReader(r)
	}
	return r, nil
}

// parseDesc reads an entry.
func parseDesc(text []byte) entry {
	var e entry
	for field, value := range alpm.DescValues(text) {
		switch field {
		case "NAME":
			e.name = string(value)
		case "FILENAME":
			e.file = string(value)
		case "PROVIDES":
			e.provides = append(e.provides, string(value))
		case "DEPENDS":
			e.depends = append(e.depends, string(value))
		}
	}
	return e
}

// bareName returns a dependency without its constraint.
func bareName(dep string) string {
	if i := strings.IndexAny(dep, "<>="); i >= 0 {
		return dep[:i]
	}
	return dep
}

// has reports whether some package has or provides the name of a dependency, in
// any version.
func (db *database) has(dep string) bool { return len(db.providers[bareName(dep)]) > 0 }

// names returns all names of packages and provides, sorted.
func (db *database) names() []string {
	return slices.Sorted(maps.Keys(db.providers))
}

// external returns the dependencies, direct and indirect, of the wanted packages
// that no repository has, as arguments of --assume-installed: the host
// provides them.
func (db *database) external(wanted []string) []string {
	var assumed []string
	seen := map[string]bool{}
	queue := slices.Clone(wanted)
	for len(queue) > 0 {
		dep := queue[0]
		queue = queue[1:]
		if seen[dep] {
			continue
		}
		seen[dep] = true
		if !db.has(dep) {
			assumed = append(assumed, assume(dep))
			continue
		}
		for _, i := range db.providers[bareName(dep)] {
			queue = append(queue, db.entries[i].depends...)
		}
	}
	slices.Sort(assumed)
	return slices.Compact(assumed)
}

// assume returns a name=version that meets the dependency.
func assume(dep string) string {
	d, err := alpm.ParseDep(dep)
	switch {
	case err != nil || d.Op == "":
		return bareName(dep) + "=1"
	case d.Op == ">":
		return d.Name + "=" + d.Version + ".1"
	case d.Op == "<":
		return d.Name + "=0"
	}
	return d.Name + "=" + d.Version
}
