// Package catalog holds the sources at the base ref, parsed. It plans with
// them, finds packages by name, and creates buildspaces. The pages, the JSON
// API and the background loops all use it.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/directory"
	"buildbtw/internal/lru"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/pacman/srcinfo"
	"buildbtw/release/check"
	"buildbtw/store"
)

// Config has the dependencies and settings of a Catalog. Planning alone needs
// neither Store nor Repos nor Bases.
type Config struct {
	Mirror        *gitmirror.Mirror
	Store         *store.Store
	Repos         *pacmanrepo.Repos
	Bases         baserepo.Bases          // may be empty: then nothing is known of the base
	Generations   *pacmanrepo.Generations // what targets have; nil: there are none
	Targets       []buildbtw.Target       // of the settings
	BaseRef       string                  // the branch at which sources are read
	Architectures []string                // for which plans are made
	Prefer        []string                // slugs of sources, or names of their directories and groups, that win where two define the same package
	IgnoreArch    bool                    // see buildgraph.Options
	ConfirmAbove  int                     // more builds than this are created only when confirmed
	TargetChecks  map[string]check.Policy // by target: in the place of Checks for what is released to it
	Checks        check.Policy            // what findings about built packages mean; nil: all are only shown
	CommitURL     buildbtw.CommitURL
	GitLabURL     string // of the sources from GitLab, where CommitURL is empty; empty: there are none
}

// Catalog holds every source at the base ref, parsed, and the index over them.
// Readers get an immutable snapshot; Refresh publishes the next one.
type Catalog struct {
	Config
	current   atomic.Pointer[snapshot]
	durations atomic.Pointer[map[string]float64] // seconds by pkgbase, as learned; nil until then
	complete  atomic.Bool                        // the sources have been read at least once
	filling   atomic.Pointer[string]             // how far the first fetch of a group is; nil when none is under way

	scansMu sync.Mutex
	scans   map[string]Root                      // by directory: how mirroring it went last
	looks   map[string]map[string]gitmirror.Look // by directory, then slug: sources that take long or are in a pause

	mu       sync.Mutex                  // serializes Refresh and guards the fields below
	parsed   map[string]parsed           // by commit
	broken   map[string]map[string]error // by directory or group, then slug: why the mirror could not read it
	existing existing                    // that the index was made with

	views    targetViews                   // what releases are computed against
	paths    pathDigests                   // of the packages that could be released
	headsOf  *lru.Cache[string, alpm.Head] // what built packages say about themselves, by SHA-256
	checked  checkViews                    // what built packages are compared with
	overlaps *lru.Cache[int64, recent]     // by iteration
}

type parsed struct {
	info   *srcinfo.Info
	keys   []string // see buildgraph.Source
	notes  []string // likewise
	err    error
	unread bool // the mirror could not give the file; it may later
}

// Source is a source at the base ref.
type Source struct {
	Slug    string
	Place   string // the directory or group that it comes from, as people know it
	Ref     string
	Commit  string // empty when it has none at the base ref
	Pkgbase string // empty when its .SRCINFO cannot be read
	Version string
	Error   string   // why it cannot be planned: file, line and reason; empty when it can
	Notes   []string // what of it a build will not have, each in a sentence
	Read    time.Time
}

// snapshot is one state of the catalog.
type snapshot struct {
	revision  uint64 // counts the states, from 1
	index     *buildgraph.Index
	sources   []Source                    // by slug
	directory func() *directory.Directory // of all names; made by the first who asks
}

// New makes a catalog that has not read its sources yet: until the first
// Refresh that finds some it answers Unavailable.
func New(c Config) *Catalog {
	k := &Catalog{Config: c, headsOf: newHeads(), overlaps: lru.New[int64, recent](recentOverlaps), scans: map[string]Root{}, looks: map[string]map[string]gitmirror.Look{}, parsed: map[string]parsed{}, broken: map[string]map[string]error{}}
	k.current.Store(&snapshot{revision: 1, index: buildgraph.NewIndex(nil, k.options(existing{})), directory: k.directoryOf(nil)})
	return k
}

// SetBroken records which sources of a directory or group the mirror could not
// take, and why. It returns the slugs for which that differs from before; they
// are to be refreshed.
func (c *Catalog) SetBroken(owner string, broken map[string]error) (changed []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.broken[owner]
	for slug, err := range broken {
		if was := before[slug]; was == nil || was.Error() != err.Error() {
			changed = append(changed, slug)
		}
	}
	for slug := range before {
		if broken[slug] == nil {
			changed = append(changed, slug)
		}
	}
	c.broken[owner] = broken
	return changed
}

