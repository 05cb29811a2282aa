package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	err = t.getText(ctx, &known, `SELECT * FROM workers WHERE name = ?`, w.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = t.execText(ctx, `INSERT INTO workers (name, architectures, runners, labels, version, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			w.Name, w.Architectures, w.Runners, w.Labels, w.Version, t.now, t.now)
		return false, err
	case err != nil:
		return false, err
	case sameWorker(known, w) && t.now.Sub(known.LastSeen) < touchEvery:
		return known.SetAside != "", nil
	}
	_, err = t.execText(ctx, `UPDATE workers SET architectures = ?, runners = ?, labels = ?, version = ?, last_seen = ? WHERE name = ?`,
		w.Architectures, w.Runners, w.Labels, w.Version, t.now, w.Name)
	return known.SetAside != "", err
}

func sameWorker(a, b buildbtw.Worker) bool {
	return slices.Equal(a.Architectures, b.Architectures) && slices.Equal(a.Runners, b.Runners) &&
		slices.Equal(a.Labels, b.Labels) && a.Version == b.Version
}

// Workers lists all workers by name, each with its running builds.
func (q *Reader) Workers(ctx context.Context) ([]WorkerRow, error) {
	var workers []WorkerRow
	err := q.Snapshot(ctx, func(q *Reader) error {
		if err := q.listText(ctx, &workers, `SELECT * FROM workers ORDER BY name`); err != nil {
			return err
		}
		var running []struct {
			Worker string `bun:"worker"`
			BuildRow
		}
		err := q.listText(ctx, &running, `SELECT a.worker, `+buildRowColumns+` FROM attempts AS a
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
		return buildbtw.Invalid("say why worker %s is quarantined", name)
	}
	return s.setAside(ctx, asideChange{actor, name, why, "Set aside: " + why})
}

// ResumeWorker ends a worker's quarantine: it gets builds again.
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
func (q *Reader) WorkerHistory(ctx context.Context, recent int) (WorkerHistory, error) {
	h := WorkerHistory{Leases: []WorkerAttempt{}, Recent: []WorkerAttempt{}}
	recent, err := pageLimit(recent)
	if err != nil {
		return h, err
	}
	err = q.Snapshot(ctx, func(q *Reader) error {
		err := q.listText(ctx, &h.Leases, workerAttempts+` WHERE a.state <> 'finished' ORDER BY a.worker, a.slot, a.id`)
		if err != nil {
			return err
		}
		return q.listText(ctx, &h.Recent, workerAttempts+` WHERE a.id IN (
  SELECT r.id FROM workers AS w JOIN attempts AS r ON r.id IN (
    SELECT id FROM attempts WHERE worker = w.name AND state = 'finished' ORDER BY finished_at DESC LIMIT ?))
ORDER BY a.worker, a.finished_at DESC, a.id DESC`, recent)
	})
	if err != nil {
		return h, fmt.Errorf("list what workers did: %w", err)
	}
	return h, nil
}

const (
	// tooManyFailures is after how many different builds in a row that a
	// machine lost or failed it is set aside.
	tooManyFailures = 3
	// judgedAttempts is how many of its latest attempts are looked at.
	judgedAttempts = 20
)

// judge sets the machine of a lost or broken attempt aside when it has lost or
// broken several builds in a row while another machine, which can do its work,
// finished some. So trouble that all machines have, such as a mirror that is
// down, sets none aside, and the last one is never set aside.
func (t *tx) judge(ctx context.Context, a *buildbtw.Attempt) error {
	if !machinesFault(a.Outcome) {
		return nil
	}
	var w buildbtw.Worker
	err := t.NewSelect().Model(&w).Where("name = ?", a.Worker).Scan(ctx)
	if err != nil || w.SetAside != "" {
		return notFound(err, "there is no worker %q", a.Worker)
	}
	failures, since, err := t.failuresInARow(ctx, w)
	if err != nil || failures < tooManyFailures {
		return err
	}
	peer, err := t.peer(ctx, w, since)
	if err != nil || peer == "" {
		return err
	}
	why := fmt.Sprintf("It lost or broke %d builds in a row, while %s finished others; the latest: %s", failures, peer, words(*a))
	return t.setAside(ctx, asideChange{buildbtw.System, w.Name, why, "Set aside: " + why})
}

func words(a buildbtw.Attempt) string {
	if a.Message != "" {
		return a.Message
	}
	return string(a.Outcome)
}

// machinesFault reports whether an outcome says something against the machine.
func machinesFault(o buildbtw.Outcome) bool {
	return o == buildbtw.OutcomeLost || o == buildbtw.OutcomeInfrastructure
}

// failuresInARow counts the different builds that the worker's latest attempts
// lost or broke, back to one that said something about the package, or to when
// a person trusted the machine. It also says when the first of them began.
func (t *tx) failuresInARow(ctx context.Context, w buildbtw.Worker) (n int, since time.Time, err error) {
	var trusted time.Time
	if w.TrustedAt != nil {
		trusted = *w.TrustedAt
	}
	var latest []buildbtw.Attempt
	err = t.NewSelect().Model(&latest).Where("worker = ? AND state = ? AND finished_at > ?", w.Name, buildbtw.AttemptFinished, trusted).
		Order("finished_at DESC", "id DESC").Limit(judgedAttempts).Scan(ctx)
	builds := map[int64]bool{}
	for _, a := range latest {
		if neutral(a.Outcome) {
			continue
		}
		if !machinesFault(a.Outcome) {
			break
		}
		builds[a.BuildID], since = true, a.StartedAt
	}
	return len(builds), since, err
}

// neutral reports whether an outcome says nothing about the machine.
func neutral(o buildbtw.Outcome) bool {
	return o == buildbtw.OutcomeCancelled || o == buildbtw.OutcomeReleased
}

// peer gives a worker that is there, can do all that another one can, and has
// finished a build since a time; empty when there is none.
func (t *tx) peer(ctx context.Context, w buildbtw.Worker, since time.Time) (string, error) {
	var others []buildbtw.Worker
	err := t.NewSelect().Model(&others).Where("name <> ? AND set_aside = ''", w.Name).
		Where(`last_seen >= ? OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = "worker"."name" AND a.state = 'running')`, t.now.Add(-buildbtw.WorkerPresence)).
		Where(`EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = "worker"."name" AND a.state = 'finished' AND a.finished_at >= ? AND a.outcome IN ('built', 'failed'))`, since).
		Order("name").Scan(ctx)
	for _, other := range others {
		if !slices.ContainsFunc(w.Architectures, func(arch string) bool { return !slices.Contains(other.Architectures, arch) }) {
			return other.Name, err
		}
	}
	return "", err
}
