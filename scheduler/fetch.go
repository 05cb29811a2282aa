package scheduler

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/store"
)

const (
	parallelFetches = 8   // at the same time
	fetchBatch      = 200 // between looks at how far it is
	tidyEvery       = 1000
	maxFailures     = 20 // in a row, after which it is the server that is broken and not a project

	// wantedTime bounds how long an iteration that somebody asked for waits for
	// the newest state of its changesets.
	wantedTime = 20 * time.Second
)

// fetchDue fetches every project of a group that is due. It fails when nothing at
// all can be fetched.
func (s *Scheduler) fetchDue(ctx context.Context, g Group) error {
	fetched := 0
	for {
		due, err := s.Store.DueProjects(ctx, g.Name(), fetchBatch)
		if err != nil || len(due) == 0 {
			return errors.Join(err, s.tidy(ctx, fetched))
		}
		changed, err := s.fetch(ctx, g, due)
		if fetched += len(changed); fetched >= tidyEvery {
			err = errors.Join(err, s.tidy(ctx, fetched))
			fetched = 0
		}
		err = errors.Join(err, s.showSources(ctx, g, changed), s.noteFilling(ctx))
		if err != nil {
			return err
		}
		s.logProgress(ctx, g)
	}
}

// tidy keeps the mirror quick to read after changes.
func (s *Scheduler) tidy(ctx context.Context, changes int) error {
	if changes == 0 {
		return nil
	}
	return s.Mirror.Tidy(ctx)
}

func (s *Scheduler) logProgress(ctx context.Context, g Group) {
	if filling := s.Catalog.Filling(); filling != "" {
		s.Log.InfoContext(ctx, "the sources are being fetched for the first time", "group", g.Name(), "done", filling)
	}
}

// fetch fetches projects, several at the same time, and notes how it went with
// each as soon as that is known. It gives the sources that changed. The error
// says that the store failed, or that one after the other could not be fetched.
func (s *Scheduler) fetch(ctx context.Context, g Group, due []buildbtw.MirroredProject) (changed []string, err error) {
	due, err = s.claim(ctx, g, due)
	if err != nil {
		return nil, err
	}
	var outcome outcomes
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelFetches)
	for _, p := range due {
		group.Go(func() error {
			began := s.Now()
			moved, failed := s.fetchOne(ctx, g, p)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errors.Join(s.noteFetch(ctx, p, began, failed), outcome.add(p.Slug, moved, failed))
		})
	}
	err = group.Wait()
	return outcome.changed, err
}

// outcomes counts how fetches went.
type outcomes struct {
	mu       sync.Mutex
	changed  []string
	failures int // in a row, of a sort that may be the server's fault
}

func (o *outcomes) add(slug string, changed bool, failed error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if changed {
		o.changed = append(o.changed, slug)
	}
	switch buildbtw.KindOf(failed) {
	case buildbtw.KindUnavailable, buildbtw.KindInternal:
		if failed != nil {
			o.failures++
			break
		}
		fallthrough
	default:
		o.failures = 0
	}
	if o.failures >= maxFailures {
		return buildbtw.Unavailable("%d projects in a row could not be fetched; the last one: %w", o.failures, failed)
	}
	return nil
}

// fetchOne brings the mirror up to date with a project. When there is no
// repository where it was, it asks what became of the project.
func (s *Scheduler) fetchOne(ctx context.Context, g Group, p buildbtw.MirroredProject) (changed bool, err error) {
	address, err := g.CloneURL(p.Project)
	if err != nil {
		return false, err
	}
	changed, err = s.Mirror.FetchRemote(ctx, s.Access, gitmirror.Remote{Slug: p.Slug, URL: address})
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return changed, err
	}
	asked := s.askProject(ctx, g, p.ID)
	switch buildbtw.KindOf(asked) {
	case buildbtw.KindConflict:
		return false, errors.Join(asked, s.removeProject(ctx, p, asked))
	case buildbtw.KindNotFound:
		s.groups.list(g.Name()) // which decides whether it is believed gone
	}
	return false, err
}

// noteFetch keeps how the fetch of a project went. Of a failure the log tells
// once.
func (s *Scheduler) noteFetch(ctx context.Context, p buildbtw.MirroredProject, began time.Time, failed error) error {
	f := store.Fetched{Project: p.Project, Began: began}
	if failed != nil {
		f.Message = buildbtw.MessageOf(failed)
		if f.Message != p.Message {
			s.Log.WarnContext(ctx, "a source cannot be fetched", "source", p.Slug, "project", p.Path, "error", failed)
		}
	}
	err := s.Store.NoteFetch(ctx, f)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil // removed meanwhile
	}
	return err
}

// claim leaves out projects whose name another of --sources has.
func (s *Scheduler) claim(ctx context.Context, g Group, due []buildbtw.MirroredProject) ([]buildbtw.MirroredProject, error) {
	slugs := make([]string, len(due))
	for i, p := range due {
		slugs[i] = p.Slug
	}
	taken, err := s.Mirror.ClaimRemotes(g.Name(), slugs)
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
		if err := s.noteFetch(ctx, p, s.Now(), failure); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// showSources puts what changed into the catalog, and has iterations made of it.
// While a group is fetched for the first time the catalog waits for all of it.
func (s *Scheduler) showSources(ctx context.Context, g Group, changed []string) error {
	broken, err := s.loadBroken(ctx, g)
	if err != nil || s.Catalog.Filling() != "" {
		return err
	}
	changed = append(changed, broken...)
	if len(changed) == 0 {
		return nil
	}
	if err := s.Catalog.RefreshSome(ctx, changed); err != nil {
		return err
	}
	s.iterate.Wake()
	return nil
}

// loadBroken tells the catalog which projects cannot be mirrored, and gives those
// for which that is new.
func (s *Scheduler) loadBroken(ctx context.Context, g Group) (changed []string, err error) {
	messages, err := s.Store.BrokenProjects(ctx, g.Name())
	if err != nil {
		return nil, err
	}
	broken := make(map[string]error, len(messages))
	for slug, text := range messages {
		broken[slug] = errors.New(text)
	}
	return s.Catalog.SetBroken(g.Name(), broken), nil
}

// fetchWanted fetches the changesets of buildspaces for which somebody wants an
// iteration. What takes too long is used as it is.
func (s *Scheduler) fetchWanted(ctx context.Context, spaces []store.ActiveBuildspace) error {
	if len(s.Groups) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wantedTime, errors.New("the newest state of the changesets took too long"))
	defer cancel()
	var failures []error
	for _, g := range s.Groups {
		projects, err := s.wantedProjects(ctx, g, spaces)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		changed, err := s.fetch(ctx, g, projects)
		failures = append(failures, err, s.showSources(ctx, g, changed))
	}
	return errors.Join(failures...)
}

func (s *Scheduler) wantedProjects(ctx context.Context, g Group, spaces []store.ActiveBuildspace) ([]buildbtw.MirroredProject, error) {
	var projects []buildbtw.MirroredProject
	for _, space := range spaces {
		if !wanted(space) {
			continue
		}
		for _, change := range space.Changesets {
			p, err := s.Store.ProjectOfSource(ctx, change.Source)
			switch {
			case buildbtw.KindOf(err) == buildbtw.KindNotFound:
			case err != nil:
				return nil, err
			case p.Group == g.Name():
				projects = append(projects, p)
			}
		}
	}
	return projects, nil
}
