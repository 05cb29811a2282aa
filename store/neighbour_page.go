package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

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
func (s *Store) Neighbours(ctx context.Context, f NeighbourFilter) (NeighbourPage, error) {
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
	err = s.view(ctx, func(q *sqlx.Tx) error {
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
		err := q.SelectContext(ctx, &page.Rows, `SELECT `+buildRefColumns+`, e.kinds, e.through`+from+` ORDER BY b.pkgbase, b.stage, b.id LIMIT ?`, append(args, limit+1)...)
		page.Rows, page.Next = cutPage(page.Rows, limit, func(n Neighbour) int64 { return n.ID })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list %s of build %d: %w", f.Side, f.BuildID, err)
	}
	return page, nil
}

func countNeighbours(ctx context.Context, q *sqlx.Tx, counts buildbtw.Counts, from string, buildID int64) error {
	var rows []struct {
		Status buildbtw.Status `bun:"status"`
		N      int             `bun:"n"`
	}
	err := q.SelectContext(ctx, &rows, `SELECT b.status, count(*) AS n`+from+` GROUP BY b.status`, buildID)
	for _, r := range rows {
		counts[r.Status] = r.N
	}
	return err
}

// CutsFrom lists the builds that take the base's package of a build because of
// a cycle.
func (s *Store) CutsFrom(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return s.cuts(ctx, cutsFrom, buildID)
}
