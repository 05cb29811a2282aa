package gitmirror

import (
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
}

func readOwners(path string) (*owners, error) {
	o := &owners{path: path, of: map[string]string{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &o.of)
	}
	if err != nil {
		return nil, fmt.Errorf("read where the mirror's sources come from: %w", err)
	}
	return o, nil
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
