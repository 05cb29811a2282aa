package handlers

import (
	"context"
	"maps"
	"slices"
	"sync"

	"buildbtw/store"
	"buildbtw/views"
)

// diffCache keeps diffs of iterations, which never change. A page that is
// polled would otherwise compare two graphs of 7,000 builds every time.
type diffCache struct {
	mu    sync.Mutex
	diffs map[diffKey]views.Diff
}

type diffKey struct {
	buildspace string
	from, to   int
}

const cachedDiffs = 128 // some kilobytes each

func (d *diffCache) get(key diffKey) (views.Diff, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	diff, ok := d.diffs[key]
	return diff, ok
}

// put keeps a diff, and forgets any one of the others when there are too many.
func (d *diffCache) put(key diffKey, diff views.Diff) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.diffs == nil {
		d.diffs = map[diffKey]views.Diff{}
	}
	if len(d.diffs) >= cachedDiffs {
		for old := range d.diffs {
			delete(d.diffs, old)
			break
		}
	}
	d.diffs[key] = diff
}

// addDiff compares with the iteration before, if both have builds.
func (a *App) addDiff(ctx context.Context, v *views.Iteration) error {
	if v.Number < 2 || v.Counts.Total() == 0 {
		return nil
	}
	key := diffKey{v.Buildspace, v.Number - 1, v.Number}
	diff, ok := a.diffs.get(key)
	if !ok {
		d, err := a.Store.Diff(ctx, v.Buildspace, key.from, key.to)
		if err != nil {
			return err
		}
		diff = diffView(d)
		a.diffs.put(key, diff)
	}
	v.Diff = &diff
	return nil
}

func diffView(d store.Diff) views.Diff {
	v := views.Diff{From: d.From, To: d.To}
	for _, arch := range slices.Sorted(maps.Keys(d.Architectures)) {
		a := d.Architectures[arch]
		one := views.DiffArch{
			Architecture: arch, Added: a.Added, Removed: a.Removed,
			EdgesAdded: len(a.EdgesAdded), EdgesRemoved: len(a.EdgesRemoved),
		}
		for _, c := range a.Changed {
			one.Changed = append(one.Changed, views.DiffChange(c))
		}
		v.Architectures = append(v.Architectures, one)
	}
	return v
}
