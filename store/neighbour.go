package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// Neighbour is a build at the other end of an edge.
type Neighbour struct {
	BuildRef
	Kinds   buildbtw.EdgeKinds `bun:"kinds"`
	Through buildbtw.Names     `bun:"through"` // pkgbases outside the set over which the order holds
}

// BuildCut is an edge left out of the order, by the names of its builds.
type BuildCut struct {
	From  BuildRef // its package is taken from the base
	To    BuildRef
	Kinds buildbtw.EdgeKinds
	Cycle buildbtw.Names
}

// ReasonStep is a build with why it is in the set.
type ReasonStep struct {
	BuildRef
	Reason buildbtw.Reason `bun:"reason"`
}

// Dependencies lists what must be built before the build, by pkgbase.
func (q *Reader) Dependencies(ctx context.Context, buildID int64) ([]Neighbour, error) {
	return q.neighbours(ctx, "dependencies", buildID)
}

// Dependents lists what must be built after the build, by pkgbase.
func (q *Reader) Dependents(ctx context.Context, buildID int64) ([]Neighbour, error) {
	return q.neighbours(ctx, "dependents", buildID)
}

func (q *Reader) neighbours(ctx context.Context, side string, buildID int64) ([]Neighbour, error) {
	rows := []Neighbour{}
	err := q.list(ctx, &rows, side, args{"build": buildID, "status": "", "stuck": "[]", "cursor": 0, "limit": -1})
	if err != nil {
		return nil, fmt.Errorf("list %s of build %d: %w", side, buildID, err)
	}
	return rows, nil
}

// BuildCuts lists the dependencies that the base provides to the build because
// of a cycle.
func (q *Reader) BuildCuts(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return q.cuts(ctx, "cuts_to", buildID, func(cut *BuildCut, self, other BuildRef) { cut.From, cut.To = other, self })
}

// CutsFrom lists the builds that take the base's package of a build because of
// a cycle.
func (q *Reader) CutsFrom(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return q.cuts(ctx, "cuts_from", buildID, func(cut *BuildCut, self, other BuildRef) { cut.From, cut.To = self, other })
}

func (q *Reader) cuts(ctx context.Context, name string, buildID int64, ends func(cut *BuildCut, self, other BuildRef)) ([]BuildCut, error) {
	cuts := []BuildCut{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		self, err := q.buildRefs(ctx, []int64{buildID})
		if err != nil {
			return err
		}
		if len(self) == 0 {
			return buildbtw.NotFound("there is no build %d", buildID)
		}
		var rows []struct {
			BuildRef
			Kinds buildbtw.EdgeKinds `bun:"kinds"`
			Cycle buildbtw.Names     `bun:"cycle"`
		}
		err = q.list(ctx, &rows, name, args{"build": buildID})
		for _, r := range rows {
			cut := BuildCut{Kinds: r.Kinds, Cycle: r.Cycle}
			ends(&cut, self[buildID], r.BuildRef)
			cuts = append(cuts, cut)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list cuts of build %d: %w", buildID, err)
	}
	return cuts, nil
}

// maxChain bounds a chain of reasons. The longest chain of the whole Arch
// distribution has fewer than 100 builds.
const maxChain = 1000

// ReasonChain gives the build, the build that made it necessary, and so on to a
// changeset or a build added by hand.
func (q *Reader) ReasonChain(ctx context.Context, buildID int64) ([]ReasonStep, error) {
	chain := []ReasonStep{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		var step ReasonStep
		err := q.get(ctx, &step, "reason_of_build", args{"build": buildID})
		if err != nil {
			return notFound(err, "there is no build %d", buildID)
		}
		seen := map[int64]bool{}
		for !seen[step.ID] && len(chain) < maxChain {
			seen[step.ID] = true
			chain = append(chain, step)
			if step.Reason.Via == "" {
				return nil
			}
			var next []ReasonStep
			err := q.list(ctx, &next, "reason_via", args{"build": step.ID, "pkgbase": step.Reason.Via})
			if err != nil || len(next) == 0 {
				return err
			}
			step = next[0]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("explain build %d: %w", buildID, err)
	}
	return chain, nil
}

// Side is which neighbours of a build are meant.
type Side string

// The sides of a build.
const (
	SideDependencies Side = "dependencies" // what must be built before it
	SideDependents   Side = "dependents"   // what must be built after it
)

// NeighbourFilter selects neighbours of a build.
type NeighbourFilter struct {
	BuildID int64
	Side    Side
	Status  buildbtw.Status // as people read it; empty: all
	Stuck   []int64         // what BlockedBuilds returns for the iteration
	Cursor  string          // where the page before ended
	Limit   int             // 50 when 0, at most 500
}

// NeighbourPage is a part of a build's neighbours, by pkgbase.
type NeighbourPage struct {
	Rows   []Neighbour
	Next   string          // the cursor of the next part, or empty
	Counts buildbtw.Counts // of all neighbours on that side, by status as people read it
}

// Neighbours lists one side of a build in parts: thousands may depend on it.
func (q *Reader) Neighbours(ctx context.Context, f NeighbourFilter) (NeighbourPage, error) {
	page := NeighbourPage{Rows: []Neighbour{}, Counts: buildbtw.Counts{}}
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return page, err
	}
	cursor, err := parseCursor(f.Cursor)
	if err != nil {
		return page, err
	}
	rows, counts := "dependents", "count_dependents"
	if f.Side == SideDependencies {
		rows, counts = "dependencies", "count_dependencies"
	}
	stuck := idList(f.Stuck)
	err = q.Snapshot(ctx, func(q *Reader) error {
		var byStatus []struct {
			Status buildbtw.Status `bun:"shown"`
			N      int             `bun:"n"`
		}
		if err := q.list(ctx, &byStatus, counts, args{"build": f.BuildID, "stuck": stuck}); err != nil {
			return err
		}
		for _, c := range byStatus {
			page.Counts[c.Status] = c.N
		}
		err := q.list(ctx, &page.Rows, rows, args{"build": f.BuildID, "status": f.Status, "stuck": stuck, "cursor": cursor, "limit": limit + 1})
		page.Rows, page.Next = cutPage(page.Rows, limit, func(n Neighbour) int64 { return n.ID })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list %s of build %d: %w", f.Side, f.BuildID, err)
	}
	return page, nil
}

// CutRow is a cut by the names of its builds: To takes From from the base.
type CutRow struct {
	Architecture string             `bun:"architecture"`
	From         string             `bun:"from_name"`
	To           string             `bun:"to_name"`
	Kinds        buildbtw.EdgeKinds `bun:"kinds"`
	Cycle        buildbtw.Names     `bun:"cycle"`
}

// Cuts lists the edges that an iteration's order leaves out, at most limit of
// them, by architecture and name, and counts all.
func (q *Reader) Cuts(ctx context.Context, iterationID int64, limit int) (rows []CutRow, total int, err error) {
	rows = []CutRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		err := q.list(ctx, &rows, "cuts_of_iteration", args{"iteration": iterationID, "limit": limit})
		if err != nil || len(rows) < limit {
			return err
		}
		return q.get(ctx, &total, "count_cuts", args{"iteration": iterationID})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list cuts of iteration %d: %w", iterationID, err)
	}
	return rows, max(total, len(rows)), nil
}
