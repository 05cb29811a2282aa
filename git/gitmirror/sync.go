package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"buildbtw"
)

// Report is the result of a pass over a directory of sources.
type Report struct {
	Found   int              // sources that are there
	Changed []string         // slugs of which a branch or tag is new, moved or gone, sorted
	Removed []string         // slugs whose directory is gone, sorted
	Broken  map[string]error // why a source could not be mirrored, written for people; its refs are as before
}

// parallel is how many sources are fetched at the same time.
const parallel = 3

// SyncDir makes the mirror agree with the directory path: each subdirectory
// that is a git repository (with a working tree or bare) or a plain directory
// with a PKGBUILD is a source, its slug the name of the subdirectory (without
// the ending ".git" of a bare one). Sources that vanished from path are removed
// from the mirror.
//
// A source that cannot be read is in the report and does not stop others, as is
// one whose slug another directory of sources has already. The error means that
// path itself or the mirror failed; nothing is removed then.
func (m *Mirror) SyncDir(ctx context.Context, path string) (Report, error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	path, err := filepath.Abs(path)
	if err != nil {
		return Report{}, fmt.Errorf("sync sources: %w", err)
	}
	found, err := scan(path)
	if err != nil {
		return Report{}, err
	}
	before, err := m.refs(ctx)
	if err != nil {
		return Report{}, err
	}
	p := &pass{mirror: m, before: before, broken: map[string]error{}}
	gone, err := p.claim(path, found)
	if err != nil {
		return Report{}, err
	}
	if err := p.mirrorAll(ctx, found); err != nil {
		return Report{}, err
	}
	removed, err := m.remove(ctx, gone, before)
	if err != nil {
		return Report{}, err
	}
	changed, err := p.finish(ctx, removed)
	return Report{Found: len(found), Changed: changed, Removed: removed, Broken: p.broken}, err
}

// RetainDirs removes the sources that came from any other directory than these,
// and from any other owner of remotes: to be called once at start, as --sources
// may have changed.
func (m *Mirror) RetainDirs(ctx context.Context, paths []string, remotes ...string) (removed []string, err error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	keep := map[string]bool{}
	for _, owner := range remotes {
		keep[owner] = true
	}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("retain sources: %w", err)
		}
		keep[abs] = true
	}
	refs, err := m.refs(ctx)
	if err != nil {
		return nil, err
	}
	return m.remove(ctx, m.owners.ownedBy(func(dir string) bool { return !keep[dir] }), refs)
}

// pass is one run of SyncDir.
type pass struct {
	mirror *Mirror
	before map[string]sourceRefs

	mu     sync.Mutex
	broken map[string]error
	wrote  bool // something was fetched or committed
}

// claim records path as the owner of the found sources, marks as broken those
// that may not be mirrored, and returns the slugs that vanished from path.
func (p *pass) claim(path string, found []candidate) (gone []string, err error) {
	var slugs []string
	there := map[string]bool{}
	for _, c := range found {
		if c.err != nil {
			p.broken[c.slug] = c.err
		}
		if checkSlug(c.slug) == nil {
			slugs = append(slugs, c.slug)
			there[c.slug] = true
		}
	}
	owners := p.mirror.owners
	taken, err := owners.claim(path, slugs)
	if err != nil {
		return nil, err
	}
	for _, slug := range taken {
		p.broken[slug] = buildbtw.Conflict("another of --sources has a source %q already; rename one of them", slug)
	}
	gone = owners.ownedBy(func(dir string) bool { return dir == path })
	return slices.DeleteFunc(gone, func(slug string) bool { return there[slug] }), nil
}

