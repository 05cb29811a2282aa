package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw/pacman/alpm"
)

// PreviousResult is what a buildspace had of a pkgbase before the iteration of
// a build.
type PreviousResult struct {
	BuildID    int64            `bun:"id"`
	Iteration  int              `bun:"number"`
	Version    string           `bun:"version"`
	Interfaces []alpm.Interface `bun:"-"` // of its packages; empty when not known
}

// PreviousResult gives the newest earlier result, whatever its commit; nil when
// there is none.
func (s *Store) PreviousResult(ctx context.Context, buildID int64) (*PreviousResult, error) {
	var rows []PreviousResult
	err := s.view(ctx, func(q *sqlx.Tx) error {
		err := q.SelectContext(ctx, &rows, `SELECT p.id, pi.number, p.version FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
JOIN builds AS p ON p.pkgbase = b.pkgbase AND p.architecture = b.architecture AND p.status = 'built' AND p.iteration_id < b.iteration_id
JOIN iterations AS pi ON pi.id = p.iteration_id AND pi.buildspace_id = i.buildspace_id
WHERE b.id = ? ORDER BY p.id DESC LIMIT 1`, buildID)
		if err != nil || len(rows) == 0 {
			return err
		}
		known, err := interfacesOf(ctx, q, []int64{rows[0].BuildID})
		rows[0].Interfaces = known[rows[0].BuildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the result before build %d: %w", buildID, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// Interfaces gives what dependents can notice of a build's packages; empty when
// it has none or one of theirs is not known.
func (s *Store) Interfaces(ctx context.Context, buildID int64) ([]alpm.Interface, error) {
	var list []alpm.Interface
	err := s.view(ctx, func(q *sqlx.Tx) error {
		known, err := interfacesOf(ctx, q, []int64{buildID})
		list = known[buildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the interfaces of build %d: %w", buildID, err)
	}
	return list, nil
}
