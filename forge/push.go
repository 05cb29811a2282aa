package forge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"buildbtw"
	"buildbtw/internal/guard"
)

// maxPushes bounds the projects that wait. Pushes above it are found by the
// project's activity.
const maxPushes = 10_000

// pushes are projects that webhooks named, each once. They may be lost: the
// activity of their projects shows the same later.
type pushes struct {
	mu       sync.Mutex
	waiting  map[int64]buildbtw.Project
	underway map[int64]bool
}

// add reports whether there was room.
func (w *pushes) add(p buildbtw.Project) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting, w.underway = map[int64]buildbtw.Project{}, map[int64]bool{}
	}
	if len(w.waiting) >= maxPushes {
		return false
	}
	w.waiting[p.ID] = p
	return true
}

// take returns a project that no other loop fetches.
func (w *pushes) take() (buildbtw.Project, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, p := range w.waiting {
		if !w.underway[id] {
			delete(w.waiting, id)
			w.underway[id] = true
			return p, true
		}
	}
	return buildbtw.Project{}, false
}

func (w *pushes) done(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.underway, id)
}

// HandlePush is called for a webhook about a push to a project, of which only the
// id and the path need be known. It returns at once: the project is fetched by a
// loop. NotFound means that the project is in none of the groups.
func (f *Forge) HandlePush(ctx context.Context, p buildbtw.Project) error {
	g := f.groupOf(p.Path)
	if g == nil {
		return buildbtw.NotFound("project %s is in none of the groups of --sources", p.Path)
	}
	if err := f.Store.HookCame(ctx, g.Name()); err != nil {
		return err
	}
	if f.pushes.add(p) {
		f.wakeLoop("push")
	} else {
		f.wakeLoop("groups")
	}
	return nil
}

// FetchPushed fetches the projects that webhooks named, one after the other. It may
// run several times at once.
func (f *Forge) FetchPushed(ctx context.Context) error {
	var failures []error
	for ctx.Err() == nil {
		p, ok := f.pushes.take()
		if !ok {
			break
		}
		if err := guard.Run(func() error { return f.fetchPushed(ctx, p) }); err != nil {
			failures = append(failures, fmt.Errorf("fetch project %s after a push: %w", p.Path, err))
		}
		f.pushes.done(p.ID)
	}
	return errors.Join(failures...)
}

func (f *Forge) fetchPushed(ctx context.Context, named buildbtw.Project) error {
	g := f.groupOf(named.Path)
	p, err := f.Store.Project(ctx, named.ID)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound || err == nil && p.Path != named.Path {
		if err = f.askProject(ctx, g, named.ID); err == nil {
			f.wakeLoop("groups") // to remove the project's old name
			p, err = f.Store.Project(ctx, named.ID)
		}
	}
	if buildbtw.KindOf(err) == buildbtw.KindConflict && p.ID != 0 {
		return f.removeProject(ctx, p, err)
	}
	if err != nil {
		return err
	}
	changed, err := f.fetch(ctx, g, []buildbtw.MirroredProject{p})
	return errors.Join(err, f.refreshCatalog(ctx, g, changed))
}
