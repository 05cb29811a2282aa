package runners

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// leaseState is the state of an attempt's lease, as contexts: build and log are
// children of ctx.
type leaseState struct {
	ctx  context.Context // ends with the lease
	over context.CancelCauseFunc

	build context.Context // ends when the build is to end
	stop  context.CancelCauseFunc

	log     context.Context // ends when the log is not delivered any more
	stopLog context.CancelFunc

	finishing *atomic.Bool // the result is on its way: only its answer counts
}

func newLeaseState() leaseState {
	var l leaseState
	l.ctx, l.over = context.WithCancelCause(context.Background())
	l.build, l.stop = context.WithCancelCause(l.ctx)
	l.log, l.stopLog = context.WithCancel(l.ctx)
	l.finishing = &atomic.Bool{}
	return l
}

// ended returns why the lease has ended, or nil.
func (l *leaseState) ended() error {
	if l.ctx.Err() == nil {
		return nil
	}
	return context.Cause(l.ctx)
}

// shortestBeat bounds how often heartbeats are sent, whatever a server asks for.
const shortestBeat = 50 * time.Millisecond

// beat renews the lease until the attempt has ended. It waits for nothing else,
// so neither a hanging build nor a slow upload costs the lease.
func (t *attempt) beat() {
	interval := max(seconds(t.job.Heartbeat), shortestBeat)
	contact := time.Now()
	away := false
	for first := true; ; first = false {
		if !first { // the first one tells the server that its answer has arrived
			Pause(t.lease.ctx, interval)
		}
		if t.lease.ctx.Err() != nil {
			return
		}
		answer, err := t.agent.Client.Heartbeat(t.lease.ctx, t.job.Lease, api.HeartbeatRequest{Machine: t.agent.machine()})
		switch {
		case err == nil:
			if away {
				t.log.Info("the server is back")
			}
			contact, away = time.Now(), false
			if answer.Action == api.Stop {
				stopped := errStopped
				if answer.Reason != "" {
					stopped = fmt.Errorf("%w: %s", errStopped, answer.Reason)
				}
				t.lease.stop(stopped)
			}
		case t.lease.ctx.Err() != nil:
			return
		case slices.Contains([]buildbtw.Kind{buildbtw.KindConflict, buildbtw.KindNotFound, buildbtw.KindForbidden}, buildbtw.KindOf(err)):
			// There is no such lease any more.
			t.lose(fmt.Errorf("%w: %w", errLeaseOver, err))
		case buildbtw.KindOf(err) == buildbtw.KindUnauthenticated:
			// The token was revoked, or the server has just been started again and left a
			// new one. Without heartbeats the lease runs out.
			if time.Since(contact) > seconds(t.job.LeaseSeconds) {
				t.lose(fmt.Errorf("%w: %w", errLeaseOver, err))
			}
		default:
			if !away {
				t.log.Warn("the server does not answer; the build goes on", "error", err)
			}
			away = true
			if time.Since(contact) > t.agent.GiveUp {
				t.lose(fmt.Errorf("%w: the server has been away for %s", errLeaseOver, t.agent.GiveUp))
			}
		}
	}
}

// lose ends the attempt without a report, unless its result is on the way: then
// the lease may have ended because the result has arrived.
func (t *attempt) lose(cause error) {
	if !t.lease.finishing.Load() {
		t.lease.over(cause)
	}
}
