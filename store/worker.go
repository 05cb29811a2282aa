package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
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

// touchWorker notes that the worker is there and returns what was known of its
// name before: Conflict when another machine goes by it. It wakes nobody: waiting
// workers would wake each other for ever.
func (t *tx) touchWorker(ctx context.Context, c Claim) (known buildbtw.Worker, err error) {
	statement := "touch_worker"
	err = t.get(ctx, &known, "worker", args{"name": c.Worker.Name})
	if errors.Is(err, sql.ErrNoRows) {
		known, statement, err = buildbtw.Worker{}, "add_worker", nil // a read without a row leaves times of zero
	} else if err == nil {
		err = t.checkName(ctx, known, c)
	}
	if err != nil {
		return known, err
	}
	w := c.Worker
	w.SecretHash, w.Instance, w.Address, w.ConnectedAt = hashSecret(c.Secret), c.Instance, c.Address, known.ConnectedAt
	if w.SecretHash != known.SecretHash || w.Instance != known.Instance || w.ConnectedAt == nil {
		w.ConnectedAt = &t.now
	}
	if sameWorker(known, w) && t.now.Sub(known.LastSeen) < touchEvery {
		return known, nil
	}
	_, err = t.exec(ctx, statement, args{
		"name": w.Name, "architectures": w.Architectures, "runners": w.Runners, "labels": w.Labels, "version": w.Version,
		"secret_hash": w.SecretHash, "instance": w.Instance, "address": w.Address, "connected_at": w.ConnectedAt, "now": t.now,
	})
	return known, err
}

// NoteMachine keeps what a worker, or the one that has a lease, reports of its machine;
// nil is nothing. It is as exact as touchWorker, wakes nobody and is no event.
func (s *Store) NoteMachine(ctx context.Context, worker, lease string, m *buildbtw.MachineState) error {
	if m == nil {
		return nil
	}
	now := s.now()
	_, err := queries{statements: s.writing}.exec(ctx, "note_machine", args{
		"worker": worker, "lease": lease, "now": now, "before": now.Add(-touchEvery), "load": m.Load, "cores": m.Cores,
		"memory_total": m.MemoryTotal, "memory_free": m.MemoryFree, "disk_total": m.DiskTotal, "disk_free": m.DiskFree,
	})
	if err != nil {
		return fmt.Errorf("note the machine of a worker: %w", err)
	}
	return nil
}

func sameWorker(a, b buildbtw.Worker) bool {
	return slices.Equal(a.Architectures, b.Architectures) && slices.Equal(a.Runners, b.Runners) &&
		slices.Equal(a.Labels, b.Labels) && a.Version == b.Version &&
		a.SecretHash == b.SecretHash && a.Instance == b.Instance && a.Address == b.Address
}

// FreeWorkerName has a worker's name bound by the next secret that is shown: that of before is
// lost with its work directory, as after a restore. What the worker had goes on with who claims
// under the name with the same token. It changes nothing for a name of another machine than the server's.
func (s *Store) FreeWorkerName(ctx context.Context, name string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "free_worker_name", args{"name": name, "addresses": textList([]string{"", "unix", "127.0.0.1", "::1"})})
		return err
	})
	if err != nil {
		return fmt.Errorf("free the name of worker %s: %w", name, err)
	}
	return nil
}

// hashSecret returns what is kept of a worker's secret: empty when there is none.
// One hash is enough, for the secret is random and long.
func hashSecret(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// checkName returns a Conflict when a claim comes under the name of another
// machine. The name is bound by the first secret that is shown. It is free for
// another secret when its worker is gone, with all its leases. The same secret
// from elsewhere is a machine that was moved or started anew, or a copy of its disk:
// a machine that builds is heard of twice in half a lease, so after silence as long
// as that its place may be taken.
func (t *tx) checkName(ctx context.Context, known buildbtw.Worker, c Claim) error {
	same := subtle.ConstantTimeCompare([]byte(hashSecret(c.Secret)), []byte(known.SecretHash)) == 1
	if known.SecretHash == "" || same && c.Instance == known.Instance {
		return nil
	}
	var heartbeats []time.Time
	if err := t.list(ctx, &heartbeats, "heartbeats_of_worker", args{"worker": known.Name}); err != nil {
		return err
	}
	seen := known.LastSeen
	if len(heartbeats) > 0 && heartbeats[0].After(seen) {
		seen = heartbeats[0]
	}
	from := known.Address
	if from == "" || from == "unix" {
		from = "the server's machine"
	}
	who := fmt.Sprintf("worker %s is connected from %s since %s", known.Name, from, known.ConnectedAt.UTC().Format(time.DateTime+" MST"))
	switch {
	case same && t.now.Sub(seen) <= c.Lease/2:
		return buildbtw.Conflict("%s, and this one has its secret: it runs on a copy of its work directory. Give this one a name and a work directory of its own with --name and --work-dir, or stop the other one", who)
	case same:
		return nil
	case c.Secret == "":
		return buildbtw.Conflict("%s, and proves it by a secret, which this program is too old to have; update it, and give it another name with --name", who)
	case t.now.Sub(seen) < buildbtw.WorkerPresence || len(heartbeats) > 0:
		return buildbtw.Conflict("%s; give this one another name with --name, or stop the other one: %.0f minutes later the name is free", who, buildbtw.WorkerPresence.Minutes())
	}
	return nil
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
	return s.quarantine(ctx, quarantineChange{actor, name, why})
}

type quarantineChange struct{ actor, worker, why string }

func (s *Store) quarantine(ctx context.Context, c quarantineChange) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error { return t.quarantine(ctx, c) })
	if err != nil {
		return fmt.Errorf("set worker %s aside: %w", c.worker, err)
	}
	return nil
}

