package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/hints"
)

// Claim is a worker asking for a build.
type Claim struct {
	Worker buildbtw.Worker // Name, Architectures, Runners, Labels, Version
	Slot   int             // tells the concurrent builds of one machine apart
	Runner string          // how the build will be executed, when known
	Lease  time.Duration   // how long the lease lasts without a heartbeat

	// Build, when not 0, is the only build that is asked for: the one that was
	// handed to the pipeline whose executor asks. Pipeline is GitLab's number
	// of that pipeline; 0 stands for the build's latest. Job is that of the job.
	Build    int64
	Pipeline int64
	Job      int64

	// Again says that this claim, which waits, has looked before and is woken:
	// it need not look when others like it have found nothing.
	Again bool
}

// Claimed is a build handed out.
type Claimed struct {
	Build   BuildRow
	Attempt buildbtw.Attempt
}

func (c Claim) validate() error {
	if c.Slot < 0 {
		return buildbtw.Invalid("slot %d of worker %s is negative; count slots from 0", c.Slot, c.Worker.Name)
	}
	if c.Lease <= 0 {
		return fmt.Errorf("a lease of %v can never be kept", c.Lease)
	}
	return c.Worker.Validate()
}

// ClaimBuild hands out the best pending build that the worker can do, or nil
// when there is none. The same worker and slot asking again, after a restart or
// because an answer was lost, gets the attempt that it still has; unless that
// one is to stop, which then ends here.
func (s *Store) ClaimBuild(ctx context.Context, c Claim) (*Claimed, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Again && c.Build == 0 && s.work.isGone(c.kind()) {
		return nil, nil
	}
	changes := s.work.seen()
	var claimed *Claimed
	var aside bool
	err := s.transact(ctx, func(ctx context.Context, t *tx) (err error) {
		if aside, err = t.touchWorker(ctx, c.Worker); err != nil {
			return err
		}
		a, err := t.claim(ctx, c, aside)
		if err != nil || a == nil {
			return err
		}
		row, err := t.buildRow(ctx, a.BuildID)
		claimed = &Claimed{Build: row, Attempt: *a}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim build for %s: %w", c.Worker.Name, err)
	}
	if claimed == nil && c.Build == 0 && !aside {
		s.work.gone(c.kind(), changes)
	}
	return claimed, nil
}

func (t *tx) claim(ctx context.Context, c Claim, aside bool) (*buildbtw.Attempt, error) {
	a, err := t.resume(ctx, c)
	switch {
	case a != nil || err != nil:
		return a, err
	case c.Build != 0 && aside:
		return nil, buildbtw.Conflict("worker %s is quarantined; an administrator can resume it", c.Worker.Name)
	case c.Build != 0:
		return t.claimNamed(ctx, c)
	case aside:
		return nil, nil
	}
	return t.claimBest(ctx, c)
}

// resume finds what the slot runs already.
func (t *tx) resume(ctx context.Context, c Claim) (*buildbtw.Attempt, error) {
	a := new(buildbtw.Attempt)
	err := t.getText(ctx, a, `SELECT * FROM attempts WHERE worker = ? AND slot = ? AND state = 'running'`, c.Worker.Name, c.Slot)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case a.Stop:
		_, err := t.end(ctx, a, ending{buildbtw.OutcomeCancelled, "The worker asked for other work."})
		return nil, err
	case c.Build != 0 && a.BuildID != c.Build:
		_, err := t.end(ctx, a, ending{buildbtw.OutcomeLost, "The machine began another job in its place."})
		return nil, err
	}
	return a, t.extend(ctx, a, c.Lease)
}

// agingStep is how long a buildspace that has builds to hand out goes without
// before it counts as one priority higher. One of priority low so gets a worker
// at least every two hours, whatever else there is to do.
const agingStep = 30 * time.Minute

// bestPending chooses the buildspace by its priority, raised by how long it has
// gone without; then the one with the fewest running builds, which count less
// the higher the priority; then the one that was served longest ago. Within a
// buildspace it takes the build that the longest chain waits for, then the
// oldest. The inner selects are one look into an index for each iteration and
// architecture, so the answer takes the same time with ten pending builds and
// with ten thousand.
func bestPending() string {
	return `SELECT b.id FROM (
    SELECT ` + priorityRank("s.priority") + ` AS rank, coalesce(s.served_at, s.created_at) AS served, (
        SELECT count(*) FROM builds AS r WHERE r.iteration_id = i.id AND r.status IN ('scheduled', 'building')) AS running, (
        SELECT p.id FROM builds AS p
        WHERE p.iteration_id = i.id AND p.architecture = arch.value AND p.status = 'pending' AND p.twin_of = 0 AND p.held = ''
          AND (p.not_before IS NULL OR p.not_before <= ?)
        ORDER BY p.priority DESC, p.id LIMIT 1) AS best
    FROM iterations AS i JOIN buildspaces AS s ON s.id = i.buildspace_id JOIN json_each(?) AS arch
    WHERE i.state = 'ready' AND s.status = 'active') AS first
JOIN builds AS b ON b.id = first.best
WHERE first.running < ?
ORDER BY first.rank + CAST((julianday(?) - julianday(max(first.served, b.changed_at))) / ? AS INTEGER) DESC,
    (first.running + 1.0) / (1 << first.rank), first.served, b.priority DESC, b.id LIMIT 1`
}

