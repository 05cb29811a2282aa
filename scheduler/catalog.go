package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/directory"
	"buildbtw/pacman/srcinfo"
)

// Catalog holds every source at the base ref, parsed, and the index over them.
// Readers get an immutable snapshot; Refresh publishes the next one.
type Catalog struct {
	mirror        *gitmirror.Mirror
	baseRef       string
	architectures []string
	current       atomic.Pointer[snapshot]
	durations     atomic.Pointer[map[string]float64] // seconds by pkgbase, as learned; nil until then
	complete      atomic.Bool                        // the sources have been read at least once
	filling       atomic.Pointer[string]             // how far the first fetch of a group is; nil when none is under way
	roots         roots                              // how mirroring went

	mu     sync.Mutex                  // serializes Refresh and guards what follows
	parsed map[string]parsed           // by commit
	broken map[string]map[string]error // by directory or group, then slug: what the mirror could not take
}

type parsed struct {
	info *srcinfo.Info
	err  error
}

// snapshot is one state of the catalog.
type snapshot struct {
	index     *buildgraph.Index
	sources   []api.Source                // by slug
	directory func() *directory.Directory // of all names; made by the first who asks
}

func newCatalog(m *gitmirror.Mirror, baseRef string, architectures, prefer []string) *Catalog {
	c := &Catalog{mirror: m, baseRef: baseRef, architectures: architectures, parsed: map[string]parsed{}, broken: map[string]map[string]error{}}
	c.current.Store(&snapshot{index: buildgraph.NewIndex(nil, buildgraph.Options{Prefer: prefer}), directory: directoryOf(nil)})
	return c
}

