package browser_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// addHistory puts the buildspace "distribution" with 20 iterations of 3,000 builds
// into the database before the server opens it, and a day of 40 slots, some 10,000
// attempts. Twenty packages broke in the newest iteration, and 30 fail for longer.
func (s *stage) addHistory() error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	file := filepath.Join(data, "buildbtw.sqlite")
	db, err := store.Open(s.ctx, file, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	row, err := db.CreateBuildspace(s.ctx, "alice", buildbtw.Buildspace{Name: "distribution", Settings: buildbtw.DefaultSettings()}, []buildbtw.Changeset{{Source: "lib"}})
	for range 20 {
		if err == nil {
			_, err = db.CreateIteration(s.ctx, store.NewIteration{
				BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationRequested, Plan: storetest.Synthetic(3000, 25000, 1),
			})
		}
	}
	if closed := db.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return makeHistory(s.ctx, file, time.Now().UTC())
}

// makeHistory ends most builds and makes the attempts, in SQL: so many claims and
// finishes would take minutes.
func makeHistory(ctx context.Context, file string, now time.Time) error {
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer raw.Close()
	for _, statement := range []string{
		// The newest iteration has some builds left to do.
		`UPDATE builds SET status = 'built', skip_reason = '', waiting = 0, started_at = datetime(:now, '-3 hours'), finished_at = datetime(:now, '-3 hours', (30 + id * 7919 % 900) || ' seconds')
		WHERE iteration_id < (SELECT max(id) FROM iterations) OR CAST(substr(pkgbase, 4) AS INTEGER) < 2000`,
		`UPDATE builds SET status = 'failed' WHERE status = 'built' AND CAST(substr(pkgbase, 4) AS INTEGER) BETWEEN 1000 AND 1019 AND iteration_id = (SELECT max(id) FROM iterations)`,
		`UPDATE builds SET status = 'failed' WHERE status = 'built' AND CAST(substr(pkgbase, 4) AS INTEGER) BETWEEN 1500 AND 1529`,
		`DELETE FROM build_counts`,
		`INSERT INTO build_counts SELECT iteration_id, status, count(*) FROM builds GROUP BY 1, 2`,
		`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
		INSERT INTO attempts (build_id, number, worker, slot, runner, lease, state, outcome, deadline, started_at, heartbeat_at, finished_at)
		SELECT 1 + i, 1, printf('builder%02d', i % 10), i / 10 % 4, 'fake', 'made-up-' || i, 'finished',
			CASE WHEN i % 97 = 0 THEN 'failed' WHEN i % 331 = 0 THEN 'lost' ELSE 'built' END,
			:now, strftime('%Y-%m-%d %H:%M:%f+00:00', :now, (-86400 + i / 40 * 345) || ' seconds'), :now,
			strftime('%Y-%m-%d %H:%M:%f+00:00', :now, (-86400 + i / 40 * 345 + 20 + i * 7919 % 320) || ' seconds') FROM n`,
		`INSERT INTO workers (name, architectures, runners, first_seen, last_seen)
		SELECT DISTINCT worker, '["x86_64"]', '["fake"]', :now, :now FROM attempts`,
	} {
		if _, err := raw.ExecContext(ctx, statement, sql.Named("now", now.Format("2006-01-02 15:04:05.000000000+00:00"))); err != nil {
			return err
		}
	}
	return nil
}
