// Package gitmirror keeps one bare repository that mirrors all package sources,
// and reads it: which refs there are, the .SRCINFO at many commits in one
// batch, the tree of a commit as tar.
//
// A source with the slug S has its branches at refs/sources/S/heads/ and its
// tags at refs/sources/S/tags/. One repository instead of thousands means that
// one process answers a question about all of them.
//
// Only what is committed to a branch or tag is mirrored: uncommitted changes in
// a working tree are not seen. A plain directory with a PKGBUILD counts as a
// source too; its files become commits on the branch main.
package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"buildbtw/internal/atomicfile"
	"buildbtw/internal/lru"
)

// Mirror is the bare repository. Its methods may be called at the same time
// from several goroutines; one process at a time may have a mirror open.
type Mirror struct {
	git         git
	owners      *owners
	findProgram func(string) (string, error) // exec.LookPath, or a test's
	now         func() time.Time
	timeout     time.Duration // makepkgTimeout, or a test's

	syncing  sync.Mutex                  // held during SyncDir and Retain: one pass at a time
	shallow  sync.Mutex                  // held while a shallow clone is fetched
	fetching keyed                       // held, by slug, while a remote is fetched
	seen     sync.Map                    // slug to seenDir
	srcinfos *lru.Cache[string, Srcinfo] // by commit, so that handing out a build starts no process
}

// Open opens the mirror in dir and makes it if there is none. What a killed
// process left locked is unlocked.
func Open(ctx context.Context, dir string) (*Mirror, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open mirror %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	config := filepath.Join(dir, "buildbtw.gitconfig")
	if err := atomicfile.WriteBytes(config, 0o600, []byte(configText)); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	if err := removeLocks(dir); err != nil {
		return nil, fmt.Errorf("remove stale locks of mirror: %w", err)
	}
	g, err := newGit(dir, config)
	if err != nil {
		return nil, err
	}
	// Harmless on a repository that is there, and repairs a half-made one.
	if err := g.run(ctx, call{args: []string{"init", "--quiet", "--bare", "--template="}}); err != nil {
		return nil, fmt.Errorf("open mirror %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o755); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, "info", "attributes"), 0o600, []byte(attributes)); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	o, err := readOwners(filepath.Join(dir, "buildbtw-owners.json"))
	if err != nil {
		return nil, err
	}
	return &Mirror{
		git: g, owners: o, findProgram: exec.LookPath, now: time.Now, timeout: makepkgTimeout,
		srcinfos: lru.NewWeighted[string](maxSrcinfos, func(i Srcinfo) int64 { return int64(len(i.Text)) }),
	}, nil
}

// attributes makes git archive files as they were committed, whatever the
// .gitattributes of a source says: a build needs the files that "export-ignore"
// would leave out, and their exact bytes.
const attributes = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"

// maxSrcinfos bounds the memory for texts that were read, in bytes. A whole
// distribution has 10 MB of .SRCINFO.
const maxSrcinfos = 64 << 20

// removeLocks removes the lock files and unfinished files of processes that were
// killed. All that are found are stale: one server has the mirror (its data
// directory's lock), and its children die with it.
func removeLocks(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), atomicfile.TempPrefix):
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return fs.SkipDir
		case d.IsDir() && len(d.Name()) == 2 && filepath.Base(filepath.Dir(path)) == "objects":
			return fs.SkipDir // loose objects have no locks
		case d.Type().IsRegular() && (strings.HasSuffix(d.Name(), ".lock") || d.Name() == "gc.pid" ||
			strings.HasPrefix(d.Name(), "tmp_pack_") || strings.HasPrefix(d.Name(), atomicfile.TempPrefix)):
			return os.Remove(path)
		}
		return nil
	})
}
