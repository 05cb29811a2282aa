package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// WorkerAttempt is an attempt with the build that it was made for.
type WorkerAttempt struct {
	Worker      string                `bun:"worker"`
	Slot        int                   `bun:"slot"`
	Number      int                   `bun:"number"`
	Runner      string                `bun:"runner"`
	State       buildbtw.AttemptState `bun:"state"`
	Outcome     buildbtw.Outcome      `bun:"outcome"`
	StartedAt   time.Time             `bun:"started_at"`
	HeartbeatAt time.Time             `bun:"heartbeat_at"`
	Deadline    time.Time             `bun:"deadline"` // when the lease ends unless a heartbeat comes
	FinishedAt  *time.Time            `bun:"finished_at"`
	BuildID     int64                 `bun:"build_id"`
	Pkgbase     string                `bun:"pkgbase"`
	Buildspace  string                `bun:"buildspace"`
	Iteration   int                   `bun:"iteration"`
}

// WorkerHistory is what the workers do now and did last.
type WorkerHistory struct {
	Leases []WorkerAttempt // that are out, by worker and slot
	Recent []WorkerAttempt // finished ones, at most so many for each worker; by worker, the newest first
}

const workerAttempts = `SELECT a.worker, a.slot, a.number, a.runner, a.state, a.outcome, a.started_at, a.heartbeat_at, a.deadline, a.finished_at,
  a.build_id, b.pkgbase, s.name AS buildspace, i.number AS iteration
FROM attempts AS a JOIN builds AS b ON b.id = a.build_id ` + buildRowJoins

// WorkerHistory lists the leases that are out and the newest finished attempts
// of every worker.
func (s *Store) WorkerHistory(ctx context.Context, recent int) (WorkerHistory, error) {
	h := WorkerHistory{Leases: []WorkerAttempt{}, Recent: []WorkerAttempt{}}
	recent, err := pageLimit(recent)
	if err != nil {
		return h, err
	}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		err := q.SelectContext(ctx, &h.Leases, workerAttempts+` WHERE a.state <> 'finished' ORDER BY a.worker, a.slot, a.id`)
		if err != nil {
			return err
		}
		return q.SelectContext(ctx, &h.Recent, workerAttempts+` WHERE a.id IN (
  SELECT r.id FROM workers AS w JOIN attempts AS r ON r.id IN (
    SELECT id FROM attempts WHERE worker = w.name AND state = 'finished' ORDER BY finished_at DESC LIMIT ?))
ORDER BY a.worker, a.finished_at DESC, a.id DESC`, recent)
	})
	if err != nil {
		return h, fmt.Errorf("list what workers did: %w", err)
	}
	return h, nil
}