// bestPendingArgs are what the question marks of bestPending stand for.
func (t *tx) bestPendingArgs(architectures []string) []any {
	most := t.opts.MaxRunning
	if most == 0 {
		most = math.MaxInt32
	}
	return []any{t.now, textList(architectures), most, t.now, agingStep.Hours() / 24}
}

// priorityRank is SQL for the place of a priority in their order.
func priorityRank(column string) string {
	var rank strings.Builder
	rank.WriteString("CASE " + column)
	for i, p := range buildbtw.Priorities() {
		fmt.Fprintf(&rank, " WHEN '%s' THEN %d", p, i)
	}
	return rank.String() + " END"
}

func (t *tx) claimBest(ctx context.Context, c Claim) (*buildbtw.Attempt, error) {
	full, err := t.labelFull(ctx, c.Worker)
	if err != nil || full {
		return nil, err
	}
	which := sqlf("id = ("+bestPending()+")", t.bestPendingArgs(c.Worker.Architectures)...)
	t.handout = !t.changed.some()
	ids, err := t.move(ctx, which, t.leased(c, buildbtw.StatusPending))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return t.startAttempt(ctx, ids[0], c)
}

// leased is the change of a build that a worker gets.
func (t *tx) leased(c Claim, only ...buildbtw.Status) change {
	return change{
		to: buildbtw.StatusBuilding, cause: buildbtw.CauseLeased, only: only,
		actor: c.Worker.Name, message: "Started on " + c.Worker.Name + ".",
		set: []clause{
			sqlf("attempts = attempts + 1"), sqlf("not_before = NULL"),
			sqlf("started_at = ?", t.now), sqlf("finished_at = NULL"),
		},
	}
}