// setBroken notes which sources of a directory or group the mirror could not
// take, and gives those for which that differs from before.
func (c *Catalog) setBroken(owner string, broken map[string]error) (changed []string) {
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

// Refresh reads the tips of all sources and parses what it has not seen.
func (c *Catalog) Refresh(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tips, err := c.mirror.Tips(ctx)
	if err != nil {
		return fmt.Errorf("read the tips of all sources: %w", err)
	}
	based := atBase(tips, c.baseRef)
	commits := commitsOf(based)
	maps.DeleteFunc(c.parsed, func(commit string, _ parsed) bool { return !commits[commit] })
	if err := c.parse(ctx, commits); err != nil {
		return err
	}
	c.publish(c.states(tips, based, nil), nil)
	if len(tips) > 0 { // the mirror of an earlier run will do
		c.complete.Store(true)
	}
	return nil
}

// maxSome is how many sources are read one by one; of more, all are read.
const maxSome = 300

// RefreshSome reads the tips of some sources only: one push must not cost what
// thousands of sources cost.
func (c *Catalog) RefreshSome(ctx context.Context, slugs []string) error {
	if len(slugs) > maxSome {
		return c.Refresh(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tips, err := c.mirror.TipsOf(ctx, slugs)
	if err != nil {
		return fmt.Errorf("read the tips of %d sources: %w", len(slugs), err)
	}
	based := atBase(tips, c.baseRef)
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

// forget lets go of what was read at the commits that some sources stood at
// before, unless another one still stands there.
func (c *Catalog) forget(before []api.Source, some map[string]bool) {
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

// atBase keeps the tips of the base ref, by slug.
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
		if _, ok := c.parsed[commit]; !ok {
			missing = append(missing, commit)
		}
	}
	slices.Sort(missing)
	files, err := c.mirror.ReadSrcinfos(ctx, missing)
	if err != nil {
		return fmt.Errorf("read the .SRCINFO of %d commits: %w", len(missing), err)
	}
	for _, commit := range missing {
		c.parsed[commit] = parseSrcinfo(files[commit])
	}
	return nil
}

// parseSrcinfo reads what the mirror has of a commit; the error is in words for
// people.
func parseSrcinfo(file gitmirror.Srcinfo) parsed {
	if file.Err != nil {
		return parsed{err: file.Err}
	}
	info, err := srcinfo.Parse(file.Text)
	if err != nil {
		return parsed{err: fmt.Errorf(".SRCINFO: %w", err)}
	}
	return parsed{info: info}
}

// states says what is known of the sources with these tips, by slug; of those
// that are broken too, but only of those that are wanted, unless that is nil.
func (c *Catalog) states(tips []gitmirror.Tip, based map[string]gitmirror.Tip, only map[string]bool) map[string]api.Source {
	now := time.Now()
	states := map[string]api.Source{}
	for _, tip := range tips {
		if _, ok := based[tip.Slug]; !ok {
			states[tip.Slug] = api.Source{Slug: tip.Slug, Ref: c.baseRef, Error: "has no branch " + c.baseRef, Read: now}
		}
	}
	for slug, tip := range based {
		states[slug] = c.state(tip, now)
	}
	for _, broken := range c.broken {
		for slug, err := range broken {
			if only != nil && !only[slug] {
				continue
			}
			state := states[slug]
			state.Slug, state.Ref, state.Read, state.Error = slug, c.baseRef, now, words(err)
			states[slug] = state
		}
	}
	return states
}

// publish makes the next snapshot: of all sources, or of some with the others as
// they are.
func (c *Catalog) publish(states map[string]api.Source, some map[string]bool) {
	before := c.current.Load()
	sources := slices.Collect(maps.Values(states))
	if some != nil {
		for _, s := range before.sources {
			if !some[s.Slug] {
				sources = append(sources, s)
			}
		}
	}
	slices.SortFunc(sources, func(a, b api.Source) int { return strings.Compare(a.Slug, b.Slug) })
	changed, removed := changes(before.sources, sources)
	c.current.Store(&snapshot{
		sources: sources, index: before.index.Update(c.graphSources(changed), removed), directory: directoryOf(c.directorySources(sources)),
	})
}

// changes compares two lists of sources, both by slug: those that are new or
// stand elsewhere, and the slugs of those that are gone.
func changes(before, now []api.Source) (changed []api.Source, removed []string) {
	old := make(map[string]api.Source, len(before))
	for _, s := range before {
		old[s.Slug] = s
	}
	for _, s := range now {
		was, ok := old[s.Slug]
		if !ok || was.Commit != s.Commit || was.Error != s.Error {
			changed = append(changed, s)
		}
		delete(old, s.Slug)
	}
	return changed, slices.Sorted(maps.Keys(old))
}

// state says what is known of the source at a tip.
func (c *Catalog) state(tip gitmirror.Tip, now time.Time) api.Source {
	p := c.parsed[tip.Commit]
	state := api.Source{Slug: tip.Slug, Ref: c.baseRef, Commit: tip.Commit, Read: now}
	if p.err != nil {
		state.Error = words(p.err)
	} else {
		state.Pkgbase, state.Version = p.info.Pkgbase, p.info.Version()
	}
	return state
}

// words is what people may read of a source's trouble: the mirror's and the
// parser's errors are written for them.
func words(err error) string { return err.Error() }

// graphSources gives the index every source: those whose newest state the
// mirror could not take with the state that it has.
func (c *Catalog) graphSources(states []api.Source) []buildgraph.Source {
	sources := make([]buildgraph.Source, 0, len(states))
	for _, s := range states {
		source := buildgraph.Source{Slug: s.Slug, Ref: s.Ref, Commit: s.Commit}
		if p := c.parsed[s.Commit]; p.info != nil {
			source.Info = p.info
		} else {
			source.Err = errors.New(s.Error)
		}
		sources = append(sources, source)
	}
	return sources
}

// usable reports whether all sources have been read at least once.
func (c *Catalog) usable() bool { return c.complete.Load() && c.filling.Load() == nil }

// ready says that nothing can be planned before the sources have been read.
func (c *Catalog) ready() error {
	if filling := c.filling.Load(); filling != nil {
		return buildbtw.Unavailable("the sources are being fetched for the first time: %s", *filling)
	}
	if !c.complete.Load() {
		return buildbtw.Unavailable("the sources are being read for the first time; try again in a moment")
	}
	return nil
}

// Sources lists every source with what is wrong with it, by slug. It is
// Unavailable until the sources have been read for the first time.
func (c *Catalog) Sources(context.Context) ([]api.Source, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	return c.current.Load().sources, nil
}