// DrainWorker gives the worker no new builds until ResumeWorker. What it runs goes
// on to its end.
func (s *Store) DrainWorker(ctx context.Context, actor, name string) error {
	return s.changeWorker(ctx, workerChange{"drain_worker", actor, name, "Draining: it gets no new builds."})
}

// ResumeWorker gives a worker builds again that was draining or set aside.
func (s *Store) ResumeWorker(ctx context.Context, actor, name string) error {
	return s.changeWorker(ctx, workerChange{"resume_worker", actor, name, "Resumed."})
}

// workerChange is what a statement, which changes nothing when it is so already,
// does to a worker, and the event's words for it.
type workerChange struct{ statement, actor, worker, message string }

func (s *Store) changeWorker(ctx context.Context, c workerChange) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.worker(ctx, c.worker); err != nil {
			return err
		}
		changed, err := t.exec(ctx, c.statement, args{"name": c.worker, "now": t.now})
		if err != nil || changed == 0 {
			return err
		}
		return t.record(ctx, buildbtw.Event{Actor: c.actor, Kind: buildbtw.EventWorker, Message: c.worker + ": " + c.message})
	})
	if err != nil {
		return fmt.Errorf("change worker %s: %w", c.worker, err)
	}
	return nil
}

// ForgetWorker removes a worker that is gone: Conflict when it is there, or has a
// build. The attempts that it made keep its name. If it asks for work again it is a
// new worker.
func (s *Store) ForgetWorker(ctx context.Context, actor, name string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		w, err := t.worker(ctx, name)
		if err != nil {
			return err
		}
		changed, err := t.exec(ctx, "forget_worker", args{"name": name, "present_since": t.now.Add(-buildbtw.WorkerPresence)})
		if err != nil {
			return err
		}
		if changed == 0 {
			return cannotForget(w, t.now)
		}
		return t.record(ctx, buildbtw.Event{Actor: actor, Kind: buildbtw.EventWorker, Message: name + ": Forgotten."})
	})
	if err != nil {
		return fmt.Errorf("forget worker %s: %w", name, err)
	}
	return nil
}

func cannotForget(w buildbtw.Worker, now time.Time) error {
	if w.Present(now) {
		return buildbtw.Conflict("worker %s is connected: it asked for work %.0f seconds ago. Stop it; %.0f minutes later it can be forgotten",
			w.Name, now.Sub(w.LastSeen).Seconds(), buildbtw.WorkerPresence.Minutes())
	}
	return buildbtw.Conflict("worker %s has a build. Let it finish, or cancel the build; if the machine is dead, wait until its lease has run out", w.Name)
}

// NoBuilds says that a worker gets no new builds, and what ends that; empty when it
// gets some, or is not known.
func (q *Reader) NoBuilds(ctx context.Context, name string) (string, error) {
	var w buildbtw.Worker
	err := q.get(ctx, &w, "worker", args{"name": name})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look whether worker %s gets builds: %w", name, err)
	}
	return w.NoBuilds(), nil
}

// worker loads a worker; NotFound when there is none.
func (t *tx) worker(ctx context.Context, name string) (w buildbtw.Worker, err error) {
	err = t.get(ctx, &w, "worker", args{"name": name})
	return w, notFound(err, "there is no worker %q; it appears when it first asks for work", name)
}

