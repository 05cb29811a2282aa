// Package pacmanrepo keeps one pacman repository per iteration and architecture
// on disk, as repo-add would write it, and takes in the packages that go there.
//
// A package comes in two steps. Stage reads an upload into staging/{attempt},
// checks it, and leaves it there together with its database entry. Publish puts
// all staged packages of an attempt into the repository: files first, then one
// write of the database. Either step may be repeated after a crash at any point
// and ends with the same result.
//
// # What a client sees
//
// X.db and X.files are symbolic links, made once, to X.db.tar.zst and
// X.files.tar.zst, and those are only ever replaced by rename: a reader gets the
// old database or the new one, never none and never half of one. A file that
// the database lists is complete before it is listed. Their modification times
// grow by at least a second at every write, because pacman asks with
// If-Modified-Since and HTTP dates have no fractions.
//
// A package of another version has another file name, and the file it replaces
// stays until Prune, because a client may hold the older database. A rebuild
// that keeps name and version but not the bytes cannot have both files: its
// older file is removed, the database switched and the new file put in its
// place, three steps without anything slow between them, so that the server
// never serves a file under a checksum that is not its own: for that moment
// it answers 404. A client that still holds the older database refuses the new
// file by its checksum and is well after its next `pacman -Sy`.
package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw/internal/lru"

	"buildbtw"
)

// Tool is what writes the databases.
type Tool string

const (
	// ToolNative writes them in this process, in one step.
	ToolNative Tool = "native"
	// ToolRepoAdd runs the program repo-add of pacman on packages that were
	// checked before. It takes seconds when the repository is large.
	ToolRepoAdd Tool = "repo-add"
)

// Options are the settings of Open. The zero value is ready to use.
type Options struct {
	Tool       Tool             // empty: ToolNative
	Log        *slog.Logger     // nil: nothing is logged
	Staging    string           // directory of uploads; empty: "staging" beside the repositories
	MaxPackage int64            // largest upload in bytes; 0: 4 GiB
	CacheBytes int64            // memory for databases that are kept loaded; 0: 256 MiB
	Now        func() time.Time // nil: time.Now
}

const (
	defaultMaxPackage = 4 << 30
	defaultCacheBytes = 256 << 20
)

// Repos is a directory of pacman repositories. It must be the only writer
// there; the data directory's lock sees to that. Its methods may be called
// concurrently; writers of one repository wait for each other.
type Repos struct {
	dir     string // {repository}/os/{architecture} below it
	opts    Options
	disk    disk
	locks   *locks
	cache   *lru.Cache[ID, *database] // a database belongs to whoever holds its repository's lock
	packer  packer
	writeDB func(ctx context.Context, c change) (*database, error)
}

// ID names one repository of one architecture. DB is the name that pacman knows
// it by: the section in pacman.conf and the stem of the database's file name.
type ID struct{ Repository, DB, Architecture string }

// Open makes the directories of repositories and uploads when they are missing.
func Open(dir string, o Options) (*Repos, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open pacman repositories: %w", err)
	}
	if o.Staging == "" {
		o.Staging = filepath.Join(filepath.Dir(dir), "staging")
	}
	for _, d := range []string{dir, o.Staging} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open pacman repositories: %w", err)
		}
	}
	r := &Repos{dir: dir, opts: withDefaults(o), locks: newLocks()}
	r.cache = lru.NewWeighted[ID](r.opts.CacheBytes, (*database).size)
	if r.packer, err = newPacker(); err != nil {
		return nil, fmt.Errorf("open pacman repositories: %w", err)
	}
	switch r.opts.Tool {
	case ToolNative:
		r.writeDB = r.writeNative
	case ToolRepoAdd:
		r.writeDB = r.runRepoAdd
	default:
		return nil, buildbtw.Invalid("unknown repository tool %q; choose %s or %s", o.Tool, ToolNative, ToolRepoAdd)
	}
	return r, nil
}

func withDefaults(o Options) Options {
	if o.Tool == "" {
		o.Tool = ToolNative
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxPackage == 0 {
		o.MaxPackage = defaultMaxPackage
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Create makes an empty repository, so that the first `pacman -Sy` of an
// iteration works. A repository that exists keeps what it holds.
func (r *Repos) Create(ctx context.Context, id ID) error {
	if err := id.check(); err != nil {
		return err
	}
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return fmt.Errorf("create repository %s: %w", id.Repository, err)
	}
	defer unlock()
	if err := r.create(ctx, id); err != nil {
		return fmt.Errorf("create repository %s for %s: %w", id.Repository, id.Architecture, err)
	}
	return nil
}

func (r *Repos) create(ctx context.Context, id ID) error {
	dir := r.archDir(id.Repository, id.Architecture)
	if err := r.disk.mkdirAll(dir); err != nil {
		return err
	}
	d, err := r.load(id)
	if err != nil {
		return err
	}
	if d.dirty {
		if err := r.write(ctx, change{dir: dir, now: d}); err != nil {
			return err
		}
	}
	return r.linkNames(dir, id.DB)
}

// linkNames makes the names that pacman asks for.
func (r *Repos) linkNames(dir, db string) error {
	for _, kind := range kinds() {
		if err := r.disk.symlink(archiveName(db, kind), filepath.Join(dir, db+"."+kind)); err != nil {
			return err
		}
	}
	return r.disk.syncDir(dir)
}

// Remove deletes a repository for every architecture. Removing one that does
// not exist is no error.
func (r *Repos) Remove(ctx context.Context, repository string) error {
	if err := checkName("repository", repository); err != nil {
		return err
	}
	unlock, err := r.locks.lock(ctx, repository)
	if err != nil {
		return fmt.Errorf("remove repository %s: %w", repository, err)
	}
	defer unlock()
	r.cache.DeleteFunc(func(id ID) bool { return id.Repository == repository })
	if err := os.RemoveAll(filepath.Join(r.dir, repository)); err != nil {
		return fmt.Errorf("remove repository %s: %w", repository, err)
	}
	return r.disk.syncDir(r.dir)
}

// Path returns the file of a repository that a URL names: a package, DB.db,
// DB.files, or an archive behind those. It is NotFound when there is no such
// file, and Invalid when the names could lead anywhere else.
func (r *Repos) Path(repository, architecture, file string) (string, error) {
	names := []struct{ what, name string }{{"repository", repository}, {"architecture", architecture}, {"file", file}}
	for _, n := range names {
		if err := checkName(n.what, n.name); err != nil {
			return "", err
		}
	}
	path := filepath.Join(r.archDir(repository, architecture), file)
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for %s in repository %s: %w", file, repository, err)
	}
	return "", buildbtw.NotFound("repository %s has no file %s for %s", repository, file, architecture)
}

// PacmanConf returns the section of pacman.conf for the repository that the
// server at serverURL serves.
//
// It must stand before [core]: pacman takes a package from the first repository
// that has its name, whatever the versions. The packages are not signed, so the
// section carries its own SigLevel; devtools' global default would refuse them,
// and with Never pacman does not ask for signatures that do not exist.
func PacmanConf(db, serverURL, repository string) string {
	return fmt.Sprintf(`# Put this section before [core]: pacman takes the first repository that has a name.
[%s]
SigLevel = Never
Server = %s/repo/%s/os/$arch
`, db, strings.TrimRight(serverURL, "/"), repository)
}
