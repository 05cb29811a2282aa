package runners

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// Options are an agent's settings. Client, Worker, Architectures, Runners and
// WorkDir are needed; the rest has defaults.
type Options struct {
	Client        *api.Client // with Backoff(log), so that it waits for an absent server
	Worker        string      // name of this machine
	Architectures []string
	Labels        []string
	Version       string
	Runners       []Runner // in order of preference; all must have been probed
	Slots         int      // builds at the same time; 0: 1
	WorkDir       string   // for this process alone; see openWorkDir
	SecretDir     string   // of the secret that all agents of this worker claim with; empty: WorkDir
	Log           *slog.Logger

	Drain         time.Duration // how long running builds may go on after ctx has ended before they are handed back
	Wait          time.Duration // of the long poll; 0: api.MaxWait
	LogInterval   time.Duration // between two chunks of log; 0: 200 ms
	LogPatience   time.Duration // for the rest of the log after a build's end; 0: 10 min
	GiveUp        time.Duration // without any contact to the server a build is given up after this; 0: 1 h
	SourceTimeout time.Duration // for fetching a source tree; 0: 15 min
	Retry         time.Duration // between claims after a failed one; 0: 5 s
	Tail          int64         // bytes of the log's end that a Report carries
	KeepFailed    time.Duration // how long the directories of builds that failed are kept for a Sheller; 0: not at all
}

// Agent claims builds, one per slot at a time, and sees each through to its
// report.
type Agent struct {
	Options
	work     *workDir
	running  atomic.Int64 // builds
	answered atomic.Bool  // the server has answered a claim
	noBuilds reminder     // the server has said that this worker gets no new builds
	identity identity

	released context.Context // ends when running builds are to be handed back
	release  context.CancelFunc
}

// Backoff returns how a worker's client repeats calls: it outlasts restarts of the
// server, and its pauses keep a thousand workers from rushing at one that comes
// back. That the server does not answer is said at once, and then every minute.
func Backoff(log *slog.Logger) api.Backoff {
	var remind reminder
	return api.Backoff{
		First: 100 * time.Millisecond, Max: 5 * time.Second, Tries: 20, Patience: time.Hour,
		Notify: func(err error, pause time.Duration) {
			log.Debug("a call is repeated", "error", err, "pause", pause)
			if remind.due("") {
				log.Warn("the server does not answer; trying again", "error", err)
			}
		},
	}
}

// remindEvery is the time between two lines about trouble that lasts.
const remindEvery = time.Minute

// reminder keeps lines about trouble that lasts apart.
type reminder struct {
	mu   sync.Mutex
	text string
	last time.Time
}

// due reports whether the text is another one than last time, or a while has passed.
func (r *reminder) due(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text == r.text && time.Since(r.last) < remindEvery {
		return false
	}
	r.text, r.last = text, time.Now()
	return true
}

// differs reports whether the text is another one than last time; the first time
// that was none.
func (r *reminder) differs(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.text
	r.text = text
	return text != before
}

// NewAgent locks the work directory for this process and removes the files of a killed
// predecessor. Close unlocks it.
func NewAgent(o Options) (*Agent, error) {
	o.Slots = max(o.Slots, 1)
	o.Wait = cmp.Or(o.Wait, api.MaxWait*time.Second)
	o.LogInterval = cmp.Or(o.LogInterval, 200*time.Millisecond)
	o.LogPatience = cmp.Or(o.LogPatience, 10*time.Minute)
	o.GiveUp = cmp.Or(o.GiveUp, time.Hour)
	o.SourceTimeout = cmp.Or(o.SourceTimeout, 15*time.Minute)
	o.Retry = cmp.Or(o.Retry, 5*time.Second)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	a := &Agent{Options: o}
	worker := buildbtw.Worker{Name: o.Worker, Architectures: o.Architectures, Labels: o.Labels, Runners: a.runnerNames(), Version: o.Version}
	if err := worker.Validate(); err != nil {
		return nil, err
	}
	work, err := openWorkDir(o.WorkDir, o.KeepFailed)
	if err != nil {
		return nil, err
	}
	a.work = work
	if a.identity, err = openIdentity(cmp.Or(o.SecretDir, work.path)); err != nil {
		work.close()
		return nil, err
	}
	a.released, a.release = context.WithCancel(context.Background())
	return a, nil
}

// Close unlocks the work directory. Run must have returned.
func (a *Agent) Close() { a.work.close() }

