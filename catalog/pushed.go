package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// Pushed is a branch of a source with its newest commit.
type Pushed struct {
	buildbtw.Changeset
	Commit gitmirror.Commit
}

// keptPushed bounds the branches that are kept as the newest ones.
const keptPushed = 50

// pushed are the branches with the newest commits at a state of the catalog.
type pushed struct {
	mu       sync.Mutex // guards what follows
	revision uint64     // of the catalog; 0: not made yet
	list     []Pushed
	times    map[string]time.Time // of the commits that branches stand at
}

// Pushed returns the branches with the newest commits, the newest first, at most limit of
// them. A branch that stands where the source's base ref does is left out. The commits of
// all branches are read once; after a push, only those that are new.
func (c *Catalog) Pushed(ctx context.Context, limit int) ([]Pushed, error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	c.pushed.mu.Lock()
	defer c.pushed.mu.Unlock()
	if revision := c.Revision(); c.pushed.revision != revision {
		if err := c.readPushed(ctx); err != nil {
			return nil, err
		}
		c.pushed.revision = revision
	}
	return c.pushed.list[:min(len(c.pushed.list), limit)], nil
}

func (c *Catalog) readPushed(ctx context.Context) error {
	tips, err := c.Mirror.Tips(ctx)
	if err != nil {
		return err
	}
	times, err := c.commitTimes(ctx, tips)
	if err != nil {
		return err
	}
	based := atBase(tips, c.BaseRef)
	tips = slices.DeleteFunc(tips, func(t gitmirror.Tip) bool {
		_, known := times[t.Commit]
		return t.Tag || !known || t.Ref != c.BaseRef && based[t.Slug].Commit == t.Commit
	})
	slices.SortFunc(tips, func(a, b gitmirror.Tip) int {
		return cmp.Or(times[b.Commit].Compare(times[a.Commit]), strings.Compare(a.Slug, b.Slug), strings.Compare(a.Ref, b.Ref))
	})
	tips = tips[:min(len(tips), keptPushed)]
	ids := make([]string, len(tips))
	for i, t := range tips {
		ids[i] = t.Commit
	}
	commits, err := c.Mirror.Commits(ctx, ids)
	if err != nil {
		return err
	}
	c.pushed.list, c.pushed.times = nil, times
	for _, t := range tips {
		change := buildbtw.Changeset{Source: t.Slug, Ref: t.Ref}
		if t.Ref == c.BaseRef {
			change.Ref = ""
		}
		c.pushed.list = append(c.pushed.list, Pushed{Changeset: change, Commit: commits[t.Commit]})
	}
	return nil
}

// commitTimes returns the times of the commits at the tips, by id. A commit that the mirror
// cannot read is left out.
func (c *Catalog) commitTimes(ctx context.Context, tips []gitmirror.Tip) (map[string]time.Time, error) {
	times := make(map[string]time.Time, len(tips))
	var unknown []string
	for _, t := range tips {
		if when, known := c.pushed.times[t.Commit]; known {
			times[t.Commit] = when
		} else if !t.Tag {
			unknown = append(unknown, t.Commit)
		}
	}
	commits, err := c.Mirror.Commits(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for id, commit := range commits {
		times[id] = commit.Time
	}
	return times, nil
}