// mirrorAll brings every source that is not broken up to date, a few at a time.
func (p *pass) mirrorAll(ctx context.Context, found []candidate) error {
	sound := slices.DeleteFunc(slices.Clone(found), func(c candidate) bool { return p.broken[c.slug] != nil })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, c := range sound {
		group.Go(func() error {
			wrote, err := p.mirror.mirrorOne(ctx, c, p.before[c.slug])
			if ctx.Err() != nil {
				return fmt.Errorf("sync sources: %w", context.Cause(ctx))
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.wrote = p.wrote || wrote
			if err != nil {
				p.broken[c.slug] = forPeople(c, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// forPeople returns a source's failure without the server's paths.
func forPeople(c candidate, err error) error {
	var said *gitError
	var known *buildbtw.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &said):
		text := strings.NewReplacer(c.gitDir, c.slug, c.dir, c.slug).Replace(said.said)
		return &buildbtw.Error{Kind: buildbtw.KindInvalid, Message: fmt.Sprintf("git cannot read source %s: %s", c.slug, text), Err: err}
	}
	return buildbtw.Invalid("source %s cannot be read: %w", c.slug, plainCause(err))
}

// mirrorOne brings one source up to date and reports whether it had to write.
func (m *Mirror) mirrorOne(ctx context.Context, c candidate, have sourceRefs) (wrote bool, err error) {
	if c.gitDir == "" {
		return m.snapshot(ctx, c, have)
	}
	refs, complete, err := readRefs(c.gitDir)
	if err != nil {
		return false, err
	}
	if complete && maps.Equal(refs, have) && len(refs) > 0 {
		return false, nil
	}
	if err := m.fetch(ctx, c); err != nil {
		return true, err
	}
	if complete && len(refs) == 0 {
		return true, buildbtw.Invalid("source %s has no branch yet; commit something to it", c.slug)
	}
	return true, nil
}

// fetch makes the refs of a source in the mirror equal to those it has.
func (m *Mirror) fetch(ctx context.Context, c candidate) error {
	to := refRoot + c.slug + "/"
	args := []string{"fetch", "--quiet", "--no-tags", "--prune", "--force", "--no-write-fetch-head", "--no-recurse-submodules"}
	if exists(filepath.Join(c.gitDir, "shallow")) {
		// Git would skip the refs of a shallow clone without a word. Where its
		// history ends is kept in one file, which git does not wait for.
		m.shallow.Lock()
		defer m.shallow.Unlock()
		args = append(args, "--update-shallow")
	}
	args = append(args, "--", c.gitDir, "+refs/heads/*:"+to+"heads/*", "+refs/tags/*:"+to+"tags/*")
	return m.git.run(ctx, call{args: args})
}

// remove deletes all refs of the slugs, in one transaction, and their owners. It
// returns those that had refs.
func (m *Mirror) remove(ctx context.Context, slugs []string, refs map[string]sourceRefs) (removed []string, err error) {
	var commands strings.Builder
	for _, slug := range slugs {
		if len(refs[slug]) > 0 {
			removed = append(removed, slug)
		}
		for name := range refs[slug] {
			commands.WriteString("delete " + refRoot + slug + "/" + name + "\n")
		}
	}
	if len(removed) > 0 {
		err := m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands.String())})
		if err != nil {
			return nil, fmt.Errorf("remove %d vanished sources: %w", len(removed), err)
		}
	}
	for _, slug := range slugs {
		m.seen.Delete(slug)
	}
	return removed, m.owners.release(slugs)
}

// finish tidies the mirror and returns the slugs whose refs the pass changed.
func (p *pass) finish(ctx context.Context, removed []string) (changed []string, err error) {
	if !p.wrote {
		return nil, nil
	}
	if err := p.mirror.Tidy(ctx); err != nil {
		return nil, err
	}
	after, err := p.mirror.refs(ctx)
	if err != nil {
		return nil, err
	}
	for _, all := range []map[string]sourceRefs{p.before, after} {
		for slug := range all {
			if !maps.Equal(p.before[slug], after[slug]) && !slices.Contains(removed, slug) {
				changed = append(changed, slug)
			}
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed), nil
}

// Tidy packs refs into one file, and objects when there are many loose ones, so
// that the mirror can be read quickly.
func (m *Mirror) Tidy(ctx context.Context) error {
	for _, args := range [][]string{{"pack-refs", "--all"}, {"gc", "--auto", "--quiet"}} {
		if err := m.git.run(ctx, call{args: args}); err != nil {
			return fmt.Errorf("tidy the mirror: %w", err)
		}
	}
	return nil
}
