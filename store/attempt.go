package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
)

// LeaseRow is what a running lease gives access to.
type LeaseRow struct {
	Attempt buildbtw.Attempt
	Build   BuildRow // with the buildspace's name and the iteration's number
}

// errLeaseOver is what a worker gets that lost its lease. It takes this as
// "stop".
func errLeaseOver() error {
	return buildbtw.Conflict("the lease is over or was never given; stop this build and claim again")
}

// attempt loads the attempt of a lease in any state.
func (t *tx) attempt(ctx context.Context, lease string) (*buildbtw.Attempt, error) {
	a := new(buildbtw.Attempt)
	err := t.get(ctx, a, "attempt_of_lease", args{"lease": lease})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errLeaseOver()
	}
	return a, err
}

// running loads the attempt of a lease that still counts. A deadline that has
// passed does not end a lease by itself, ExpireLeases does: while the server
// was down no heartbeat could arrive.
func (t *tx) running(ctx context.Context, lease string) (*buildbtw.Attempt, error) {
	a, err := t.attempt(ctx, lease)
	if err == nil && a.State != buildbtw.AttemptRunning {
		return nil, errLeaseOver()
	}
	return a, err
}

// Lease gives what a lease names: Conflict when it is over, unknown, or its
// build is to stop.
func (q *Reader) Lease(ctx context.Context, lease string) (LeaseRow, error) {
	var row LeaseRow
	err := q.get(ctx, &row.Attempt, "valid_attempt_of_lease", args{"lease": lease})
	if errors.Is(err, sql.ErrNoRows) {
		return LeaseRow{}, errLeaseOver()
	}
	if err == nil {
		row.Build, err = q.buildRow(ctx, row.Attempt.BuildID)
	}
	if err != nil {
		return LeaseRow{}, fmt.Errorf("look up lease: %w", err)
	}
	return row, nil
}

// HeldLease is what every call of a worker needs of its lease.
type HeldLease struct {
	buildbtw.AttemptName
	BuildID  int64     `bun:"build_id"`
	Holder   string    `bun:"holder"` // name of the user who claimed it; empty when that is not known
	Deadline time.Time `bun:"deadline"`
	Valid    bool      `bun:"valid"` // false: the attempt has ended, or is to stop
	Lost     bool      `bun:"lost"`  // the attempt has ended for want of heartbeats; ReturnLease may make it valid again
}

// Attempt returns the attempt that the lease was given for. The error is a Conflict when
// the lease is no longer valid.
func (h HeldLease) Attempt() (buildbtw.AttemptName, error) {
	if !h.Valid {
		return buildbtw.AttemptName{}, errLeaseOver()
	}
	return h.AttemptName, nil
}

// HeldLease looks up a lease, whether or not it is still valid. The error is a Conflict
// when no such lease was ever given.
func (q *Reader) HeldLease(ctx context.Context, lease string) (h HeldLease, err error) {
	err = q.get(ctx, &h, "held_lease", args{"lease": lease})
	if errors.Is(err, sql.ErrNoRows) {
		return h, errLeaseOver()
	}
	if err != nil {
		return h, fmt.Errorf("look up a lease: %w", err)
	}
	return h, nil
}

// ReturnLease makes a lease valid for another while that ran out, or is about to, when
// its worker reports again: a network that was away for longer than a lease costs nothing.
// The attempt goes on, and its loss is neither a retry of the build nor held against
// the worker. It is false, and changes nothing, once another attempt has begun, the
// worker's slot has another build, or nobody waits for the build any more.
func (s *Store) ReturnLease(ctx context.Context, lease string, extend time.Duration) (bool, error) {
	returned := false
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		deadline := t.now.Add(extend).Truncate(time.Microsecond)
		renewed, err := t.exec(ctx, "renew_lease", args{"lease": lease, "deadline": deadline})
		if err != nil || renewed == 1 {
			returned = renewed == 1
			return err
		}
		a := new(buildbtw.Attempt)
		err = t.get(ctx, a, "returnable_attempt", args{"lease": lease})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		returned = true
		return t.returnAttempt(ctx, a, deadline)
	})
	if err != nil {
		return false, fmt.Errorf("return the lease of an attempt: %w", err)
	}
	return returned, nil
}