// Refresh reads the tips of all sources and parses the commits that are new. After
// an error the catalog is as before.
func (c *Catalog) Refresh(ctx context.Context) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer asError(&err)
	tips, err := c.Mirror.Tips(ctx)
	if err != nil {
		return fmt.Errorf("read the tips of all sources: %w", err)
	}
	based := atBase(tips, c.BaseRef)
	commits := commitsOf(based)
	maps.DeleteFunc(c.parsed, func(commit string, _ parsed) bool { return !commits[commit] })
	if err := c.parse(ctx, commits); err != nil {
		return err
	}
	c.publish(c.states(tips, based, nil), nil)
	if len(tips) > 0 && !c.Mirror.Partial() { // the mirror of an earlier run will do
		c.complete.Store(true)
	}
	return nil
}

// maxSome is how many sources are read one by one; of more, all are read.
const maxSome = 300

// RefreshSome reads the tips of these sources only, so that a push costs no
// scan of thousands of sources. Above maxSome it refreshes all.
func (c *Catalog) RefreshSome(ctx context.Context, slugs []string) (err error) {
	if len(slugs) > maxSome {
		return c.Refresh(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer asError(&err)
	tips, err := c.Mirror.TipsOf(ctx, slugs)
	if err != nil {
		return fmt.Errorf("read the tips of %d sources: %w", len(slugs), err)
	}
	based := atBase(tips, c.BaseRef)
	if err := c.parse(ctx, commitsOf(based)); err != nil {
		return err
	}
	only := make(map[string]bool, len(slugs))
	for _, slug := range slugs {
		only[slug] = true
	}
	before := c.current.Load().sources
	c.publish(c.states(tips, based, only), only)
	c.forget(before, only)
	return nil
}

// asError makes an error of a panic: what is wrong with sources ends neither a start
// nor a loop.
func asError(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("read the sources: panic: %v\n%s", r, debug.Stack())
	}
}

// forget drops the parsed files of the commits at which these sources were
// before, unless another source is still at that commit.
func (c *Catalog) forget(before []Source, some map[string]bool) {
	gone := map[string]bool{}
	for _, s := range before {
		if some[s.Slug] {
			gone[s.Commit] = true
		}
	}
	for _, s := range c.current.Load().sources {
		delete(gone, s.Commit)
	}
	for commit := range gone {
		delete(c.parsed, commit)
	}
}

// atBase returns the tips of the base ref, by slug.
func atBase(tips []gitmirror.Tip, baseRef string) map[string]gitmirror.Tip {
	based := make(map[string]gitmirror.Tip, len(tips))
	for _, tip := range tips {
		if !tip.Tag && tip.Ref == baseRef {
			based[tip.Slug] = tip
		}
	}
	return based
}

func commitsOf(tips map[string]gitmirror.Tip) map[string]bool {
	commits := make(map[string]bool, len(tips))
	for _, tip := range tips {
		commits[tip.Commit] = true
	}
	return commits
}

// parse reads the .SRCINFO of the commits that are not known yet.
func (c *Catalog) parse(ctx context.Context, commits map[string]bool) error {
	var missing []string
	for commit := range commits {
		if p, ok := c.parsed[commit]; !ok || p.unread {
			missing = append(missing, commit)
		}
	}
	slices.Sort(missing)
	files, err := c.Mirror.ReadSrcinfos(ctx, missing)
	if err != nil {
		return fmt.Errorf("read the .SRCINFO of %d commits: %w", len(missing), err)
	}
	for _, commit := range missing {
		c.parsed[commit] = parseOne(files[commit])
	}
	return nil
}

// parseOne parses a .SRCINFO. One that makes the parser panic is that source's
// trouble.
func parseOne(file gitmirror.Srcinfo) (p parsed) {
	defer func() {
		if r := recover(); r != nil {
			p = parsed{unread: true, err: buildbtw.Invalid("its .SRCINFO makes the server fail, which is a fault of buildbtw: %v", r)}
		}
	}()
	info, err := file.Parse()
	return parsed{info: info, keys: file.Keys, notes: file.Notes, err: err, unread: file.Err != nil}
}

// states returns the sources with these tips, by slug, and the broken ones.
// Unless only is nil, broken sources outside it are left out.
func (c *Catalog) states(tips []gitmirror.Tip, based map[string]gitmirror.Tip, only map[string]bool) map[string]Source {
	now := time.Now()
	states := map[string]Source{}
	for _, tip := range tips {
		if _, ok := based[tip.Slug]; !ok {
			states[tip.Slug] = Source{Slug: tip.Slug, Ref: c.BaseRef, Error: "has no branch " + c.BaseRef, Read: now}
		}
	}
	owners := c.Mirror.Owners()
	for slug, tip := range based {
		states[slug] = c.state(tip, placeOf(owners[slug]), now)
	}
	for _, broken := range c.broken {
		for slug, err := range broken {
			if only != nil && !only[slug] {
				continue
			}
			state := states[slug]
			state.Slug, state.Ref, state.Read, state.Error = slug, c.BaseRef, now, err.Error()
			states[slug] = state
		}
	}
	return states
}

// placeOf is how people know the owner of a source in the mirror: paths of the server
// are not shown, a directory has its own name. A group has its path.
func placeOf(owner string) string {
	if owner == "" {
		return ""
	}
	if u, err := url.Parse(owner); err == nil && u.Scheme != "" { // a group's page
		return strings.Trim(u.Path, "/")
	}
	return filepath.Base(owner)
}

// publish makes the next snapshot: of all sources, or of some with the others as
// they are.
func (c *Catalog) publish(states map[string]Source, some map[string]bool) {
	before := c.current.Load()
	sources := slices.Collect(maps.Values(states))
	if some != nil {
		for _, s := range before.sources {
			if !some[s.Slug] {
				sources = append(sources, s)
			}
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return strings.Compare(a.Slug, b.Slug) })
	changed, removed := changes(before.sources, sources)
	c.current.Store(&snapshot{
		revision: before.revision + 1, sources: sources, index: before.index.Update(c.graphSources(changed), removed), directory: c.directoryOf(sources),
	})
}

// changes compares two lists of sources, both by slug: those that are new or
// stand elsewhere, and the slugs of those that are gone.
func changes(before, now []Source) (changed []Source, removed []string) {
	old := make(map[string]Source, len(before))
	for _, s := range before {
		old[s.Slug] = s
	}
	for _, s := range now {
		was, ok := old[s.Slug]
		if !ok || was.Commit != s.Commit || was.Place != s.Place || was.Error != s.Error {
			changed = append(changed, s)
		}
		delete(old, s.Slug)
	}
	return changed, slices.Sorted(maps.Keys(old))
}

// state returns the source at a tip, with its parse error if there is one.
func (c *Catalog) state(tip gitmirror.Tip, place string, now time.Time) Source {
	p := c.parsed[tip.Commit]
	state := Source{Slug: tip.Slug, Place: place, Ref: c.BaseRef, Commit: tip.Commit, Read: now}
	if p.err != nil {
		state.Error = p.err.Error()
	} else {
		state.Pkgbase, state.Version, state.Notes = p.info.Pkgbase, p.info.Version(), p.notes
	}
	return state
}

// graphSources returns the input of the index. A source whose newest commit the
// mirror could not read is planned at the last commit that it has.
func (c *Catalog) graphSources(states []Source) []buildgraph.Source {
	sources := make([]buildgraph.Source, 0, len(states))
	for _, s := range states {
		source := buildgraph.Source{Slug: s.Slug, Place: s.Place, Ref: s.Ref, Commit: s.Commit}
		if p := c.parsed[s.Commit]; p.info != nil {
			source.Info, source.Keys, source.Notes = p.info, p.keys, p.notes
		} else {
			source.Err = errors.New(s.Error)
		}
		sources = append(sources, source)
	}
	return sources
}

// directoryOf returns the directory of the names that sources make, which is
// not made before somebody searches.
func (c *Catalog) directoryOf(states []Source) func() *directory.Directory {
	sources := make([]directory.Source, 0, len(states))
	for _, s := range states {
		sources = append(sources, directory.Source{Slug: s.Slug, Commit: s.Commit, Info: c.parsed[s.Commit].info})
	}
	return sync.OnceValue(func() *directory.Directory { return directory.New(sources) })
}

// SetFilling sets the progress of the first fetch of a group. Until it is
// called with an empty text, nothing can be planned. It reports whether the
// text changed.
func (c *Catalog) SetFilling(text string) (changed bool) {
	if text == "" {
		return c.filling.Swap(nil) != nil
	}
	before := c.filling.Swap(&text)
	return before == nil || *before != text
}

// Filling returns the progress of the first fetch of a group; empty when none
// is under way.
func (c *Catalog) Filling() string {
	if text := c.filling.Load(); text != nil {
		return *text
	}
	return ""
}

// SetComplete marks all sources as read, even when there are none.
func (c *Catalog) SetComplete() { c.complete.Store(true) }

// Complete reports whether the sources have been read at least once.
func (c *Catalog) Complete() bool { return c.complete.Load() }

// SetDurations sets the expected seconds of builds, by pkgbase. Plans order
// builds by them.
func (c *Catalog) SetDurations(seconds map[string]float64) { c.durations.Store(&seconds) }

// Ready returns Unavailable until the sources have been read for the first time:
// before that nothing can be planned.
func (c *Catalog) Ready() error {
	if filling := c.Filling(); filling != "" {
		return buildbtw.Unavailable("the sources are being fetched for the first time: %s", filling)
	}
	if c.Complete() {
		return nil
	}
	if read, of := c.Mirror.Reading(); of > 0 {
		return buildbtw.Unavailable("the sources are being read for the first time: %s of %s so far", humanize.Comma(int64(read)), humanize.Comma(int64(of)))
	}
	return buildbtw.Unavailable("the sources are being read for the first time; try again in a moment")
}

// Sources returns every source with its error, if any, by slug. It is
// Unavailable until the sources have been read for the first time.
func (c *Catalog) Sources(context.Context) ([]Source, error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	return c.current.Load().sources, nil
}

// Source returns one source, or NotFound.
func (c *Catalog) Source(slug string) (Source, error) {
	if err := c.Ready(); err != nil {
		return Source{}, err
	}
	all := c.current.Load().sources
	i, found := slices.BinarySearchFunc(all, slug, func(s Source, slug string) int { return strings.Compare(s.Slug, slug) })
	if !found {
		return Source{}, buildbtw.NotFound("there is no source %.80q", slug)
	}
	return all[i], nil
}

// Root is a place of sources with how mirroring it went last. Paths of the
// server are not shown to people: a place has the name of its directory.
type Root struct {
	Name    string
	Synced  time.Time     // end of the last scan
	Next    time.Time     // of the next scan, unless somebody asks for one
	Took    time.Duration // of the last scan
	Sources int           // that are there
	Broken  int           // of them could not be mirrored
	Waiting int           // of them have had no turn yet
	Slow    int           // of them take longer than others and are still being read
	Error   string        // why the place could not be read; empty when it could
}

// Scan is how mirroring a directory of sources went.
type Scan struct {
	Dir          string
	Began, Ended time.Time
	Report       gitmirror.Report
	Err          error // why the directory could not be read; Report is empty then
}

// AddScan records the newest scan of a directory. A failed scan leaves the
// counts of the one before, which are then the newest that are known.
func (c *Catalog) AddScan(s Scan) {
	c.scansMu.Lock()
	defer c.scansMu.Unlock()
	root := c.scans[s.Dir]
	root.Name, root.Synced, root.Took, root.Error = filepath.Base(s.Dir), s.Ended, s.Ended.Sub(s.Began), ""
	var path *fs.PathError
	switch {
	case errors.As(s.Err, &path):
		root.Error = path.Op + " " + filepath.Base(path.Path) + ": " + path.Err.Error()
	case s.Err != nil:
		root.Error = s.Err.Error()
	default:
		root.Sources, root.Broken, root.Waiting, root.Slow = s.Report.Found, len(s.Report.Broken), s.Report.Waiting, 0
		for _, look := range s.Report.Looks {
			if !look.Since.IsZero() {
				root.Slow++
			}
		}
		c.looks[s.Dir] = s.Report.Looks
	}
	c.scans[s.Dir] = root
}

// SetNextScan records when the directories are looked at next.
func (c *Catalog) SetNextScan(at time.Time) {
	c.scansMu.Lock()
	defer c.scansMu.Unlock()
	for dir, root := range c.scans {
		root.Next = at
		c.scans[dir] = root
	}
}

// Look returns how the look at a source stands that takes long or failed. It is
// empty for all others.
func (c *Catalog) Look(slug string) gitmirror.Look {
	c.scansMu.Lock()
	defer c.scansMu.Unlock()
	for _, looks := range c.looks {
		if look, ok := looks[slug]; ok {
			return look
		}
	}
	return gitmirror.Look{}
}

// Roots lists the places of sources by name.
func (c *Catalog) Roots() []Root {
	c.scansMu.Lock()
	defer c.scansMu.Unlock()
	return slices.SortedFunc(maps.Values(c.scans), func(a, b Root) int { return strings.Compare(a.Name, b.Name) })
}
