package gitmirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"buildbtw/internal/atomicfile"
)

// owners stores, across restarts, from which directory of sources or other owner
// each slug comes: so that a slug that two owners have stays with the first, and
// one that vanishes from its owner can be removed.
//
// A slug is claimed before its first ref is written and released after its last
// is deleted, so a ref without an owner cannot be left behind.
type owners struct {
	path string
	mu   sync.Mutex
	of   map[string]string // slug to directory, or to another owner's name
	lost bool              // the file was missing or damaged: refs may be without an owner
}

// readOwners reads the file. A damaged one is set aside: owners then claim their
// sources again, and RemoveOrphans removes those without an owner.
func (m *Mirror) readOwners() error {
	o := m.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of, o.lost = map[string]string{}, false
	data, err := os.ReadFile(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.lost = true
		return nil
	case err != nil:
		return fmt.Errorf("read where the mirror's sources come from: %w", err)
	case json.Unmarshal(data, &o.of) == nil && o.of != nil:
		return nil
	}
	o.of, o.lost = map[string]string{}, true
	return m.moveAside(o.path)
}

// RemoveOrphans removes sources without an owner after the record of owners was
// lost. It is called when all owners have claimed theirs.
func (m *Mirror) RemoveOrphans(ctx context.Context) (removed []string, err error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	if !m.owners.lost {
		return nil, nil
	}
	refs, err := m.refs(ctx)
	if err != nil {
		return nil, err
	}
	owned := m.owners.ownedBy(func(string) bool { return true })
	orphans := slices.DeleteFunc(slices.Sorted(maps.Keys(refs)), func(slug string) bool { return slices.Contains(owned, slug) })
	if removed, err = m.remove(ctx, orphans, refs); err == nil {
		m.owners.lost = false
	}
	return removed, err
}

// claim makes dir the owner of those slugs that have none, and returns those that
// belong to another owner.
func (o *owners) claim(dir string, slugs []string) (taken []string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := false
	for _, slug := range slugs {
		switch owner, known := o.of[slug]; {
		case !known:
			o.of[slug], changed = dir, true
		case owner != dir:
			taken = append(taken, slug)
		}
	}
	if !changed {
		return taken, nil
	}
	return taken, o.save()
}

func (o *owners) release(slugs []string) error {
	if len(slugs) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, slug := range slugs {
		delete(o.of, slug)
	}
	return o.save()
}

// ownedBy returns the slugs whose owner the function accepts, sorted.
func (o *owners) ownedBy(accept func(dir string) bool) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var slugs []string
	for slug, dir := range maps.All(o.of) {
		if accept(dir) {
			slugs = append(slugs, slug)
		}
	}
	slices.Sort(slugs)
	return slugs
}

// Owners returns the directory of sources, absolute, or the other owner that each
// slug comes from.
func (m *Mirror) Owners() map[string]string {
	m.owners.mu.Lock()
	defer m.owners.mu.Unlock()
	return maps.Clone(m.owners.of)
}

// save is called with the mutex held.
func (o *owners) save() error {
	data, err := json.Marshal(o.of)
	if err == nil {
		err = atomicfile.WriteBytes(o.path, 0o600, data)
	}
	if err != nil {
		return fmt.Errorf("write where the mirror's sources come from: %w", err)
	}
	return nil
}