// returnAttempt lets a lost attempt go on.
func (t *tx) returnAttempt(ctx context.Context, a *buildbtw.Attempt, deadline time.Time) error {
	counted := 1 // retries that its loss has cost
	if a.Blameless {
		counted = 0
	}
	err := t.writeAttempt(ctx, a, "return_attempt", args{"attempt": a.ID, "deadline": deadline, "now": t.now})
	if err != nil {
		return err
	}
	err = t.moveOne(ctx, a.BuildID, change{
		to: buildbtw.StatusBuilding, cause: buildbtw.CauseReturned, actor: a.Worker,
		message: fmt.Sprintf("%s reports again; attempt %d goes on.", a.Worker, a.Number),
		set:     []string{"retries = max(0, retries - :counted)", "not_before = NULL", "finished_at = NULL"},
		args:    args{"counted": counted},
	})
	if err != nil {
		return err
	}
	return t.trustAgain(ctx, a.Worker)
}

// Heartbeat keeps a lease for another while and says whether the worker is to
// stop. Conflict when the lease is over.
func (s *Store) Heartbeat(ctx context.Context, lease string, extend time.Duration) (stop bool, err error) {
	now := s.now()
	err = queries{statements: s.writing}.get(ctx, &stop, "heartbeat", args{"lease": lease, "now": now, "deadline": now.Add(extend).Truncate(time.Microsecond)})
	if errors.Is(err, sql.ErrNoRows) {
		err = errLeaseOver()
	}
	if err != nil {
		return false, fmt.Errorf("heartbeat: %w", err)
	}
	return stop, nil
}

// EndAttempt takes a worker's word for how an attempt ended, except that it was
// built: BeginPublish and CompletePublish do that. It gives the build's status
// after it. The same report again changes nothing and gets the same answer;
// any other report after the end is a Conflict.
func (s *Store) EndAttempt(ctx context.Context, lease string, o buildbtw.Outcome, message string) (buildbtw.Status, error) {
	return s.endAttempt(ctx, lease, ending{outcome: o, message: message})
}

// EndDoubtfully is EndAttempt for an attempt that blames the machine by nothing but what
// the build itself printed or ended with. That is worth one more try, and says
// nothing against the machine: else a build could take all machines away.
func (s *Store) EndDoubtfully(ctx context.Context, lease, message string) (buildbtw.Status, error) {
	return s.endAttempt(ctx, lease, ending{outcome: buildbtw.OutcomeInfrastructure, message: message, doubtful: true, blameless: true})
}

// EndBlameless is EndAttempt for an attempt that failed because of another machine, such
// as a mirror, or of what builds did to this one: it is tried again as often as after
// other infrastructure failures, and says nothing against the worker.
func (s *Store) EndBlameless(ctx context.Context, lease, message string) (buildbtw.Status, error) {
	return s.endAttempt(ctx, lease, ending{outcome: buildbtw.OutcomeInfrastructure, message: message, blameless: true})
}

// NoteFinish stores which dependencies a running attempt took for granted, and how many
// bytes of memory its largest process had; 0 when that is unknown.
func (s *Store) NoteFinish(ctx context.Context, lease string, notChecked buildbtw.Names, memory int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_finish", args{"lease": lease, "not_checked": notChecked, "memory": memory})
		return err
	})
	if err != nil {
		return fmt.Errorf("note how an attempt finishes: %w", err)
	}
	return nil
}

// NoteKept stores for how long from now the worker keeps the directories of a running attempt,
// which is about to end.
func (s *Store) NoteKept(ctx context.Context, lease string, kept time.Duration) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_kept", args{"lease": lease, "until": t.now.Add(kept)})
		return err
	})
	if err != nil {
		return fmt.Errorf("note that a failed build is kept: %w", err)
	}
	return nil
}

// NoteError stores which line of its log says why a running attempt failed.
func (s *Store) NoteError(ctx context.Context, lease string, line int64, text string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_error", args{"lease": lease, "line": line, "text": text})
		return err
	})
	if err != nil {
		return fmt.Errorf("note why an attempt failed: %w", err)
	}
	return nil
}