func (t *tx) startAttempt(ctx context.Context, build int64, c Claim) (*buildbtw.Attempt, error) {
	b, err := t.build(ctx, build)
	if err != nil {
		return nil, err
	}
	a := &buildbtw.Attempt{
		BuildID: build, Number: b.Attempts, Worker: c.Worker.Name, Slot: c.Slot, Runner: c.Runner,
		Lease: t.opts.NewLease(), State: buildbtw.AttemptRunning,
		Deadline: t.now.Add(c.Lease).Truncate(time.Microsecond), StartedAt: t.now, HeartbeatAt: t.now,
	}
	err = t.getText(ctx, &a.ID, `INSERT INTO attempts (build_id, number, worker, slot, runner, lease, state, deadline, started_at, heartbeat_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		a.BuildID, a.Number, a.Worker, a.Slot, a.Runner, a.Lease, a.State, a.Deadline, a.StartedAt, a.HeartbeatAt)
	if err != nil {
		return nil, err
	}
	return a, t.served(ctx, b.IterationID)
}

// served notes that a build of the buildspace was handed out.
func (t *tx) served(ctx context.Context, iteration int64) error {
	_, err := t.execText(ctx, `UPDATE buildspaces SET served_at = ? WHERE id = (SELECT buildspace_id FROM iterations WHERE id = ?)`, t.now, iteration)
	return err
}

// labelFull reports whether the workers with one of this worker's labels run as
// many builds as the label may.
func (t *tx) labelFull(ctx context.Context, w buildbtw.Worker) (bool, error) {
	for _, label := range w.Labels {
		limit, capped := t.opts.LabelCaps[label]
		if !capped {
			continue
		}
		var running int
		err := t.getText(ctx, &running, `SELECT count(*) FROM workers AS w JOIN attempts AS a ON a.worker = w.name AND a.state = 'running'
WHERE EXISTS (SELECT 1 FROM json_each(w.labels) WHERE value = ?)`, label)
		if err != nil || running >= limit {
			return true, err
		}
	}
	return false, nil
}

// claimNamed leases one build to the executor of its pipeline. A person can
// have GitLab run the job of a failed build again: that is a retry.
func (t *tx) claimNamed(ctx context.Context, c Claim) (*buildbtw.Attempt, error) {
	row, err := t.buildRow(ctx, c.Build)
	if err != nil {
		return nil, err
	}
	p, err := t.claimingPipeline(ctx, c)
	if err != nil {
		return nil, err
	}
	if row.Status == buildbtw.StatusFailed {
		if err := t.retryInGitLab(ctx, row); err != nil {
			return nil, err
		}
	}
	ids, err := t.move(ctx, sqlf("id = ? AND twin_of = 0 AND held = ''", row.ID), t.leased(c, buildbtw.StatusScheduled, buildbtw.StatusPending))
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, buildbtw.Conflict("%s for %s is %s; it is not to be built now", row.Pkgbase, row.Architecture, row.Status)
	}
	a, err := t.startAttempt(ctx, row.ID, c)
	if err != nil || p == nil {
		return a, err
	}
	return a, t.startPipeline(ctx, p, c, a.ID)
}

// claimingPipeline gives the pipeline whose executor asks: Conflict unless it is
// the build's latest. A build that was never handed to GitLab has none.
func (t *tx) claimingPipeline(ctx context.Context, c Claim) (*buildbtw.Pipeline, error) {
	p := new(buildbtw.Pipeline)
	err := t.NewSelect().Model(p).Where("build_id = ?", c.Build).Order("id DESC").Limit(1).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows) && c.Pipeline == 0:
		return nil, nil
	case errors.Is(err, sql.ErrNoRows):
		return nil, buildbtw.Conflict("build %d was never handed to GitLab", c.Build)
	case err != nil:
		return nil, err
	case c.Pipeline != 0 && p.Number != 0 && p.Number != c.Pipeline:
		return nil, buildbtw.Conflict("build %d was handed to pipeline %d meanwhile", c.Build, p.Number)
	}
	return p, nil
}

func (t *tx) retryInGitLab(ctx context.Context, row BuildRow) error {
	if err := row.CanRetry(); err != nil {
		return err
	}
	if err := t.checkReady(ctx, row); err != nil {
		return err
	}
	return t.moveOne(ctx, row.ID, retry("GitLab"))
}

// startPipeline notes the attempt that a pipeline's executor began. The executor
// may be there before the server has noted the pipeline, and after it has
// ended: then a person had its job run again.
func (t *tx) startPipeline(ctx context.Context, p *buildbtw.Pipeline, c Claim, attempt int64) error {
	p.AttemptID, p.Job, p.EndedAt, p.Message = attempt, c.Job, nil, ""
	if p.Number == 0 {
		p.Number = c.Pipeline
	}
	if p.Number != 0 {
		p.State = buildbtw.PipelineCreated
	}
	_, err := t.NewUpdate().Model(p).Column("attempt_id", "job", "ended_at", "message", "number", "state").WherePK().Exec(ctx)
	return err
}

// work tells claims that wait when looking again may help. Hundreds of workers
// wait; a change wakes all of them, and all but the first of a kind would look
// in vain, each with a turn as the one writer. The zero value is ready.
type work struct {
	waiting hints.Feed[struct{}]

	mu      sync.Mutex
	changes uint64          // commits after which there may be a build to claim
	nothing map[string]bool // kinds of workers that have found nothing since the last of them
	due     *due            // when a postponed build may be handed out; nil when not known since then
}

// due is an answer of NextDue.
type due struct {
	at time.Time
	ok bool
}

// changed is called after a commit that may have made a build claimable.
func (w *work) changed() {
	w.mu.Lock()
	w.changes++
	w.nothing, w.due = nil, nil
	w.mu.Unlock()
	w.waiting.Publish(struct{}{})
}

func (w *work) seen() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes
}

// isGone reports whether a worker of this kind has found nothing, with nothing
// changed since.
func (w *work) isGone(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nothing[kind]
}

// gone notes that a worker of this kind found nothing, having begun to look
// after so many changes.
func (w *work) gone(kind string, changes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes != changes {
		return
	}
	if w.nothing == nil {
		w.nothing = map[string]bool{}
	}
	w.nothing[kind] = true
}

// kind is all of a worker that decides which builds it may get.
func (c Claim) kind() string {
	return strings.Join(c.Worker.Architectures, ",") + " " + strings.Join(c.Worker.Labels, ",")
}

// SubscribeWork is Subscribe for who waits for a build to claim: it is not told
// of changes after which there are only fewer.
func (s *Store) SubscribeWork() (changed <-chan struct{}, cancel func()) {
	sub := s.work.waiting.Subscribe()
	return sub.C, sub.Cancel
}

// NextDue is when a postponed build may be handed out; false when none is
// postponed.
func (s *Store) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	now := s.now()
	s.work.mu.Lock()
	changes, known := s.work.changes, s.work.due
	s.work.mu.Unlock()
	if known != nil && (!known.ok || known.at.After(now)) {
		return known.at, known.ok, nil
	}
	var times []time.Time
	if err := s.listText(ctx, &times, postponed+` ORDER BY b.not_before LIMIT 1`, now); err != nil {
		return time.Time{}, false, fmt.Errorf("find the next postponed build: %w", err)
	}
	if ok = len(times) > 0; ok {
		at = times[0]
	}
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if s.work.changes == changes {
		s.work.due = &due{at, ok}
	}
	return at, ok, nil
}
