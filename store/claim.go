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

	"modernc.org/sqlite"

	"buildbtw"
	"buildbtw/internal/hints"
)

// Claim is a worker asking for a build.
type Claim struct {
	Worker buildbtw.Worker // Name, Architectures, Runners, Labels, Version
	Slot   int             // tells the concurrent builds of one machine apart
	Runner string          // how the build will be executed, when known
	Lease  time.Duration   // how long the lease lasts without a heartbeat

	// Confirms says that the worker sends a heartbeat as soon as it has the build: without
	// one the lease ends after confirmTime.
	Confirms bool

	// Secret proves that the worker's name is this machine's; Instance is where it is
	// kept. A worker program of before has neither. Holder is the name of the user
	// who claims, and Address the host from which.
	Secret, Instance, Holder, Address string

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
	Resumed bool // the slot had it before: its log may hold what came of that run
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
// one is to stop, which then ends here. Another machine that claims under the
// name of one that is there gets a Conflict.
func (s *Store) ClaimBuild(ctx context.Context, c Claim) (*Claimed, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Again && c.Build == 0 && s.work.isGone(c.kind()) {
		return nil, nil
	}
	changes := s.work.seen()
	var claimed *Claimed
	var none string // why it gets no new build
	err := s.inTx(ctx, func(ctx context.Context, t *tx) (err error) {
		known, err := t.touchWorker(ctx, c)
		if err != nil {
			return err
		}
		none = known.NoBuilds()
		a, err := t.resume(ctx, c, known)
		resumed := a != nil
		if err == nil && !resumed {
			a, err = t.claim(ctx, c, none)
		}
		if err != nil || a == nil {
			return err
		}
		row, err := t.buildRow(ctx, a.BuildID)
		claimed = &Claimed{Build: row, Attempt: *a, Resumed: resumed}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim build for %s: %w", c.Worker.Name, err)
	}
	if claimed == nil && c.Build == 0 && none == "" {
		s.work.gone(c.kind(), changes)
	}
	return claimed, nil
}

func (t *tx) claim(ctx context.Context, c Claim, none string) (*buildbtw.Attempt, error) {
	switch {
	case c.Build != 0 && none != "":
		return nil, buildbtw.Conflict("worker %s is %s", c.Worker.Name, none)
	case c.Build != 0:
		return t.claimNamed(ctx, c)
	case none != "":
		return nil, nil
	}
	full, err := t.labelFull(ctx, c.Worker)
	if err != nil || full {
		return nil, err
	}
	for {
		best, err := t.bestBaselineCheck(ctx, c.Worker.Architectures, false)
		if err == nil && best == 0 {
			best, err = t.bestPending(ctx, c.Worker.Architectures)
		}
		if err == nil && best == 0 { // the slot is idle
			best, err = t.bestBaselineCheck(ctx, c.Worker.Architectures, true)
		}
		if err == nil && best == 0 {
			best, err = t.bestRepeat(ctx, c)
		}
		if err != nil || best == 0 {
			return nil, err
		}
		a, err := t.lease(ctx, best, c)
		if !isUnreadable(err) {
			return a, err
		}
		if err := t.failUnreadable(ctx, best, err); err != nil {
			return nil, err
		}
	}
}

// isUnreadable reports whether an error is about what is stored of one item, and not
// about the database.
func isUnreadable(err error) bool {
	var fault *sqlite.Error
	return err != nil && !errors.As(err, &fault) && buildbtw.KindOf(err) == buildbtw.KindInternal &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, sql.ErrTxDone)
}

// failUnreadable fails a build that was to be handed out and cannot be: else it would
// be the best for every worker that asks.
func (t *tx) failUnreadable(ctx context.Context, build int64, why error) error {
	t.opts.Log.ErrorContext(ctx, "what is stored of a build cannot be read; it is failed, so that others are built", "build", build, "error", why)
	return t.moveOne(ctx, build, change{
		to: buildbtw.StatusFailed, cause: buildbtw.CauseFailed, actor: buildbtw.System,
		message: "What is stored of this build cannot be read, so it cannot be built. The server's log says more; ask for a new iteration.",
	})
}

// resume finds what the slot runs already. A machine that has taken the place of
// another one gets a new lease for it: should the other one come back, it has
// nothing left that it could change the attempt with.
func (t *tx) resume(ctx context.Context, c Claim, known buildbtw.Worker) (*buildbtw.Attempt, error) {
	a := new(buildbtw.Attempt)
	err := t.get(ctx, a, "attempt_of_slot", args{"worker": c.Worker.Name, "slot": c.Slot})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if known.Instance != c.Instance {
		a.Lease = t.opts.NewLease()
	}
	switch {
	case known.SecretHash == "" && a.Holder != "" && a.Holder != c.Holder: // nothing has proved that it is the same worker
		return nil, buildbtw.Conflict("worker %s runs a build that was claimed with another token; give this worker another name with --name", c.Worker.Name)
	case a.Stop:
		_, err := t.end(ctx, a, ending{outcome: buildbtw.OutcomeCancelled, message: "The worker asked for other work."})
		return nil, err
	case c.Build != 0 && a.BuildID != c.Build:
		_, err := t.end(ctx, a, ending{outcome: buildbtw.OutcomeLost, message: "The machine began another job in its place."})
		return nil, err
	}
	a.HeartbeatAt, a.Deadline, a.Holder = t.now, c.deadline(t.now), c.Holder
	return a, t.get(ctx, &a.Stop, "resume_attempt", args{
		"attempt": a.ID, "lease": a.Lease, "holder": a.Holder, "now": a.HeartbeatAt, "deadline": a.Deadline,
	})
}

// confirmTime is how long a worker may take to say that it has got the answer to its claim.
// When its program has ended meanwhile, the build waits no longer than that.
const confirmTime = 15 * time.Second

// deadline returns when a lease that begins now ends unless a heartbeat comes.
func (c Claim) deadline(now time.Time) time.Time {
	lease := c.Lease
	if c.Confirms {
		lease = min(lease, confirmTime)
	}
	return now.Add(lease).Truncate(time.Microsecond)
}

// agingStep is how long a buildspace that has builds to hand out goes without
// before it counts as one priority higher. One of priority low so gets a worker
// at least every two hours, whatever else there is to do.
const agingStep = 30 * time.Minute

// bestPending returns the build to hand out next; 0 when there is none.
func (t *tx) bestPending(ctx context.Context, architectures []string) (id int64, err error) {
	most := t.opts.MaxRunning
	if most == 0 {
		most = math.MaxInt32
	}
	err = t.get(ctx, &id, "best_pending", args{
		"now": t.now, "architectures": textList(architectures), "most_running": most, "aging_days": agingStep.Hours() / 24,
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// lease makes a build building and begins its next attempt; nil when its status
// does not allow it.
func (t *tx) lease(ctx context.Context, build int64, c Claim) (*buildbtw.Attempt, error) {
	waited, err := t.waited(ctx, build)
	if err != nil {
		return nil, err
	}
	ids, err := t.move(ctx, []int64{build}, change{
		to: buildbtw.StatusBuilding, cause: buildbtw.CauseLeased,
		actor: c.Worker.Name, message: "Started on " + c.Worker.Name + ".",
		set: []string{"attempts = attempts + 1", "not_before = NULL", "started_at = :now", "finished_at = NULL"},
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	b, err := t.build(ctx, build)
	if err != nil {
		return nil, err
	}
	a := &buildbtw.Attempt{
		BuildID: build, Number: b.Attempts, Worker: c.Worker.Name, Slot: c.Slot, Runner: c.Runner,
		Lease: t.opts.NewLease(), Random: random(8), Holder: c.Holder, State: buildbtw.AttemptRunning,
		Deadline: c.deadline(t.now), StartedAt: t.now, HeartbeatAt: t.now,
	}
	err = t.get(ctx, &a.ID, "start_attempt", args{
		"build": a.BuildID, "number": a.Number, "worker": a.Worker, "slot": a.Slot, "runner": a.Runner,
		"lease": a.Lease, "random": a.Random, "deadline": a.Deadline, "holder": a.Holder, "now": t.now,
	})
	if err != nil {
		return nil, err
	}
	t.seen.leased = append(t.seen.leased, waited...)
	_, err = t.exec(ctx, "note_served", args{"iteration": b.IterationID, "now": t.now})
	return a, err
}

// waited returns how long a build that is to be handed out has waited for that; nothing for
// one that a pipeline has already. It reads no more of the build than that takes: what
// cannot be read of it is found when it has been moved.
func (t *tx) waited(ctx context.Context, build int64) ([]time.Duration, error) {
	var since []time.Time
	if err := t.list(ctx, &since, "waiting_since", args{"build": build}); err != nil {
		return nil, err
	}
	var list []time.Duration
	for _, at := range since {
		list = append(list, t.now.Sub(at))
	}
	return list, nil
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
		err := t.get(ctx, &running, "running_with_label", args{"label": label})
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
		if err := t.retry(ctx, "GitLab", row); err != nil {
			return nil, err
		}
		if row, err = t.buildRow(ctx, c.Build); err != nil {
			return nil, err
		}
	}
	var a *buildbtw.Attempt
	if row.TwinOf == 0 && row.Held == buildbtw.HoldNone {
		a, err = t.lease(ctx, row.ID, c)
	}
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, buildbtw.Conflict("%s for %s is %s; it is not to be built now", row.Pkgbase, row.Architecture, row.Status)
	case p == nil:
		return a, nil
	}
	return a, t.startPipeline(ctx, p, c, a.ID)
}

// claimingPipeline gives the pipeline whose executor asks: Conflict unless it is
// the build's latest. A build that was never handed to GitLab has none.
func (t *tx) claimingPipeline(ctx context.Context, c Claim) (*buildbtw.Pipeline, error) {
	p := new(buildbtw.Pipeline)
	err := t.get(ctx, p, "latest_pipeline_of_build", args{"build": c.Build})
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
	return t.savePipeline(ctx, p, "attempt_id", "job", "ended_at", "message", "number", "state")
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
	if err := s.list(ctx, &times, "next_due", args{"now": now}); err != nil {
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