func (s *Store) endAttempt(ctx context.Context, lease string, e ending) (buildbtw.Status, error) {
	o := e.outcome
	if o == buildbtw.OutcomeBuilt || !o.Reportable() {
		return "", buildbtw.Invalid("an attempt cannot end as %q; report failed, infrastructure, timed-out, stalled, cancelled or released", o)
	}
	var status buildbtw.Status
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.attempt(ctx, lease)
		if err != nil {
			return err
		}
		switch {
		case a.State == buildbtw.AttemptRunning:
			status, err = t.end(ctx, a, e)
			return err
		case a.State == buildbtw.AttemptFinished && a.Outcome == o:
			status = a.Result
			return nil
		}
		s.opts.Log.WarnContext(ctx, "late report of an attempt was ignored",
			"attempt", a.ID, "worker", a.Worker, "state", a.State, "outcome", a.Outcome, "reported", o)
		return buildbtw.Conflict("the attempt ended already (%s); this report changes nothing", a.Outcome)
	})
	if err != nil {
		return "", fmt.Errorf("end attempt as %s: %w", o, err)
	}
	return status, nil
}

// ending is how an attempt came to its end without packages.
type ending struct {
	outcome   buildbtw.Outcome
	message   string
	actor     string // whose doing it is; the worker's when empty
	doubtful  bool   // there is no evidence: it is tried once more
	blameless bool   // see buildbtw.Attempt
}

// end finishes an attempt and puts its build where the outcome says. The build
// of an attempt that was told to stop has been put somewhere when that was
// decided, so only the attempt ends.
func (t *tx) end(ctx context.Context, a *buildbtw.Attempt, e ending) (buildbtw.Status, error) {
	if !a.Stop {
		if err := t.moveEnded(ctx, a, e); err != nil {
			return "", err
		}
	}
	if _, err := t.exec(ctx, "note_attempt_end", args{"build": a.BuildID, "now": t.now}); err != nil {
		return "", err
	}
	b, err := t.build(ctx, a.BuildID)
	if err != nil {
		return "", err
	}
	running := a.State == buildbtw.AttemptRunning
	if err := t.finishAttempt(ctx, a, e, b.Status); err != nil || !running {
		return b.Status, err
	}
	return b.Status, t.checkHealth(ctx, a)
}

// finishAttempt is the only way to the state finished.
func (t *tx) finishAttempt(ctx context.Context, a *buildbtw.Attempt, e ending, result buildbtw.Status) error {
	before := a.State
	t.seen.ended = append(t.seen.ended, e.outcome)
	a.State, a.Outcome, a.Message, a.Blameless, a.Result, a.FinishedAt = buildbtw.AttemptFinished, e.outcome, e.message, e.blameless, result, &t.now
	return t.writeAttempt(ctx, a, "finish_attempt", args{
		"attempt": a.ID, "before": before, "outcome": a.Outcome, "message": a.Message, "blameless": a.Blameless, "result": a.Result, "now": t.now,
	})
}

// writeAttempt runs a statement that changes the state of one attempt.
func (t *tx) writeAttempt(ctx context.Context, a *buildbtw.Attempt, statement string, values args) error {
	n, err := t.exec(ctx, statement, values)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("attempt %d is in another state by now", a.ID)
	}
	t.note(Change{Builds: []int64{a.BuildID}})
	return nil
}

