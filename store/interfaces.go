package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw/pacman/alpm"
)

// SaveInterfaces keeps what dependents can notice of packages, by the SHA-256
// of their files. What is there already stays: a digest means one file.
func (s *Store) SaveInterfaces(ctx context.Context, bySHA256 map[string]alpm.Interface) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		for sum, i := range bySHA256 {
			text, err := json.Marshal(i)
			if err != nil {
				return err
			}
			_, err = t.exec(ctx, `INSERT INTO interfaces (sha256, interface) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING`, sum, string(text))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the interfaces of %d packages: %w", len(bySHA256), err)
	}
	return nil
}

// interfacesOf gives what dependents can notice of the packages of builds. A
// build is left out when it has none or one of theirs is not known.
func interfacesOf(ctx context.Context, q *sqlx.Tx, builds []int64) (map[int64][]alpm.Interface, error) {
	var rows []struct {
		BuildID   int64   `bun:"build_id"`
		Interface *string `bun:"interface"`
	}
	err := q.SelectContext(ctx, &rows, `SELECT b.id AS build_id, f.interface FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
LEFT JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE b.id IN (SELECT value FROM json_each(?)) ORDER BY p.pkgname`, idList(builds))
	if err != nil {
		return nil, err
	}
	by := map[int64][]alpm.Interface{}
	unknown := map[int64]bool{}
	for _, r := range rows {
		var i alpm.Interface
		if r.Interface == nil {
			unknown[r.BuildID] = true
			continue
		}
		if err := json.Unmarshal([]byte(*r.Interface), &i); err != nil {
			return nil, fmt.Errorf("interface of a package of build %d: %w", r.BuildID, err)
		}
		by[r.BuildID] = append(by[r.BuildID], i)
	}
	for id := range unknown {
		delete(by, id)
	}
	return by, nil
}