// Run claims and builds until ctx ends. Then it claims no more, lets running
// builds finish for Options.Drain, hands the others back, and returns nil. It
// returns early only when the server refuses this worker for good.
func (a *Agent) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var slots sync.WaitGroup
	if a.KeepFailed > 0 {
		sweeper, end := context.WithCancel(context.WithoutCancel(ctx))
		swept := make(chan struct{})
		go func() {
			defer close(swept)
			a.sweepKept(sweeper)
		}()
		defer func() {
			end()
			<-swept
		}()
	}
	for slot := range a.Slots {
		slots.Go(func() {
			if err := a.serve(ctx, slot); err != nil {
				stop(err)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		slots.Wait()
		close(ended)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(a.Drain):
		a.Release()
		<-ended
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// Release hands running builds back at once, without waiting for the rest of
// the drain time.
func (a *Agent) Release() { a.release() }

// afterRelease calls f when d has passed after Release, unless the returned
// function is called before.
func (a *Agent) afterRelease(d time.Duration, f func()) (cancel func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-a.released.Done():
		case <-done:
			return
		}
		select {
		case <-time.After(d):
			f()
		case <-done:
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// tokenPatience is how long a server that knew this worker may refuse its token.
const tokenPatience = time.Minute

// serve claims and builds for one slot until ctx ends.
func (a *Agent) serve(ctx context.Context, slot int) error {
	var remind reminder
	var refused time.Time // when the token was first refused since it was last accepted
	for ctx.Err() == nil {
		if err := CheckRoom(a.work.path); err != nil {
			if remind.due(err.Error()) {
				a.Log.Error("the disk is full", "error", err)
			}
			Pause(ctx, a.Retry)
			continue
		}
		job, err := a.claim(ctx, slot)
		kind := buildbtw.KindOf(err)
		if kind != buildbtw.KindUnauthenticated {
			refused = time.Time{}
		} else if refused.IsZero() {
			refused = time.Now()
		}
		switch {
		case ctx.Err() != nil && job == nil:
			return nil
		case kind == buildbtw.KindUnauthenticated && a.answered.Load() && time.Since(refused) < min(tokenPatience, a.GiveUp):
			// A server that was started again has left a new token, or is about to.
			a.Log.Warn("the server does not know the token; reading it again")
			Pause(ctx, a.Retry)
			continue
		case slices.Contains([]buildbtw.Kind{buildbtw.KindUnauthenticated, buildbtw.KindForbidden, buildbtw.KindInvalid}, kind):
			// Asking again cannot help.
			return fmt.Errorf("claim builds as %s: %w", a.Worker, err)
		case err != nil:
			if remind.due(err.Error()) {
				a.Log.Warn("no build could be claimed; trying again", "error", err)
			}
			Pause(ctx, a.Retry)
		case job != nil:
			a.runAttempt(slot, *job, "")
		}
	}
	return nil
}

// claim asks for a build. A claim that is under way when ctx ends may have been
// granted: the same worker and slot get that build again, or its lease runs out.
// The first one does not wait for work: its answer says that the server knows this worker.
func (a *Agent) claim(ctx context.Context, slot int) (*api.Job, error) {
	wait := a.Wait
	if !a.answered.Load() {
		wait = 0
	}
	job, none, err := a.Client.Claim(ctx, api.ClaimRequest{
		Worker: a.Worker, Architectures: a.Architectures, Runners: a.runnerNames(),
		Labels: a.Labels, Version: a.Version, Slot: slot, Secret: a.identity.secret, Instance: a.identity.instance,
		Wait: int(wait.Seconds()), Machine: a.machine(), Confirms: true,
	})
	if err == nil && a.answered.CompareAndSwap(false, true) {
		a.Log.Info("worker is ready: the server has answered")
	}
	if err == nil && job == nil && a.noBuilds.differs(none) {
		if none == "" {
			none = "gets new builds again"
		}
		a.Log.Info(none)
	}
	return job, err
}

func (a *Agent) runnerNames() []string {
	names := make([]string, 0, len(a.Runners))
	for _, r := range a.Runners {
		names = append(names, r.Name())
	}
	return names
}

// runnerFor returns the runner that a job names, or the preferred one.
func (a *Agent) runnerFor(name string) Runner {
	for _, r := range a.Runners {
		if name == "" || r.Name() == name {
			return r
		}
	}
	return nil
}
