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
	return q.neighbours(ctx, `FROM edges AS e JOIN builds AS b ON b.id = e.from_build WHERE e.to_build = ?`, buildID)
}

// Dependents lists what must be built after the build, by pkgbase.
func (q *Reader) Dependents(ctx context.Context, buildID int64) ([]Neighbour, error) {
	return q.neighbours(ctx, `FROM edges AS e JOIN builds AS b ON b.id = e.to_build WHERE e.from_build = ?`, buildID)
}

func (q *Reader) neighbours(ctx context.Context, from string, buildID int64) ([]Neighbour, error) {
	rows := []Neighbour{}
	err := q.listText(ctx, &rows, `SELECT `+buildRefColumns+`, e.kinds, e.through `+from+` ORDER BY b.pkgbase, b.stage`, buildID)
	if err != nil {
		return nil, fmt.Errorf("list neighbours of build %d: %w", buildID, err)
	}
	return rows, nil
}

// BuildCuts lists the dependencies that the base provides to the build because
// of a cycle.
func (q *Reader) BuildCuts(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return q.cuts(ctx, cutsTo, buildID)
}

// The cuts at either end of a build; b is the build at the other.
const (
	cutsTo   = `JOIN builds AS b ON b.id = c.from_build WHERE c.to_build = ?`
	cutsFrom = `JOIN builds AS b ON b.id = c.to_build WHERE c.from_build = ?`
)

func (q *Reader) cuts(ctx context.Context, others string, buildID int64) ([]BuildCut, error) {
	cuts := []BuildCut{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		var self BuildRef
		err := q.getText(ctx, &self, `SELECT `+buildRefColumns+` FROM builds AS b WHERE b.id = ?`, buildID)
		if err != nil {
			return notFound(err, "there is no build %d", buildID)
		}
		var rows []struct {
			BuildRef
			Kinds buildbtw.EdgeKinds `bun:"kinds"`
			Cycle buildbtw.Names     `bun:"cycle"`
		}
		err = q.listText(ctx, &rows, `SELECT `+buildRefColumns+`, c.kinds, c.cycle FROM cuts AS c `+others+` ORDER BY b.pkgbase, b.stage`, buildID)
		for _, r := range rows {
			cut := BuildCut{From: r.BuildRef, To: self, Kinds: r.Kinds, Cycle: r.Cycle}
			if others == cutsFrom {
				cut.From, cut.To = cut.To, cut.From
			}
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
		const columns = `SELECT ` + buildRefColumns + `, b.reason FROM builds AS b `
		var step ReasonStep
		err := q.getText(ctx, &step, columns+`WHERE b.id = ?`, buildID)
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
			err := q.listText(ctx, &next, columns+`JOIN builds AS self ON self.id = ?
WHERE b.iteration_id = self.iteration_id AND b.architecture = self.architecture AND b.pkgbase = ? ORDER BY b.stage LIMIT 1`, step.ID, step.Reason.Via)
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
	Status  buildbtw.Status // empty: all
	Cursor  string          // where the page before ended
	Limit   int             // 50 when 0, at most 500
}

// NeighbourPage is a part of a build's neighbours, by pkgbase.
type NeighbourPage struct {
	Rows   []Neighbour
	Next   string          // the cursor of the next part, or empty
	Counts buildbtw.Counts // of all neighbours on that side, by status
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
	from := ` FROM edges AS e JOIN builds AS b ON b.id = e.to_build WHERE e.from_build = ?`
	if f.Side == SideDependencies {
		from = ` FROM edges AS e JOIN builds AS b ON b.id = e.from_build WHERE e.to_build = ?`
	}
	err = q.Snapshot(ctx, func(q *Reader) error {
		if err := countNeighbours(ctx, q, page.Counts, from, f.BuildID); err != nil {
			return err
		}
		args := []any{f.BuildID}
		if f.Status != "" {
			from += ` AND b.status = ?`
			args = append(args, f.Status)
		}
		if cursor != 0 {
			from += ` AND (b.pkgbase, b.stage, b.id) > (SELECT pkgbase, stage, id FROM builds WHERE id = ?)`
			args = append(args, cursor)
		}
		err := q.listText(ctx, &page.Rows, `SELECT `+buildRefColumns+`, e.kinds, e.through`+from+` ORDER BY b.pkgbase, b.stage, b.id LIMIT ?`, append(args, limit+1)...)
		page.Rows, page.Next = cutPage(page.Rows, limit, func(n Neighbour) int64 { return n.ID })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list %s of build %d: %w", f.Side, f.BuildID, err)
	}
	return page, nil
}

func countNeighbours(ctx context.Context, q *Reader, counts buildbtw.Counts, from string, buildID int64) error {
	var rows []struct {
		Status buildbtw.Status `bun:"status"`
		N      int             `bun:"n"`
	}
	err := q.listText(ctx, &rows, `SELECT b.status, count(*) AS n`+from+` GROUP BY b.status`, buildID)
	for _, r := range rows {
		counts[r.Status] = r.N
	}
	return err
}

// CutsFrom lists the builds that take the base's package of a build because of
// a cycle.
func (q *Reader) CutsFrom(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return q.cuts(ctx, cutsFrom, buildID)
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
	const from = ` FROM cuts AS c JOIN builds AS f ON f.id = c.from_build JOIN builds AS t ON t.id = c.to_build WHERE c.from_build BETWEEN ? AND ?`
	rows = []CutRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		g, err := q.adjacencyOf(ctx, iterationID)
		if err != nil {
			return err
		}
		last := g.first + int64(g.size()) - 1
		err = q.listText(ctx, &rows, `SELECT t.architecture, f.pkgbase AS from_name, t.pkgbase AS to_name, c.kinds, c.cycle`+from+`
ORDER BY t.architecture, t.pkgbase, f.pkgbase, c.from_build, c.to_build LIMIT ?`, g.first, last, limit)
		if err != nil || len(rows) < limit {
			return err
		}
		return q.getText(ctx, &total, `SELECT count(*)`+from, g.first, last)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list cuts of iteration %d: %w", iterationID, err)
	}
	return rows, max(total, len(rows)), nil
}
