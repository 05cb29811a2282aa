package catalog

import (
	"context"
	"slices"

	"buildbtw"
	"buildbtw/release"
)

// maxExact bounds the overlaps that are computed exactly for one answer: each takes two
// bases in thought, of some 100 ms for a distribution.
const maxExact = 8

// Conflict is what releasing one of two buildspaces takes from the other.
type Conflict struct {
	Overlap
	Exact bool // what follows was computed; else there were more than maxExact before it

	Goes      int      // units of the buildspace that go if it is released first
	Loses     []string // those of them that do not if the other one is
	OtherGoes int
	OtherLose []string // units of the other one that do not go if this one is released first

	Unknown string // why it could not be computed
}

// Rebase reports which of the two needs an iteration on the moved base if the other is
// released first.
func (x Conflict) Rebase() (here, there bool) { return len(x.Loses) > 0, len(x.OtherLose) > 0 }

// Conflicts computes for each overlapping buildspace, the most serious first, what releasing
// one takes from the other: it releases one in thought and computes the other again.
// Nothing is stored.
func (c *Catalog) Conflicts(ctx context.Context, buildspace string) (Overlaps, []Conflict, error) {
	o, err := c.Overlaps(ctx, buildspace)
	if err != nil {
		return o, nil, err
	}
	list := make([]Conflict, len(o.With))
	if len(list) == 0 {
		return o, list, nil
	}
	here, err := c.Release(ctx, buildspace, o.Iteration, "")
	for i, with := range o.With {
		x := &list[i]
		x.Overlap = with
		if err != nil { // for example a server without base repositories
			x.Unknown = buildbtw.MessageOf(err)
			continue
		}
		if i >= maxExact {
			continue
		}
		there, err := c.Release(ctx, with.Buildspace, with.Iteration, "")
		if err != nil {
			x.Unknown = buildbtw.MessageOf(err)
			continue
		}
		if ctx.Err() != nil {
			return o, nil, context.Cause(ctx)
		}
		x.Exact, x.Goes, x.OtherGoes = true, len(here.Goes), len(there.Goes)
		x.Loses, x.OtherLose = here.loses(&there), there.loses(&here)
	}
	if ctx.Err() != nil {
		return o, nil, context.Cause(ctx)
	}
	return o, list, nil
}

// loses returns the units of one release that go now and do not once those of another
// that go have been released.
func (r *Release) loses(other *Release) []string {
	if len(other.Goes) == 0 {
		return nil
	}
	first := slices.DeleteFunc(slices.Clone(other.problem.Units), func(u release.Unit) bool {
		_, goes := slices.BinarySearch(other.Goes, u.Pkgbase)
		return !goes
	})
	still := r.base.After(first).Largest(r.problem).Goes
	return slices.DeleteFunc(slices.Clone(r.Goes), func(pkgbase string) bool {
		_, goes := slices.BinarySearch(still, pkgbase)
		return goes
	})
}