// moveEnded moves the build of an attempt that came to nothing. An attempt that
// calls itself cancelled though nobody asked it to stop has handed its build
// back.
func (t *tx) moveEnded(ctx context.Context, a *buildbtw.Attempt, e ending) error {
	c := change{actor: cmp.Or(e.actor, a.Worker), message: withError(e.message, a.ErrorText)}
	switch e.outcome {
	case buildbtw.OutcomeInfrastructure:
		c.cause = buildbtw.CauseInfrastructure
		if e.doubtful {
			return t.tryAgain(ctx, a.BuildID, min(doubtfulRetries, t.opts.MaxRetries), c)
		}
		return t.tryAgain(ctx, a.BuildID, t.opts.MaxRetries, c)
	case buildbtw.OutcomeLost:
		c.cause, c.actor = buildbtw.CauseLost, buildbtw.System
		if e.blameless { // nobody has begun it
			c.set = []string{"not_before = NULL"}
			return t.putBack(ctx, a.BuildID, c)
		}
		return t.tryAgain(ctx, a.BuildID, t.opts.MaxRetries, c)
	case buildbtw.OutcomeReleased, buildbtw.OutcomeCancelled:
		c.cause = buildbtw.CauseReleased
		return t.putBack(ctx, a.BuildID, c)
	}
	c.to, c.cause = buildbtw.StatusFailed, buildbtw.CauseFailed
	if err := t.moveOne(ctx, a.BuildID, c); err != nil {
		return err
	}
	return t.compare(ctx, a)
}

// withError adds to how an attempt ended the line of its log that says why, unless that is said
// already.
func withError(message, text string) string {
	if strings.Contains(message, text) {
		return message
	}
	return strings.TrimSpace(message + " First error: " + text)
}

// putBack makes a build pending again, or skips it when its iteration is over:
// that happens to one whose packages could not be published.
func (t *tx) putBack(ctx context.Context, build int64, c change) error {
	var state buildbtw.IterationState
	err := t.get(ctx, &state, "iteration_state_of_build", args{"build": build})
	if err != nil {
		return err
	}
	switch state {
	case buildbtw.IterationSuperseded:
		c = change{to: buildbtw.StatusSkipped, cause: buildbtw.CauseSuperseded, actor: c.actor, message: c.message}
	case buildbtw.IterationStopped:
		c = change{to: buildbtw.StatusSkipped, cause: buildbtw.CauseStopped, actor: c.actor, message: c.message}
	default:
		c.to = buildbtw.StatusPending
	}
	return t.moveOne(ctx, build, c)
}

// doubtfulRetries is how often a build is tried again for what it printed itself.
const doubtfulRetries = 1

// tryAgain makes the build pending after a pause, or failed when it was tried again
// so often already.
func (t *tx) tryAgain(ctx context.Context, build int64, most int, c change) error {
	b, err := t.build(ctx, build)
	if err != nil {
		return err
	}
	if b.Retries >= most {
		c.message = fmt.Sprintf("Given up after %d retries: %s", b.Retries, c.message)
		c.to, c.cause = buildbtw.StatusFailed, buildbtw.CauseFailed
		c.set = []string{"verdict = 'infrastructure'"}
		return t.moveOne(ctx, b.ID, c)
	}
	c.set = []string{"retries = retries + 1"}
	return t.postpone(ctx, b.ID, pause(b.Retries), c)
}

// postpone makes the build pending again after a pause of about d.
func (t *tx) postpone(ctx context.Context, build int64, d time.Duration, c change) error {
	c.set = append(c.set, "not_before = :not_before")
	c.args = args{"not_before": t.now.Add(t.opts.Jitter(d)).Truncate(time.Microsecond)}
	return t.putBack(ctx, build, c)
}

const (
	firstPause = 10 * time.Second
	maxPause   = 10 * time.Minute
)

// pause is how long a build waits after machines have failed it: three times as
// long each time.
func pause(retries int) time.Duration {
	d := firstPause
	for range retries {
		d = min(3*d, maxPause)
	}
	return d
}

// RunningAttempts gives the ids of all attempts that have a lease.
func (q *Reader) RunningAttempts(ctx context.Context) (ids []int64, err error) {
	if err := q.list(ctx, &ids, "running_attempts", nil); err != nil {
		return nil, fmt.Errorf("list running attempts: %w", err)
	}
	return ids, nil
}

// ExtendLeases gives these attempts at least d from now, as far as they run. The
// server calls it when it starts: no heartbeat could arrive while it was down, and a
// restart shall cost no running build. It gives those for which it failed.
func (s *Store) ExtendLeases(ctx context.Context, attempts []int64, d time.Duration) (failed []int64, err error) {
	failed, err = guard.Apart(attempts, func(ids []int64) error {
		return s.inTx(ctx, func(ctx context.Context, t *tx) error {
			until := t.now.Add(d).Truncate(time.Microsecond)
			_, err := t.exec(ctx, "extend_leases", args{"until": until, "attempts": idList(ids)})
			return err
		})
	})
	if err != nil {
		return failed, fmt.Errorf("extend the leases of attempts: %w", err)
	}
	return nil, nil
}

