package forge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
)

// listEvery is how often all projects of a group are listed, to find those that
// vanished without a trace in the activity.
const listEvery = 6 * time.Hour

// MirrorGroups brings the mirror up to date with every group. One that fails does
// not stop the others.
func (f *Forge) MirrorGroups(ctx context.Context) error {
	if !f.prepared {
		if err := f.Prepare(ctx); err != nil {
			return err
		}
	}
	var failures []error
	for _, g := range f.groups {
		err := guard.Run(func() error { return f.mirrorGroup(ctx, g) })
		if err == nil {
			continue
		}
		if ctx.Err() == nil { // people see on the page of sources why
			err = errors.Join(err, f.Store.GroupAsked(ctx, g.Name(), buildbtw.MessageOf(err)))
		}
		failures = append(failures, fmt.Errorf("mirror the projects of %s: %w", g.Name(), err))
	}
	return errors.Join(append(failures, f.updateFilling(ctx))...)
}

// mirrorGroup asks for the changes in a group, fetches them, and saves its
// position last: after a crash at any point it asks again.
func (f *Forge) mirrorGroup(ctx context.Context, g *group) error {
	began := f.Now() // activity that GitLab had noted by then is known
	changed, err := f.askGroup(ctx, g)
	if err != nil {
		return err
	}
	if err := f.Store.GroupAsked(ctx, g.Name(), ""); err != nil {
		return err
	}
	if changed {
		f.wakeLoop("ci-config")
	}
	err = f.fetchDue(ctx, g)
	if changed || !g.tidy.Load() {
		err = errors.Join(err, f.removeStrangers(ctx, g))
	}
	if err != nil {
		return err
	}
	g.tidy.Store(true)
	return f.Store.GroupFetched(ctx, g.Name(), began)
}

// askGroup records the projects with new activity in a group; at first, and
// every listEvery, it lists all projects. It reports whether projects were
// added, removed or moved.
func (f *Forge) askGroup(ctx context.Context, g *group) (changed bool, err error) {
	state, err := f.Store.SourceGroup(ctx, g.Name())
	if err != nil {
		return false, err
	}
	now := f.Now()
	// A saved time in the future comes from a wrong clock.
	listed := state.SeenUntil != nil && state.ListedAt != nil && now.Sub(*state.ListedAt) < listEvery &&
		!state.ListedAt.After(now) && !state.SeenUntil.After(now.Add(buildbtw.ActivityDelay))
	if g.relist.Swap(false) || !listed {
		all, err := g.All(ctx)
		if err != nil {
			return false, err
		}
		if _, err := f.Store.NoteProjects(ctx, g.Name(), all); err != nil {
			return false, err
		}
		if err := f.removeMissing(ctx, g, all); err != nil {
			return false, err
		}
		f.Log.InfoContext(ctx, "all projects of a group listed", "group", g.Name(), "projects", len(all))
		return true, f.Store.GroupListed(ctx, g.Name())
	}
	active, err := g.Active(ctx, state.SeenUntil.Add(-buildbtw.ActivityDelay))
	if err != nil {
		return false, err
	}
	n, err := f.Store.NoteProjects(ctx, g.Name(), active)
	return n > 0, err
}

// fewMissing is how many projects may vanish at once and be believed gone.
const fewMissing = 20

// maxAskFailures is how many projects GitLab may fail to answer about in one
// listing.
const maxAskFailures = 3

var errUnseen = errors.New("GitLab does not show it any more")

// removeMissing asks about each project that a listing lacks. When many cannot
// be seen, it is likelier that the token lost rights, and they stay until the
// next listing lacks them too. Of so many only the first are asked about:
// thousands of requests in every pass would exceed GitLab's rate limit.
func (f *Forge) removeMissing(ctx context.Context, g *group, listed []buildbtw.Project) error {
	missing, err := f.Store.MissingProjects(ctx, g.Name(), listed)
	if err != nil {
		return err
	}
	few, failed := max(fewMissing, len(listed)/10), 0
	var unseen []buildbtw.MirroredProject
	for i, p := range missing {
		if len(unseen) > few {
			unseen = append(unseen, missing[i:]...)
			break
		}
		switch err := f.askProject(ctx, g, p.ID); buildbtw.KindOf(err) {
		case buildbtw.KindConflict:
			if err := f.removeProject(ctx, p, err); err != nil {
				return err
			}
		case buildbtw.KindNotFound:
			unseen = append(unseen, p)
		default:
			if err == nil {
				continue
			}
			// It stays. When it is GitLab that fails, and not this one project, no more
			// are asked about.
			if failed++; failed >= maxAskFailures || ctx.Err() != nil {
				return err
			}
			f.Log.WarnContext(ctx, "a project that a listing lacks cannot be asked about", "project", p.Path, "error", err)
		}
	}
	for _, p := range unseen {
		if len(unseen) <= few || p.MissingAt != nil {
			err = f.removeProject(ctx, p, errUnseen)
		} else {
			err = f.Store.ProjectMissing(ctx, p.ID, fmt.Sprintf(
				"GitLab does not show it any more, nor %d others; if the token is right, they are removed when all projects are listed again", len(unseen)-1))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askProject records how a project is now. NotFound means that it cannot be seen,
// Conflict that it is known to be no part of the group any more.
func (f *Forge) askProject(ctx context.Context, g *group, id int64) error {
	p, err := g.Project(ctx, id)
	if err != nil {
		return err
	}
	changed, err := f.Store.NoteProjects(ctx, g.Name(), []buildbtw.Project{p})
	if changed > 0 {
		g.tidy.Store(false)
	}
	return err
}

// removeProject forgets a project. Its source goes with removeStrangers.
func (f *Forge) removeProject(ctx context.Context, p buildbtw.MirroredProject, why error) error {
	f.Log.InfoContext(ctx, "a project is no source any more", "project", p.Path, "why", why)
	for _, g := range f.groups {
		if g.Name() == p.Group {
			g.tidy.Store(false)
		}
	}
	return f.Store.RemoveProject(ctx, p.ID)
}

// removeStrangers removes from the mirror the repositories of the group that
// are no project of it: removed, renamed, or left by a crash.
func (f *Forge) removeStrangers(ctx context.Context, g *group) error {
	slugs, err := f.Store.ProjectSlugs(ctx, g.Name())
	if err != nil {
		return err
	}
	var strangers []string
	for _, slug := range f.Mirror.Remotes(g.Name()) {
		if !slugs[slug] {
			strangers = append(strangers, slug)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	if _, err := f.Mirror.RemoveRemotes(ctx, g.Name(), strangers); err != nil {
		return err
	}
	return f.refreshCatalog(ctx, g, strangers)
}

// updateFilling sets in the catalog how far the first fetch of a group is: until it
// is over nothing can be planned.
func (f *Forge) updateFilling(ctx context.Context) error {
	if len(f.groups) == 0 {
		return nil
	}
	rows, err := f.Store.SourceGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range rows {
		if g.FilledAt != nil {
			continue
		}
		text := fmt.Sprintf("%d of %d projects of %s so far", g.Projects-g.Untried, g.Projects, g.Name)
		switch {
		case g.Message != "":
			text = g.Message
		case g.Projects == 0:
			text = "GitLab is being asked for the projects of " + g.Name
		}
		f.Catalog.SetFilling(text)
		return nil
	}
	if !f.Catalog.SetFilling("") {
		return nil
	}
	err = f.Catalog.Refresh(ctx)
	f.Catalog.SetComplete()
	f.wakeLoop("iterate")
	return err
}
