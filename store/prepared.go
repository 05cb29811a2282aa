package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// prepared are the statements that every running build asks for several times a
// minute or second. Most of their cost is otherwise the reading of SQL.
type prepared struct {
	leased    *sql.Stmt // the attempt of a lease that counts
	heartbeat *sql.Stmt // keeps a lease; a statement is a transaction of its own
}

func (p *prepared) prepare(ctx context.Context, write, read *sql.DB) (err error) {
	p.leased, err = read.PrepareContext(ctx, `SELECT id FROM attempts WHERE lease = ? AND state = 'running' AND NOT stop`)
	if err == nil {
		p.heartbeat, err = write.PrepareContext(ctx, `UPDATE attempts SET heartbeat_at = ?, deadline = ?
WHERE lease = ? AND state = 'running' RETURNING stop`)
	}
	if err != nil {
		return fmt.Errorf("prepare statements: %w", err)
	}
	return nil
}

func (p *prepared) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{p.leased, p.heartbeat} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
