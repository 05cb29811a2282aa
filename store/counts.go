package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// beginCounts writes the number of an iteration's builds by status.
func (t *tx) beginCounts(ctx context.Context, iteration int64) error {
	_, err := t.exec(ctx, `INSERT INTO build_counts (iteration_id, status, builds)
SELECT ?, s.value, (SELECT count(*) FROM builds AS b WHERE b.iteration_id = ? AND b.status = s.value) FROM json_each(?) AS s`,
		iteration, iteration, textList(buildbtw.Statuses()))
	if err != nil {
		return fmt.Errorf("count the builds: %w", err)
	}
	return nil
}

// recountMoved follows a move of builds from one status to another.
func (t *tx) recountMoved(ctx context.Context, from, to buildbtw.Status, ids []int64) error {
	_, err := t.exec(ctx, `UPDATE build_counts AS c SET builds = c.builds + CASE c.status WHEN ? THEN moved.n ELSE -moved.n END
FROM (SELECT b.iteration_id, count(*) AS n FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value GROUP BY b.iteration_id) AS moved
WHERE c.iteration_id = moved.iteration_id AND c.status IN (?, ?)`, to, idList(ids), from, to)
	if err != nil {
		return fmt.Errorf("count the builds anew: %w", err)
	}
	return nil
}

// addCounts adds the numbers of builds by status; a status that no build has is
// left out.
func addCounts(ctx context.Context, q *sqlx.Tx, rows []IterationRow) error {
	ids := make([]int64, len(rows))
	place := map[int64]int{}
	for i := range rows {
		rows[i].Counts = buildbtw.Counts{}
		ids[i], place[rows[i].ID] = rows[i].ID, i
	}
	var counts []struct {
		IterationID int64           `bun:"iteration_id"`
		Status      buildbtw.Status `bun:"status"`
		Builds      int             `bun:"builds"`
	}
	err := q.SelectContext(ctx, &counts, `SELECT c.iteration_id, c.status, c.builds FROM json_each(?) AS k
CROSS JOIN build_counts AS c ON c.iteration_id = k.value WHERE c.builds > 0`, idList(ids))
	for _, c := range counts {
		rows[place[c.IterationID]].Counts[c.Status] = c.Builds
	}
	return err
}
