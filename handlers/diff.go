package handlers

import (
	"context"
	"maps"
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw/store"
	"buildbtw/views"
)

type diffKey struct {
	buildspace string
	from, to   int
}

// cachedDiffs bounds the diffs of iterations, which never change; some kilobytes
// each. A page that is polled would otherwise compare two graphs of 7,000 builds
// every time.
const cachedDiffs = 128

// addDiff compares with the iteration before, if both have builds.
func (a *App) addDiff(ctx context.Context, v *views.Iteration) error {
	if v.Number < 2 || v.Counts.Total() == 0 {
		return nil
	}
	diff, err := a.diff(ctx, v.Buildspace, v.Number-1, v.Number)
	v.Diff = &diff
	return err
}

// diff compares two iterations of a buildspace.
func (a *App) diff(ctx context.Context, buildspace string, from, to int) (views.Diff, error) {
	key := diffKey{buildspace, from, to}
	if diff, ok := a.diffs.Get(key); ok {
		return diff, nil
	}
	d, err := a.Store.Diff(ctx, buildspace, from, to)
	if err != nil {
		return views.Diff{}, err
	}
	diff := diffView(d)
	a.diffs.Put(key, diff)
	return diff, nil
}

// diffPage compares an iteration with the one before, or any two that the query
// names.
func (a *App) diffPage(c *fiber.Ctx) error {
	number, err := iterationNumber(c)
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	row, err := a.Store.Iteration(ctx, name, number)
	if err != nil {
		return err
	}
	v := views.DiffPage{Buildspace: name, Number: number}
	if v.Diff, err = a.diff(ctx, name, c.QueryInt("from", max(1, number-1)), c.QueryInt("to", number)); err != nil {
		return err
	}
	if v.Architectures, err = a.Store.Architectures(ctx, row.ID); err != nil {
		return err
	}
	iterations, err := a.Store.Iterations(ctx, name)
	if err != nil {
		return err
	}
	v.Iterations = a.iterationLines(iterations)
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(name, number, views.Crumb{Label: "Compare"})
	return a.render(c, s, views.DiffContent(v))
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
