package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"buildbtw"
)

const (
	// pushers is how many pushes are looked at at the same time: one repository
	// that hangs must not hold up the others.
	pushers = 4

	// maxPushes bounds how many wait. What comes on top is found by its activity.
	maxPushes = 10_000
)

// pushes are projects that webhooks told of, each once. They may be lost: the
// activity of their projects tells the same later.
type pushes struct {
	mu       sync.Mutex
	waiting  map[int64]buildbtw.Project
	underway map[int64]bool
}

// add tells whether there was room.
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

// take gives one that nobody else looks at.
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

// Pushed takes notice that something was pushed to a project, of which only the
// id and the path need be known. What, is asked for: webhooks come late, twice
// and out of order. NotFound says that the project is in none of the groups.
func (s *Scheduler) Pushed(_ context.Context, p buildbtw.Project) error {
	if s.groupOf(p.Path) == nil {
		return buildbtw.NotFound("project %s is in none of the groups of --sources", p.Path)
	}
	if !s.pushes.add(p) {
		s.group.Wake()
		return nil
	}
	for _, l := range s.push {
		l.Wake()
	}
	return nil
}

func (s *Scheduler) groupOf(path string) Group {
	for _, g := range s.Groups {
		if g.Holds(path) {
			return g
		}
	}
	return nil
}

// pushPass fetches what webhooks told of, one project after the other.
func (s *Scheduler) pushPass(ctx context.Context) error {
	var failures []error
	for ctx.Err() == nil {
		p, ok := s.pushes.take()
		if !ok {
			break
		}
		if err := s.fetchPushed(ctx, p); err != nil {
			failures = append(failures, fmt.Errorf("fetch project %s after a push: %w", p.Path, err))
		}
		s.pushes.done(p.ID)
	}
	return errors.Join(failures...)
}

func (s *Scheduler) fetchPushed(ctx context.Context, told buildbtw.Project) error {
	g := s.groupOf(told.Path)
	p, err := s.Store.Project(ctx, told.ID)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound || err == nil && p.Path != told.Path {
		if err = s.askProject(ctx, g, told.ID); err == nil {
			s.group.Wake() // to remove what stands under the old name
			p, err = s.Store.Project(ctx, told.ID)
		}
	}
	if buildbtw.KindOf(err) == buildbtw.KindConflict && p.ID != 0 {
		return s.removeProject(ctx, p, err)
	}
	if err != nil {
		return err
	}
	changed, err := s.fetch(ctx, g, []buildbtw.MirroredProject{p})
	return errors.Join(err, s.showSources(ctx, g, changed))
}
