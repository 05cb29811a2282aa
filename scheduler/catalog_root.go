package scheduler

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw/api"
)

// roots remembers how the last look at each place of sources went.
type roots struct {
	mu sync.Mutex
	by map[string]api.Root
}

// look is one look at a place of sources.
type look struct {
	root    string // as the server was told of it
	began   time.Time
	ended   time.Time
	sources int // that are there; 0 when it could not be looked at
	broken  int // of them could not be mirrored
	err     error
}

// note keeps the newest look. One that failed keeps the numbers of the one
// before, so that it is seen what is still there.
func (r *roots) note(l look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]api.Root{}
	}
	root := r.by[l.root]
	root.Name, root.Synced, root.Seconds, root.Error = filepath.Base(l.root), l.ended, l.ended.Sub(l.began).Seconds(), ""
	if l.err != nil {
		root.Error = withoutPath(l.err)
	} else {
		root.Sources, root.Broken = l.sources, l.broken
	}
	r.by[l.root] = root
}

// withoutPath says what was wrong with a file and not where it lies.
func withoutPath(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + " " + filepath.Base(path.Path) + ": " + path.Err.Error()
	}
	return words(err)
}

// Roots says how mirroring each place of sources went last, by name. Paths of
// the server are not shown to people: a place has the name of its directory.
func (c *Catalog) Roots(context.Context) []api.Root {
	c.roots.mu.Lock()
	defer c.roots.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.roots.by), func(a, b api.Root) int { return strings.Compare(a.Name, b.Name) })
}
