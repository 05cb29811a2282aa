package catalog

import (
	"context"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/release"
	"buildbtw/store"
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

// released is a buildspace's latest iteration with the units that can be released now.
type released struct {
	architectures []string
	base          *release.Base
	units         []release.Unit
	goes          map[string]bool
}

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
	here, err := c.releasable(ctx, buildspace, o.Iteration)
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
		there, err := c.releasable(ctx, with.Buildspace, with.Iteration)
		if err != nil {
			x.Unknown = buildbtw.MessageOf(err)
			continue
		}
		if ctx.Err() != nil {
			return o, nil, context.Cause(ctx)
		}
		x.Exact, x.Goes, x.OtherGoes = true, len(here.goes), len(there.goes)
		x.Loses, x.OtherLose = here.loses(there), there.loses(here)
	}
	if ctx.Err() != nil {
		return o, nil, context.Cause(ctx)
	}
	return o, list, nil
}

// releasable computes what of an iteration can be released now.
func (c *Catalog) releasable(ctx context.Context, buildspace string, number int) (released, error) {
	row, err := c.Store.Iteration(ctx, buildspace, number)
	if err != nil {
		return released{}, err
	}
	return c.releasableRow(ctx, row)
}

func (c *Catalog) releasableRow(ctx context.Context, row store.IterationRow) (r released, err error) {
	if r.architectures, err = c.Store.Architectures(ctx, row.ID); err != nil {
		return r, err
	}
	if len(r.architectures) == 0 {
		return r, buildbtw.Conflict("%s #%d has no builds, so that nothing can be released", row.Buildspace, row.Number)
	}
	if r.base, err = c.releaseBase(r.architectures); err != nil {
		return r, err
	}
	scratch := Release{Iteration: row, Architectures: r.architectures, Versions: map[string]string{}, Pkgnames: map[string][]string{}, IDs: map[string]int64{}}
	if r.units, err = c.units(ctx, &scratch); err != nil {
		return r, err
	}
	r.goes = map[string]bool{}
	for _, pkgbase := range r.base.Largest(release.Problem{Units: r.units}).Goes {
		r.goes[pkgbase] = true
	}
	return r, nil
}

// loses returns the units that go now and do not once those of another buildspace that go
// have been released.
func (r released) loses(other released) []string {
	if len(other.goes) == 0 {
		return nil
	}
	first := slices.DeleteFunc(slices.Clone(other.units), func(u release.Unit) bool { return !other.goes[u.Pkgbase] })
	left := maps.Clone(r.goes)
	for _, pkgbase := range r.base.After(first).Largest(release.Problem{Units: r.units}).Goes {
		delete(left, pkgbase)
	}
	return slices.Sorted(maps.Keys(left))
}
