package forge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

const (
	parallelFetches = 8   // at the same time
	fetchBatch      = 200 // between looks at how far it is
	tidyEvery       = 1000
	maxFailures     = 20 // in a row, after which it is the server that is broken and not a project

	// changesetsTime bounds how long an iteration that somebody asked for waits for
	// the newest state of its changesets.
	changesetsTime = 20 * time.Second
)

// fetchDue fetches every project of a group that is due. It fails when nothing at
// all can be fetched.
func (f *Forge) fetchDue(ctx context.Context, g *group) error {
	fetched := 0
	for {
		due, err := f.Store.DueProjects(ctx, g.Name(), fetchBatch)
		if len(due) == 0 {
			if fetched > 0 {
				err = errors.Join(err, f.Mirror.Tidy(ctx))
			}
			return err
		}
		changed, err := f.fetch(ctx, g, due)
		if fetched += len(changed); fetched >= tidyEvery {
			err = errors.Join(err, f.Mirror.Tidy(ctx))
			fetched = 0
		}
		err = errors.Join(err, f.refreshCatalog(ctx, g, changed), f.updateFilling(ctx))
		if err != nil {
			return err
		}
		if done := f.Catalog.Filling(); done != "" {
			f.Log.InfoContext(ctx, "the sources are being fetched for the first time", "group", g.Name(), "done", done)
		}
	}
}

// fetch fetches projects, several at the same time, and records how it went with
// each as soon as that is known. It returns the slugs of the sources that changed.
// It fails when the store does, or when one after the other could not be fetched.
func (f *Forge) fetch(ctx context.Context, g *group, due []buildbtw.MirroredProject) (changed []string, err error) {
	due, err = f.withoutNamesakes(ctx, g, due)
	if err != nil {
		return nil, err
	}
	var results fetchResults
	parallel, ctx := errgroup.WithContext(ctx)
	parallel.SetLimit(parallelFetches)
	for _, p := range due {
		parallel.Go(func() error {
			began := f.Now()
			var moved bool
			failed := guard.Run(func() (err error) {
				moved, err = f.fetchOne(ctx, g, p)
				return err
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errors.Join(f.recordFetch(ctx, p, began, failed), results.add(p.Slug, moved, failed))
		})
	}
	err = parallel.Wait()
	return results.changed, err
}

// fetchResults counts how fetches went.
type fetchResults struct {
	mu       sync.Mutex
	changed  []string
	failures int // in a row, of a sort that may be the server's fault
}

func (r *fetchResults) add(slug string, changed bool, failed error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if changed {
		r.changed = append(r.changed, slug)
	}
	if failed == nil || ofOneProject(failed) {
		r.failures = 0
		return nil
	}
	if r.failures++; r.failures >= maxFailures {
		return buildbtw.Unavailable("%d projects in a row could not be fetched; the last one: %w", r.failures, failed)
	}
	return nil
}

// fetchOne fetches a project into the mirror. When its repository is not there
// any more, it asks GitLab whether the project was moved or removed.
func (f *Forge) fetchOne(ctx context.Context, g *group, p buildbtw.MirroredProject) (changed bool, err error) {
	address, err := g.CloneURL(p.Project)
	if err != nil {
		return false, err
	}
	changed, err = f.Mirror.FetchRemote(ctx, f.Access, gitmirror.Remote{Slug: p.Slug, URL: address})
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return changed, err
	}
	asked := f.askProject(ctx, g, p.ID)
	switch buildbtw.KindOf(asked) {
	case buildbtw.KindConflict:
		return false, errors.Join(asked, f.removeProject(ctx, p, asked))
	case buildbtw.KindNotFound:
		g.relist.Store(true) // which decides whether it is believed gone
	}
	return false, err
}

// recordFetch saves how the fetch of a project went. A failure is logged once.
func (f *Forge) recordFetch(ctx context.Context, p buildbtw.MirroredProject, began time.Time, failed error) error {
	fetched := store.Fetched{Project: p.Project, Began: began}
	if failed != nil {
		fetched.Message = buildbtw.MessageOf(failed)
		if fetched.Message != p.Message {
			f.Log.WarnContext(ctx, "a source cannot be fetched", "source", p.Slug, "project", p.Path, "error", failed)
		}
	}
	err := f.Store.NoteFetch(ctx, fetched)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil // removed meanwhile
	}
	return err
}

// withoutNamesakes leaves out projects whose name another of --sources has.
func (f *Forge) withoutNamesakes(ctx context.Context, g *group, due []buildbtw.MirroredProject) ([]buildbtw.MirroredProject, error) {
	slugs := make([]string, len(due))
	for i, p := range due {
		slugs[i] = p.Slug
	}
	taken, err := f.Mirror.ClaimRemotes(g.Name(), slugs)
	if err != nil {
		return nil, err
	}
	free := due[:0]
	for _, p := range due {
		if !slices.Contains(taken, p.Slug) {
			free = append(free, p)
			continue
		}
		failure := buildbtw.Conflict("another of --sources has a source %q already; rename one of them", p.Slug)
		if err := f.recordFetch(ctx, p, f.Now(), failure); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// refreshCatalog puts sources that changed into the catalog, and has iterations
// made of them. While a group is fetched for the first time the catalog waits for
// all of it.
func (f *Forge) refreshCatalog(ctx context.Context, g *group, changed []string) error {
	broken, err := f.loadBroken(ctx, g)
	if err != nil || f.Catalog.Filling() != "" {
		return err
	}
	changed = append(changed, broken...)
	if len(changed) == 0 {
		return nil
	}
	if err := f.Catalog.RefreshSome(ctx, changed); err != nil {
		return err
	}
	f.wakeLoop("iterate")
	return nil
}

// FetchChangesets fetches the projects of changesets before an iteration is
// made of them. Projects that take too long are used as they are in the mirror.
func (f *Forge) FetchChangesets(ctx context.Context, changesets []buildbtw.Changeset) error {
	ctx, cancel := context.WithTimeoutCause(ctx, changesetsTime, errors.New("the newest state of the changesets took too long"))
	defer cancel()
	var failures []error
	for _, g := range f.groups {
		var projects []buildbtw.MirroredProject
		var err error
		for _, change := range changesets {
			var p buildbtw.MirroredProject
			if p, err = f.Store.ProjectOfSource(ctx, change.Source); err == nil && p.Group == g.Name() {
				projects = append(projects, p)
			} else if buildbtw.KindOf(err) == buildbtw.KindNotFound {
				err = nil
			} else if err != nil {
				break
			}
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		changed, err := f.fetch(ctx, g, projects)
		failures = append(failures, err, f.refreshCatalog(ctx, g, changed))
	}
	return errors.Join(failures...)
}
