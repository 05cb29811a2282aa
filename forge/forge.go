// Package forge uses GitLab in two ways: the projects of its groups are
// sources, and its pipelines execute builds. Webhooks only start the loops
// earlier: they come late, twice and out of order, so the loops ask GitLab for
// the state.
package forge

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

// Config has the dependencies and settings of a Forge. Without groups and
// pipelines the fields from Client on are not needed.
type Config struct {
	Store   *store.Store
	Mirror  *gitmirror.Mirror
	Catalog *catalog.Catalog
	Log     *slog.Logger
	Now     func() time.Time

	Client *gitlab.Client   // one for everything: when GitLab asks for a pause, that is for everything
	Groups []*gitlab.Group  // none lies in another
	Access gitmirror.Access // to the projects' repositories

	CIConfig string // where every project's pipelines are to be described; empty: left alone

	MaxPipelines  int               // at the same time; 0: builds are left to workers
	RunnerTags    map[string]string // by architecture: the tag of the runners that build for it
	Architectures []string          // that pipelines are made for
}

// Forge mirrors groups and runs pipelines. Its passes are called by one loop each;
// everything else is safe for concurrent use.
type Forge struct {
	Config
	groups []*group
	pushes pushes
	events events
	outage outage

	unknown guard.Items[int64] // pipelines of which nobody knows whether they were made, by row

	prepared bool // the groups have been loaded

	wakeLoop func(name string)
}

// group is a group of projects with its state between two passes, which may be
// lost at any time.
type group struct {
	*gitlab.Group
	tidy   atomic.Bool // nothing is in the mirror that came from the group and is no project of it
	relist atomic.Bool // all projects are to be listed with the next pass
}

// New makes a forge.
func New(c Config) *Forge {
	f := &Forge{Config: c, wakeLoop: func(string) {}}
	for _, g := range c.Groups {
		f.groups = append(f.groups, &group{Group: g})
	}
	return f
}

// OnWork sets the function that starts a pass of a loop: "groups", "push",
// "ci-config", "observe" or "iterate". It must be called first. Without it a
// loop only runs at its period.
func (f *Forge) OnWork(wake func(loop string)) { f.wakeLoop = wake }

// groupOf returns the group in which a project with that path would lie, or nil.
func (f *Forge) groupOf(path string) *group {
	for _, g := range f.groups {
		if g.Holds(path) {
			return g
		}
	}
	return nil
}

// Prepare loads the state of the groups from the database, and deletes there
// those that are no longer configured. It is called before the first pass, and
// when the mirror was made anew: then every project is fetched again. MirrorGroups
// calls it again when it failed.
func (f *Forge) Prepare(ctx context.Context) error {
	if err := f.Store.RetainGroups(ctx, f.GroupNames()); err != nil {
		return err
	}
	if len(f.groups) == 0 {
		return nil
	}
	lost, err := f.Mirror.Empty(ctx)
	if err != nil {
		f.Log.ErrorContext(ctx, "the mirror cannot be read", "error", err)
	}
	for _, g := range f.groups {
		if lost {
			if err := f.Store.RefetchProjects(ctx, g.Name()); err != nil {
				return err
			}
		}
		slugs, err := f.Store.ProjectSlugs(ctx, g.Name())
		if err != nil {
			return err
		}
		// The mirror may have lost the names of its remotes' projects.
		if _, err := f.Mirror.ClaimRemotes(g.Name(), slices.Sorted(maps.Keys(slugs))); err != nil {
			f.Log.ErrorContext(ctx, "the mirror cannot be written", "error", err)
		}
		if _, err := f.loadBroken(ctx, g); err != nil {
			return err
		}
	}
	if err := f.updateFilling(ctx); err != nil {
		return err
	}
	f.prepared = true
	return nil
}

// GroupNames returns the names by which the groups own sources in the mirror.
func (f *Forge) GroupNames() []string {
	names := make([]string, len(f.groups))
	for i, g := range f.groups {
		names[i] = g.Name()
	}
	return names
}

// loadBroken sets in the catalog which projects cannot be mirrored. It returns the
// slugs of those for which that is new.
func (f *Forge) loadBroken(ctx context.Context, g *group) (changed []string, err error) {
	messages, err := f.Store.BrokenProjects(ctx, g.Name())
	if err != nil {
		return nil, err
	}
	broken := make(map[string]error, len(messages))
	for slug, text := range messages {
		broken[slug] = errors.New(text)
	}
	return f.Catalog.SetBroken(g.Name(), broken), nil
}

// ofOneProject reports whether an error concerns one project alone. Any other
// error means that GitLab as a whole cannot be used now, and that it may or may
// not have done the request.
func ofOneProject(err error) bool {
	kind := buildbtw.KindOf(err)
	return kind != buildbtw.KindInternal && kind != buildbtw.KindUnavailable
}