// ExpireLeases ends every running attempt whose deadline has passed as lost,
// and makes its build pending again, but those in spared. It gives those attempts.
// Each is a transaction of its own: one that cannot be ended is in the error, is
// tried again with growing pauses, and in the end given up, and keeps no other.
func (s *Store) ExpireLeases(ctx context.Context, spared ...int64) (over []buildbtw.Attempt, err error) {
	due, err := readable[buildbtw.Attempt](ctx, s.queries, "expired_leases", args{"now": s.now()})
	failures := []error{err}
	for _, a := range due {
		if slices.Contains(spared, a.ID) {
			continue
		}
		ended := false
		failure, err := s.expiring.Try(ctx, s.opts.Log, s.now(), a.ID, fmt.Sprintf("the lease of attempt %d of build %d is over, and the attempt cannot be ended", a.Number, a.BuildID), func() error {
			err := s.expire(ctx, &a)
			ended = err == nil
			if errors.Is(err, sql.ErrNoRows) { // a heartbeat came meanwhile
				return nil
			}
			return err
		})
		if err != nil && failure.Tries >= guard.GiveUpAfter && !buildbtw.MayPass(err) {
			if err = s.giveUp(ctx, a, failure.Tries, err); err == nil {
				s.expiring.Done(a.ID)
				ended = true
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("expire the lease of attempt %d: %w", a.ID, err))
		}
		if ended {
			over = append(over, a)
		}
	}
	return over, errors.Join(failures...)
}

// giveUp ends an attempt that cannot be ended as it should be: its build fails if it is
// running still, with the reason, so that a person can have it built again. What stands
// otherwise about the build stays as it is.
func (s *Store) giveUp(ctx context.Context, a buildbtw.Attempt, tries int, why error) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		message := fmt.Sprintf("The lease of %s is over, and the attempt could not be ended as lost in %d tries: %s Retry the build.", a.Worker, tries, buildbtw.MessageOf(why))
		moved, err := t.move(ctx, []int64{a.BuildID}, change{to: buildbtw.StatusFailed, cause: buildbtw.CauseFailed, actor: buildbtw.System, message: message, set: []string{"verdict = 'infrastructure'"}})
		if err != nil {
			return err
		}
		var result buildbtw.Status
		if len(moved) > 0 {
			result = buildbtw.StatusFailed
		}
		return t.finishAttempt(ctx, &a, ending{outcome: buildbtw.OutcomeLost, message: message, blameless: true}, result)
	})
}

func (s *Store) expire(ctx context.Context, a *buildbtw.Attempt) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if err := t.get(ctx, a, "expired_lease", args{"attempt": a.ID, "now": t.now}); err != nil {
			return err
		}
		e := ending{outcome: buildbtw.OutcomeLost, message: fmt.Sprintf("No heartbeat of %s since %s.", a.Worker, a.HeartbeatAt.UTC().Format(time.DateTime))}
		if !a.HeartbeatAt.After(a.StartedAt) {
			e = ending{outcome: buildbtw.OutcomeLost, blameless: true, message: a.Worker + " was never heard of after it was given the build: it seems not to have got the answer."}
		}
		if a.Stop {
			e = ending{outcome: buildbtw.OutcomeCancelled, message: a.Worker + " was told to stop and did not report back."}
		}
		_, err := t.end(ctx, a, e)
		return err
	})
}

// NextWake is when time alone will make something possible: a deadline passes,
// or a build's pause ends. False when nothing waits for a time.
func (s *Store) NextWake(ctx context.Context) (at time.Time, ok bool, err error) {
	var times []time.Time
	err = s.list(ctx, &times, "next_wake", args{"now": s.now()})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find next deadline: %w", err)
	}
	if len(times) == 0 {
		return time.Time{}, false, nil
	}
	return times[0], true, nil
}
