package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// WorkerRow is a worker with what it does now.
type WorkerRow struct {
	buildbtw.Worker
	Running []BuildRow `bun:"-"`
}

// touchEvery is how exact Worker.LastSeen is. Writing it at every poll would
// make each empty answer a commit.
const touchEvery = 5 * time.Second

// touchWorker notes that the worker is there and says whether it is set aside.
// It wakes nobody: waiting workers would wake each other for ever.
func (t *tx) touchWorker(ctx context.Context, w buildbtw.Worker) (aside bool, err error) {
	var known buildbtw.Worker
	err = t.get(ctx, &known, `SELECT * FROM workers WHERE name = ?`, w.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = t.exec(ctx, `INSERT INTO workers (name, architectures, runners, labels, version, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			w.Name, w.Architectures, w.Runners, w.Labels, w.Version, t.now, t.now)
		return false, err
	case err != nil:
		return false, err
	case sameWorker(known, w) && t.now.Sub(known.LastSeen) < touchEvery:
		return known.SetAside != "", nil
	}
	_, err = t.exec(ctx, `UPDATE workers SET architectures = ?, runners = ?, labels = ?, version = ?, last_seen = ? WHERE name = ?`,
		w.Architectures, w.Runners, w.Labels, w.Version, t.now, w.Name)
	return known.SetAside != "", err
}

func sameWorker(a, b buildbtw.Worker) bool {
	return slices.Equal(a.Architectures, b.Architectures) && slices.Equal(a.Runners, b.Runners) &&
		slices.Equal(a.Labels, b.Labels) && a.Version == b.Version
}

// Workers lists all workers by name, each with its running builds.
func (s *Store) Workers(ctx context.Context) ([]WorkerRow, error) {
	var workers []WorkerRow
	err := s.view(ctx, func(q *sqlx.Tx) error {
		if err := q.SelectContext(ctx, &workers, `SELECT * FROM workers ORDER BY name`); err != nil {
			return err
		}
		var running []struct {
			Worker string `bun:"worker"`
			BuildRow
		}
		err := q.SelectContext(ctx, &running, `SELECT a.worker, `+buildRowColumns+` FROM attempts AS a
JOIN builds AS b ON b.id = a.build_id `+buildRowJoins+`
WHERE a.state <> 'finished' ORDER BY a.worker, a.slot, a.id`)
		for _, r := range running {
			i, found := slices.BinarySearchFunc(workers, r.Worker, func(w WorkerRow, name string) int {
				return strings.Compare(w.Name, name)
			})
			if found {
				workers[i].Running = append(workers[i].Running, r.BuildRow)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return workers, nil
}

// SetWorkerAside gives the worker no more builds until ResumeWorker. What it
// runs goes on.
func (s *Store) SetWorkerAside(ctx context.Context, actor, name, why string) error {
	if why == "" {
		return buildbtw.Invalid("say why worker %s is set aside", name)
	}
	return s.setAside(ctx, asideChange{actor, name, why, "Set aside: " + why})
}

// ResumeWorker gives a worker that was set aside builds again.
func (s *Store) ResumeWorker(ctx context.Context, actor, name string) error {
	return s.setAside(ctx, asideChange{actor, name, "", "Resumed."})
}

type asideChange struct{ actor, worker, why, message string }

func (s *Store) setAside(ctx context.Context, c asideChange) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error { return t.setAside(ctx, c) })
	if err != nil {
		return fmt.Errorf("set worker %s aside: %w", c.worker, err)
	}
	return nil
}

// setAside sets a worker aside, or resumes it when there is no reason why. What
// is so already stays as it is.
func (t *tx) setAside(ctx context.Context, c asideChange) error {
	var w buildbtw.Worker
	err := t.NewSelect().Model(&w).Where("name = ?", c.worker).Scan(ctx)
	if err != nil {
		return notFound(err, "there is no worker %q; it appears when it first asks for work", c.worker)
	}
	if w.SetAside == c.why {
		return nil
	}
	q := t.NewUpdate().Model(&w).Set("set_aside = ?", c.why).WherePK()
	if c.why == "" {
		q = q.Set("trusted_at = ?", t.now)
	}
	if _, err := q.Exec(ctx); err != nil {
		return err
	}
	return t.record(ctx, buildbtw.Event{Actor: c.actor, Kind: buildbtw.EventWorker, Message: c.worker + ": " + c.message})
}
