package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"buildbtw"
)

const (
	// tooManyFailures is after how many different builds in a row that a
	// machine lost or failed it is set aside.
	tooManyFailures = 3
	// judgedAttempts is how many of its latest attempts are looked at.
	judgedAttempts = 20
	// peerSeen is how long after it last asked another worker counts as there.
	peerSeen = 10 * time.Minute
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
		Where(`last_seen >= ? OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = "worker"."name" AND a.state = 'running')`, t.now.Add(-peerSeen)).
		Where(`EXISTS (SELECT 1 FROM attempts AS a WHERE a.worker = "worker"."name" AND a.state = 'finished' AND a.finished_at >= ? AND a.outcome IN ('built', 'failed'))`, since).
		Order("name").Scan(ctx)
	for _, other := range others {
		if !slices.ContainsFunc(w.Architectures, func(arch string) bool { return !slices.Contains(other.Architectures, arch) }) {
			return other.Name, err
		}
	}
	return "", err
}
