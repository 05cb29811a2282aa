package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"buildbtw"
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

// LeasedAttempt gives the attempt of a lease, and Conflict as Lease does.
func (q *Reader) LeasedAttempt(ctx context.Context, lease string) (id int64, err error) {
	err = q.get(ctx, &id, "valid_attempt_id_of_lease", args{"lease": lease})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errLeaseOver()
	}
	if err != nil {
		return 0, fmt.Errorf("look up lease: %w", err)
	}
	return id, nil
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
			status, err = t.end(ctx, a, ending{o, message})
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
	outcome buildbtw.Outcome
	message string
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
	a.State, a.Outcome, a.Message, a.Result, a.FinishedAt = buildbtw.AttemptFinished, e.outcome, e.message, result, &t.now
	return t.writeAttempt(ctx, a, "finish_attempt", args{
		"attempt": a.ID, "before": before, "outcome": a.Outcome, "message": a.Message, "result": a.Result, "now": t.now,
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
	c := change{actor: a.Worker, message: e.message}
	switch e.outcome {
	case buildbtw.OutcomeInfrastructure:
		c.cause = buildbtw.CauseInfrastructure
		return t.tryAgain(ctx, a.BuildID, c)
	case buildbtw.OutcomeLost:
		c.cause, c.actor = buildbtw.CauseLost, buildbtw.System
		return t.tryAgain(ctx, a.BuildID, c)
	case buildbtw.OutcomeReleased, buildbtw.OutcomeCancelled:
		c.cause = buildbtw.CauseReleased
		return t.putBack(ctx, a.BuildID, c)
	}
	c.to, c.cause = buildbtw.StatusFailed, buildbtw.CauseFailed
	return t.moveOne(ctx, a.BuildID, c)
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

// tryAgain makes the build pending after a pause, or failed when machines have
// failed it too often.
func (t *tx) tryAgain(ctx context.Context, build int64, c change) error {
	b, err := t.build(ctx, build)
	if err != nil {
		return err
	}
	if b.Retries >= t.opts.MaxRetries {
		c.message = fmt.Sprintf("Given up after %d retries: %s", b.Retries, c.message)
		c.to, c.cause = buildbtw.StatusFailed, buildbtw.CauseFailed
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

// ExtendLeases gives every running attempt at least d from now. The server
// calls it when it starts: no heartbeat could arrive while it was down, and a
// restart shall cost no running build.
func (s *Store) ExtendLeases(ctx context.Context, d time.Duration) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		until := t.now.Add(d).Truncate(time.Microsecond)
		_, err := t.exec(ctx, "extend_leases", args{"until": until})
		return err
	})
	if err != nil {
		return fmt.Errorf("extend leases: %w", err)
	}
	return nil
}

// ExpireLeases ends every running attempt whose deadline has passed as lost,
// and makes its build pending again. It gives those attempts.
func (s *Store) ExpireLeases(ctx context.Context) ([]buildbtw.Attempt, error) {
	var over []buildbtw.Attempt
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if err := t.list(ctx, &over, "expired_leases", args{"now": t.now}); err != nil {
			return err
		}
		for i := range over {
			a := &over[i]
			e := ending{buildbtw.OutcomeLost, fmt.Sprintf("No heartbeat of %s since %s.", a.Worker, a.HeartbeatAt.UTC().Format(time.DateTime))}
			if a.Stop {
				e = ending{buildbtw.OutcomeCancelled, a.Worker + " was told to stop and did not report back."}
			}
			if _, err := t.end(ctx, a, e); err != nil {
				return fmt.Errorf("attempt %d: %w", a.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("expire leases: %w", err)
	}
	return over, nil
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
