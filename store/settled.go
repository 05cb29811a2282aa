package store

import (
	"context"
	"fmt"
)

// SettledBuilds lists the builds of a pkgbase that have come to an end, in all
// buildspaces, the newest change first.
func (s *Store) SettledBuilds(ctx context.Context, pkgbase string, limit int) ([]BuildRow, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	rows := []BuildRow{}
	err = s.lists.SelectContext(ctx, &rows, `SELECT `+buildRowColumns+` FROM builds AS b `+buildRowJoins+`
WHERE b.pkgbase = ? AND b.status IN ('built', 'failed', 'skipped') ORDER BY b.changed_at DESC, b.id DESC LIMIT ?`, pkgbase, limit)
	if err != nil {
		return nil, fmt.Errorf("list settled builds of %s: %w", pkgbase, err)
	}
	return rows, nil
}
