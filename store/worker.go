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
	err = t.get(ctx, &known, "worker", args{"name": w.Name})
	statement := "touch_worker"
	switch {
	case errors.Is(err, sql.ErrNoRows):
		statement = "add_worker"
	case err != nil:
		return false, err
	case sameWorker(known, w) && t.now.Sub(known.LastSeen) < touchEvery:
		return known.SetAside != "", nil
	}
	_, err = t.exec(ctx, statement, args{
		"name": w.Name, "architectures": w.Architectures, "runners": w.Runners, "labels": w.Labels, "version": w.Version, "now": t.now,
	})
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
		if err := q.list(ctx, &workers, "workers", nil); err != nil {
			return err
		}
		var running []struct {
			Worker string `bun:"worker"`
			BuildRow
		}
		err := q.list(ctx, &running, "running_builds", nil)
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

// QuarantineWorker gives the worker no more builds until ResumeWorker. What it
// runs goes on.
func (s *Store) QuarantineWorker(ctx context.Context, actor, name, why string) error {
	if why == "" {
		return buildbtw.Invalid("say why worker %s is quarantined", name)
	}
	return s.quarantine(ctx, quarantineChange{actor, name, why, "Set aside: " + why})
}

// ResumeWorker ends a worker's quarantine: it gets builds again.
func (s *Store) ResumeWorker(ctx context.Context, actor, name string) error {
	return s.quarantine(ctx, quarantineChange{actor, name, "", "Resumed."})
}

type quarantineChange struct{ actor, worker, why, message string }

func (s *Store) quarantine(ctx context.Context, c quarantineChange) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error { return t.quarantine(ctx, c) })
	if err != nil {
		return fmt.Errorf("set worker %s aside: %w", c.worker, err)
	}
	return nil
}

// worker loads a worker; NotFound when there is none.
func (t *tx) worker(ctx context.Context, name string) (w buildbtw.Worker, err error) {
	err = t.get(ctx, &w, "worker", args{"name": name})
	return w, notFound(err, "there is no worker %q; it appears when it first asks for work", name)
}

// quarantine sets a worker aside, or resumes it when there is no reason why. What
// is so already stays as it is.
func (t *tx) quarantine(ctx context.Context, c quarantineChange) error {
	w, err := t.worker(ctx, c.worker)
	if err != nil {
		return err
	}
	if w.SetAside == c.why {
		return nil
	}
	columns := []string{"set_aside"}
	w.SetAside = c.why
	if c.why == "" {
		w.TrustedAt = &t.now
		columns = append(columns, "trusted_at")
	}
	if _, err := t.NewUpdate().Model(&w).Column(columns...).WherePK().Exec(ctx); err != nil {
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

// WorkerHistory lists the leases that are out and the newest finished attempts
// of every worker.
func (q *Reader) WorkerHistory(ctx context.Context, recent int) (WorkerHistory, error) {
	h := WorkerHistory{Leases: []WorkerAttempt{}, Recent: []WorkerAttempt{}}
	recent, err := pageLimit(recent)
	if err != nil {
		return h, err
	}
	err = q.Snapshot(ctx, func(q *Reader) error {
		if err := q.list(ctx, &h.Leases, "leases", nil); err != nil {
			return err
		}
		return q.list(ctx, &h.Recent, "recent_attempts", args{"limit": recent})
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
	// recentAttempts is how many of its latest attempts are looked at.
	recentAttempts = 20
)

// checkHealth sets the machine of a lost or broken attempt aside when it has lost or
// broken several builds in a row while another machine, which can do its work,
// finished some. So trouble that all machines have, such as a mirror that is
// down, sets none aside, and the last one is never set aside.
func (t *tx) checkHealth(ctx context.Context, a *buildbtw.Attempt) error {
	if !blamesMachine(a.Outcome) {
		return nil
	}
	w, err := t.worker(ctx, a.Worker)
	if err != nil || w.SetAside != "" {
		return err
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
	return t.quarantine(ctx, quarantineChange{buildbtw.System, w.Name, why, "Set aside: " + why})
}

func words(a buildbtw.Attempt) string {
	if a.Message != "" {
		return a.Message
	}
	return string(a.Outcome)
}

// blamesMachine reports whether an outcome says something against the machine.
func blamesMachine(o buildbtw.Outcome) bool {
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
	err = t.list(ctx, &latest, "latest_of_worker", args{"worker": w.Name, "trusted": trusted, "limit": recentAttempts})
	builds := map[int64]bool{}
	for _, a := range latest {
		if neutral(a.Outcome) {
			continue
		}
		if !blamesMachine(a.Outcome) {
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
	err := t.list(ctx, &others, "peers", args{
		"worker": w.Name, "present_since": t.now.Add(-buildbtw.WorkerPresence), "since": since,
	})
	for _, other := range others {
		if !slices.ContainsFunc(w.Architectures, func(arch string) bool { return !slices.Contains(other.Architectures, arch) }) {
			return other.Name, err
		}
	}
	return "", err
}
