package store

import (
	"context"
	"fmt"
	"slices"

	"buildbtw/internal/hints"
)

// Change names what transactions changed, so that whoever shows a part of the
// database need not look again at every commit.
type Change struct {
	Builds      []int64 // ids, each once
	Buildspaces []int64 // ids of those that changed themselves, not only through their builds
	Everything  bool    // something else, or more than maxNamed builds: look at all
}

// maxNamed bounds the builds that a Change names.
const maxNamed = 256

func (c *Change) add(o Change) {
	c.Everything = c.Everything || o.Everything
	c.Builds, c.Buildspaces = addNew(c.Builds, o.Builds), addNew(c.Buildspaces, o.Buildspaces)
	if len(c.Builds)+len(c.Buildspaces) > maxNamed {
		*c = Change{Everything: true}
	}
}

func addNew(list, more []int64) []int64 {
	for _, id := range more[:min(len(more), maxNamed+1)] {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// some reports whether anything changed.
func (c *Change) some() bool { return c.Everything || len(c.Builds)+len(c.Buildspaces) > 0 }

// mergeChanges joins changes for a subscriber that has not taken the older one.
func mergeChanges(older, newer Change) Change {
	older.Builds, older.Buildspaces = slices.Clip(older.Builds), slices.Clip(older.Buildspaces) // other subscribers have them, too
	older.add(newer)
	return older
}

// Watch begins a subscription to what transactions change.
func (s *Store) Watch() *hints.Subscription[Change] { return s.changes.Subscribe() }

// Subscribe is Watch for who looks at everything anyway: a channel that holds a
// token whenever something was committed since the last receive.
func (s *Store) Subscribe() (changed <-chan struct{}, cancel func()) {
	sub := s.Watch()
	return sub.C, sub.Cancel
}

// ChangedBuildspaces returns the names of the buildspaces that a change is
// about, those of its builds among them.
func (q *Reader) ChangedBuildspaces(ctx context.Context, c Change) ([]string, error) {
	var names []string
	err := q.list(ctx, &names, "buildspaces_of_change", args{"buildspaces": idList(c.Buildspaces), "builds": idList(c.Builds)})
	if err != nil {
		return nil, fmt.Errorf("find the buildspaces of a change: %w", err)
	}
	return names, nil
}

// BuildsOfAttempts returns the ids of the builds of attempts, each once.
func (q *Reader) BuildsOfAttempts(ctx context.Context, attempts []int64) ([]int64, error) {
	var builds []int64
	err := q.list(ctx, &builds, "builds_of_attempts", args{"attempts": idList(attempts)})
	if err != nil {
		return nil, fmt.Errorf("find the builds of %d attempts: %w", len(attempts), err)
	}
	return builds, nil
}
