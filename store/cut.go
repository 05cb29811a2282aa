package store

import (
	"context"
	"fmt"

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
	const from = ` FROM cuts AS c JOIN builds AS f ON f.id = c.from_build JOIN builds AS t ON t.id = c.to_build
WHERE c.from_build BETWEEN (SELECT min(id) FROM builds WHERE iteration_id = ?1) AND (SELECT max(id) FROM builds WHERE iteration_id = ?1)`
	rows = []CutRow{}
	err = s.lists.SelectContext(ctx, &rows, `SELECT t.architecture, f.pkgbase AS from_name, t.pkgbase AS to_name, c.kinds, c.cycle`+from+`
ORDER BY t.architecture, t.pkgbase, f.pkgbase, c.from_build, c.to_build LIMIT ?2`, iterationID, limit)
	if err == nil && len(rows) == limit {
		err = s.lists.GetContext(ctx, &total, `SELECT count(*)`+from, iterationID)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list cuts of iteration %d: %w", iterationID, err)
	}
	return rows, max(total, len(rows)), nil
}