// quarantine sets a worker aside. What is so already stays as it is.
func (t *tx) quarantine(ctx context.Context, c quarantineChange) error {
	w, err := t.worker(ctx, c.worker)
	if err != nil {
		return err
	}
	if w.SetAside == c.why {
		return nil
	}
	w.SetAside = c.why
	if _, err := t.NewUpdate().Model(&w).Column("set_aside").WherePK().Exec(ctx); err != nil {
		return err
	}
	return t.record(ctx, buildbtw.Event{Actor: c.actor, Kind: buildbtw.EventWorker, Message: c.worker + ": Set aside: " + c.why})
}

// WorkerAttempt is an attempt with the build that it was made for. One on the base alone
// has no buildspace and iteration.
type WorkerAttempt struct {
	ID          int64                 `bun:"id"` // of those of one worker only
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
	OfBase      bool                  `bun:"of_base"` // a build on the base alone
	Second      bool                  `bun:"second"`  // a second build, see buildbtw.Build
	Buildspace  string                `bun:"buildspace"`
	Iteration   int                   `bun:"iteration"`
}

// Name is the pkgbase, with a word for builds on the base alone and second builds.
func (a WorkerAttempt) Name() string {
	if a.OfBase {
		return buildbtw.BaselineName(a.Pkgbase)
	}
	if a.Second {
		return buildbtw.RepeatName(a.Pkgbase)
	}
	return a.Pkgbase
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

// WorkerAttempts lists the finished attempts of a worker, the newest first, from the one after
// that with the id before; 0 begins with the newest. It returns NotFound for a worker that
// neither is known nor has finished one.
func (q *Reader) WorkerAttempts(ctx context.Context, worker string, before int64, limit int) ([]WorkerAttempt, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	rows := []WorkerAttempt{}
	err = q.list(ctx, &rows, "attempts_of_worker", args{"worker": worker, "before": before, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list the attempts of worker %s: %w", worker, err)
	}
	if len(rows) > 0 || before != 0 {
		return rows, nil
	}
	workers, err := q.Workers(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(workers, func(w WorkerRow) bool { return w.Name == worker }) {
		return nil, buildbtw.NotFound("there is no worker %.80q", worker)
	}
	return rows, nil
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
	if !blamesMachine(*a) {
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
	why := fmt.Sprintf(unhealthy+"%d builds in a row, while %s finished others; the latest: %s", failures, peer, words(*a))
	return t.quarantine(ctx, quarantineChange{buildbtw.System, w.Name, why})
}

// unhealthy begins the reason for which checkHealth sets a worker aside.
const unhealthy = "It lost or broke "

// trustAgain takes back that checkHealth has set a worker aside when that is no longer
// so: of the attempts that it lost one has returned.
func (t *tx) trustAgain(ctx context.Context, name string) error {
	var w buildbtw.Worker
	err := t.get(ctx, &w, "worker", args{"name": name})
	if errors.Is(err, sql.ErrNoRows) { // forgotten meanwhile
		return nil
	}
	if err != nil || !strings.HasPrefix(w.SetAside, unhealthy) {
		return err
	}
	failures, _, err := t.failuresInARow(ctx, w)
	if err != nil || failures >= tooManyFailures {
		return err
	}
	if _, err := t.exec(ctx, "end_setting_aside", args{"name": name}); err != nil {
		return err
	}
	return t.record(ctx, buildbtw.Event{Actor: buildbtw.System, Kind: buildbtw.EventWorker, Message: name + ": No longer set aside: it reports again, with the builds that seemed lost."})
}

func words(a buildbtw.Attempt) string {
	if a.Message != "" {
		return a.Message
	}
	return string(a.Outcome)
}

// blamesMachine reports whether an attempt's end says something against the machine.
func blamesMachine(a buildbtw.Attempt) bool {
	return !a.Blameless && (a.Outcome == buildbtw.OutcomeLost || a.Outcome == buildbtw.OutcomeInfrastructure)
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
	err = t.list(ctx, &latest, "latest_of_worker", args{
		"worker": w.Name, "trusted": trusted, "first_seen": w.FirstSeen, "limit": recentAttempts,
	})
	builds := map[int64]bool{}
	for _, a := range latest {
		if neutral(a) {
			continue
		}
		if !blamesMachine(a) {
			break
		}
		builds[a.BuildID], since = true, a.StartedAt
	}
	return len(builds), since, err
}

// neutral reports whether an attempt's end says nothing about the machine.
func neutral(a buildbtw.Attempt) bool {
	return a.Outcome == buildbtw.OutcomeCancelled || a.Outcome == buildbtw.OutcomeReleased || a.Blameless
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
