// Package gitmirror keeps one bare repository that mirrors all package sources,
// and reads it: which refs there are, the .SRCINFO at many commits in one
// batch, the tree of a commit as tar.
//
// A source with the slug S has its branches at refs/sources/S/heads/ and its
// tags at refs/sources/S/tags/. One repository instead of thousands means that
// one process answers a question about all of them.
//
// Only commits of branches and tags are mirrored: uncommitted changes in a work tree are
// not. A plain directory with a PKGBUILD counts as a
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
	"sync/atomic"
	"time"

	"buildbtw/internal/atomicfile"
	"buildbtw/internal/limit"
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
	limits      limit.Limits  // of makepkg, or a test's
	patience    time.Duration // patience, or a test's
	passTime    time.Duration // passTime, or a test's
	links       []string      // directories in which links of sources may end

	looks      looks
	ahead      ahead
	footprints footprints
	shallow    sync.Mutex                  // held while the file of shallow commits is written
	fetching   keyed                       // held, by slug, while a remote is fetched
	seen       sync.Map                    // slug to seenDir
	srcinfos   *lru.Cache[string, Srcinfo] // by commit, so that handing out a build starts no process
	commits    *lru.Cache[string, Commit]  // by id
	recipes    *lru.Cache[string, Recipe]  // by commit, so that a plan is seen again without a process
	behind     *lru.Cache[string, int]     // by two commits: see Behind
	ranges     *lru.Cache[string, Range]   // by FROM..TO
	newest     newestTips

	syncing   sync.Mutex                       // held during a pass and RetainDirs: one at a time; guards the fields below
	scans     map[string]chan any              // by directory: the list of its sources, which is being made
	histories map[string]*history              // by directory: of the repository in whose work tree it lies
	reported  map[string]map[string]sourceRefs // by directory: the refs of its sources after the last pass
	unusable  bool                             // the repository could not be made
	partial   atomic.Bool                      // an earlier process ended before it had all sources in the mirror
	checked   time.Time                        // when it was last looked at as a whole, because git spoke of damage

	asideMu sync.Mutex
	aside   []string // names of damaged files and repositories that were set aside
}

// Open opens the mirror in dir and makes it if there is none. Locks that a
// killed process left are removed. A mirror that is damaged is set aside (SetAside)
// and made anew. One that cannot be made now, on a full disk for example, is made
// by the first pass that can.
func Open(ctx context.Context, dir string) (*Mirror, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open mirror %s: %w", dir, err)
	}
	g, err := newGit(dir, filepath.Join(dir, "buildbtw.gitconfig"))
	if err != nil {
		return nil, err
	}
	g.objects, g.damage = filepath.Join(dir, "objects"), &atomic.Pointer[string]{}
	m := &Mirror{
		git: g, owners: &owners{path: filepath.Join(dir, "buildbtw-owners.json"), of: map[string]string{}},
		findProgram: exec.LookPath, now: time.Now, timeout: makepkgTimeout, patience: patience, passTime: passTime,
		limits:     limit.Limits{Memory: srcinfoMemory, Processes: srcinfoProcesses, Disk: srcinfoDisk},
		looks:      looks{of: map[string]*state{}, places: make(chan struct{}, parallel), slow: make(chan struct{}, maxSlow)},
		footprints: footprints{of: map[string]footprint{}},
		ahead:      ahead{of: map[string]*unmirrored{}, byCommit: map[string]*unmirrored{}, found: map[string]int{}, settled: map[string]bool{}},
		commits:    lru.New[string, Commit](keptCommits),
		ranges:     lru.New[string, Range](keptRanges),
		srcinfos:   lru.NewWeighted[string](maxSrcinfos, func(i Srcinfo) int64 { return int64(len(i.Text)) }),
		recipes:    lru.New[string, Recipe](maxRecipes),
		behind:     lru.New[string, int](keptBehind),
		histories:  map[string]*history{},
		scans:      map[string]chan any{}, reported: map[string]map[string]sourceRefs{},
	}
	m.aside = m.listAside()
	err = m.prepare(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open mirror: %w", context.Cause(ctx))
	}
	m.unusable = err != nil
	return m, nil
}

// prepare creates the repository, or its missing parts, and reads it. Damaged parts are
// set aside.
func (m *Mirror) prepare(ctx context.Context) error {
	err := m.initialize(ctx)
	if m.git.damage.Swap(nil) != nil {
		if err = m.setAside(); err == nil {
			err = m.initialize(ctx)
		}
	}
	return err
}

func (m *Mirror) initialize(ctx context.Context) error {
	dir := m.git.dir
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o755); err != nil {
		return fmt.Errorf("open mirror: %w", err)
	}
	if err := removeLocks(dir); err != nil {
		return fmt.Errorf("remove stale locks of mirror: %w", err)
	}
	for name, text := range map[string]string{"buildbtw.gitconfig": configText, "info/attributes": attributes} {
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == text {
			continue // so that a full disk does not matter
		}
		if err := atomicfile.WriteBytes(path, 0o600, []byte(text)); err != nil {
			return fmt.Errorf("open mirror: %w", err)
		}
	}
	partial := filepath.Join(dir, partialName)
	if exists(filepath.Join(dir, "HEAD")) {
		m.partial.Store(exists(partial))
	} else if err := os.WriteFile(partial, nil, 0o600); err != nil {
		return fmt.Errorf("open mirror: %w", err)
	}
	// Harmless on a repository that is there, and repairs a half-made one.
	if err := m.git.run(ctx, call{args: []string{"init", "--quiet", "--bare", "--template="}}); err != nil {
		return fmt.Errorf("open mirror: %w", err)
	}
	if _, err := m.Tips(ctx); err != nil { // which looks at the commit of each ref
		return fmt.Errorf("open mirror: %w", err)
	}
	return m.readOwners()
}

// partialName is the file that lies in a mirror until it has had all sources once.
const partialName = "buildbtw-partial"

// Partial reports whether an earlier process ended while it filled the mirror, so that
// some sources are missing in it.
func (m *Mirror) Partial() bool { return m.partial.Load() }

// SetWhole records that all sources have been read, once they are in the mirror.
func (m *Mirror) SetWhole() error {
	m.partial.Store(false)
	if m.ahead.isLeft() {
		return nil
	}
	if err := os.Remove(filepath.Join(m.git.dir, partialName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record that the mirror is whole: %w", err)
	}
	return nil
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
