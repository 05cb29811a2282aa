package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

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
func (s *Store) Cuts(ctx context.Context, iterationID int64, limit int) (rows []CutRow, total int, err error) {
	const from = ` FROM cuts AS c JOIN builds AS f ON f.id = c.from_build JOIN builds AS t ON t.id = c.to_build WHERE c.from_build BETWEEN ? AND ?`
	rows = []CutRow{}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		g, err := s.adjacencyOf(ctx, q, iterationID)
		if err != nil {
			return err
		}
		last := g.first + int64(g.size()) - 1
		err = q.SelectContext(ctx, &rows, `SELECT t.architecture, f.pkgbase AS from_name, t.pkgbase AS to_name, c.kinds, c.cycle`+from+`
ORDER BY t.architecture, t.pkgbase, f.pkgbase, c.from_build, c.to_build LIMIT ?`, g.first, last, limit)
		if err != nil || len(rows) < limit {
			return err
		}
		return q.GetContext(ctx, &total, `SELECT count(*)`+from, g.first, last)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list cuts of iteration %d: %w", iterationID, err)
	}
	return rows, max(total, len(rows)), nil
}
