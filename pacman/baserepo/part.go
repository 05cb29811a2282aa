package baserepo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"buildbtw/internal/atomicfile"
	"buildbtw/pacman/alpm"
)

// kind is one of the three files of a repository.
type kind struct {
	suffix   string
	optional bool
	parse    func(io.Reader, alpm.Limits) (table, error)
}

// kinds has the database first.
func kinds() []kind {
	return []kind{
		{suffix: ".db", parse: parseDatabase},
		{suffix: ".files", optional: true, parse: parseFileLists},
		{suffix: ".links.tar.gz", optional: true, parse: parseLinks},
	}
}

// table is the content of one file.
type table interface{ count() int } // packages in it

// part is the copy of one file.
type part struct {
	kind
	file  string // its name, here and on the server
	meta  meta
	table table // nil: there is none
}

// meta identifies the version of a copied file, for conditional requests.
type meta struct {
	URL      string `json:"url"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"` // Last-Modified, as the server wrote it
}

// marked reports whether the server can be asked for something newer.
func (m meta) marked() bool { return m.ETag != "" || m.Modified != "" }

func (p *part) count() int {
	if p.table == nil {
		return 0
	}
	return p.table.count()
}

func (p *part) kept() string {
	if p.table == nil {
		return "there is no earlier copy"
	}
	return fmt.Sprintf("the copy with %d packages is kept", p.count())
}

// load reads the copy on disk. One that cannot be read counts as missing, and
// so do its marks.
func (p *part) load(dir string, limits alpm.Limits) error {
	t, err := p.read(context.Background(), filepath.Join(dir, p.file), limits)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.table = t
	text, err := os.ReadFile(p.metaPath(dir))
	if err == nil {
		err = json.Unmarshal(text, &p.meta)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (p *part) read(ctx context.Context, path string, limits alpm.Limits) (table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return p.parse(untilDone{ctx, f}, limits)
}

func (p *part) metaPath(dir string) string { return filepath.Join(dir, p.file+".json") }

// refreshPart replaces one file by the server's version if that is newer.
func (b *Base) refreshPart(ctx context.Context, r *repository, p *part) (changed bool, err error) {
	have := p.meta
	if address := r.base + "/" + p.file; have.URL != address {
		have = meta{URL: address}
	}
	got, err := b.download(ctx, have)
	if err == nil && got == nil && !p.optional {
		r.lost.Store(nil) // the server has the version that is used: it came back
	}
	switch {
	case errors.Is(err, errNotThere) && p.optional && p.table == nil:
		return false, nil
	case err != nil || got == nil:
		return false, err
	}
	defer os.Remove(got.path)
	t, err := p.read(ctx, got.path, b.limits)
	if err != nil {
		return false, fmt.Errorf("not a database: %w", err)
	}
	if !r.Volatile {
		if err := b.plausible(r, p, t, p.meta.URL == have.URL); err != nil {
			return false, err
		}
	}
	if err := b.keep(p, got); err != nil {
		return false, err
	}
	p.meta, p.table = got.meta, t
	return true, nil
}

// plausible refuses the files of a server that is being set up or synchronised, and databases
// that lost more than is likely to be meant.
func (b *Base) plausible(r *repository, p *part, next table, sameURL bool) error {
	n := next.count()
	if n == 0 {
		return errors.New("it lists no packages")
	}
	if d, ok := next.(database); ok {
		r.lost.Store(nil)
		if lost := b.lost(r, d); sameURL && lost != nil {
			r.lost.Store(lost)
			return errors.New(lost.Words())
		}
		return nil
	}
	// What the database lost with a person's word is not looked for in what goes with it.
	if before := min(p.count(), r.parts[0].count()); sameURL && n*10 <= before {
		return fmt.Errorf("it has shrunk from %d packages to %d", before, n)
	}
	return nil
}

// keep makes a downloaded file the copy. A crash between the two renames leaves
// the new file with the old version's marks, and it is downloaded once more.
func (b *Base) keep(p *part, got *downloaded) error {
	text, err := json.Marshal(got.meta)
	if err != nil {
		return err
	}
	if err := os.Rename(got.path, filepath.Join(b.dir, p.file)); err != nil {
		return err
	}
	return atomicfile.WriteBytes(p.metaPath(b.dir), 0o600, text)
}
