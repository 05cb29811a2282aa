// Package simulation runs the real store and the real loops of the scheduler
// against virtual workers in virtual time. It measures how close the order of
// builds comes to the best possible one, and checks that failures, lost workers
// and retries break no invariant. Hours of a worker's time take milliseconds:
// nothing is built, and no packages are written into repositories.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/scheduler"
	"buildbtw/store"
	"buildbtw/store/invariants"
)

// Options are the settings of a simulation. Plan, Seconds, Workers and Dir are
// needed.
type Options struct {
	Plan     *buildgraph.Plan
	Seconds  func(pkgbase string) float64 // the real duration of a build
	Workers  int
	Failures float64 // share of the builds whose first whole attempt fails; a person retries them at once
	Kills    float64 // share of the attempts in which the machine dies
	Seed     uint64
	Learn    bool          // run the loop that learns durations
	Lease    time.Duration // of an attempt; a minute when 0
	Check    int           // events between checks of the invariants; 0: at the end only
	Dir      string        // for the database; empty and on a fast disk
}

const (
	// awayTime is how long a machine that died is away after its lease has run
	// out. One that comes back before would get its build again, and nothing
	// would be lost.
	awayTime = 30 * time.Second
	// asideTime is how long a worker stays quarantined until a person resumes
	// it.
	asideTime = time.Hour
	// learnEvery is how many builds are built between passes of the learning
	// loop. On a server it is a time.
	learnEvery = 100
)

// start is when virtual time begins.
func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// run is a simulation in progress. Everything happens in one goroutine.
type run struct {
	Options
	dice      dice
	now       time.Time
	store     *store.Store
	scheduler *scheduler.Scheduler
	checker   *invariants.Checker
	queue     queue
	workers   []*worker
	rescues   time.Time      // next run of the loop that gives up lost attempts; zero: not planned
	lost      map[int64]bool // builds whose machine died, until they are handed out again
	result    Result
	spent     map[int64]float64 // seconds that attempts of a build took
	failed    map[int64]bool    // builds that have had their failure
}

// Run simulates until the iteration is done. The error is a failure of the
// simulation itself; broken invariants are in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Workers < 1 {
		return Result{}, buildbtw.Invalid("a simulation needs at least one worker")
	}
	if o.Lease == 0 {
		o.Lease = time.Minute
	}
	r := &run{Options: o, dice: dice{o.Seed}, now: start(), spent: map[int64]float64{}, lost: map[int64]bool{}, failed: map[int64]bool{}}
	began := time.Now()
	err := r.open(ctx)
	if err == nil {
		err = r.play(ctx)
	}
	r.result.Took = time.Since(began)
	return r.result, errors.Join(err, r.close())
}

// open makes the store, the scheduler over it, and the iteration.
func (r *run) open(ctx context.Context) (err error) {
	quiet := slog.New(slog.DiscardHandler)
	path := filepath.Join(r.Dir, "buildbtw.sqlite")
	r.store, err = store.Open(ctx, path, store.Options{
		Now: func() time.Time { return r.now }, Log: quiet, NewLease: r.dice.lease(), Jitter: r.dice.jitter(),
	})
	if err != nil {
		return err
	}
	if r.checker, err = invariants.New(ctx, path); err != nil {
		return err
	}
	mirror, err := gitmirror.Open(ctx, filepath.Join(r.Dir, "sources.git"))
	if err != nil {
		return err
	}
	repos, err := pacmanrepo.Open(filepath.Join(r.Dir, "repos"), pacmanrepo.Options{Log: quiet})
	if err != nil {
		return err
	}
	now := func() time.Time { return r.now }
	sources := catalog.New(catalog.Config{Mirror: mirror, BaseRef: "main", Architectures: architectures(r.Plan)})
	r.scheduler = scheduler.New(scheduler.Config{
		Store: r.store, Mirror: mirror, Repos: repos, Catalog: sources, Log: quiet, Now: now,
		Publisher: publish.New(publish.Config{Store: r.store, Repos: repos, Mirror: mirror, Log: quiet}),
		Forge:     forge.New(forge.Config{}),
		Lease:     r.Lease, SyncPeriod: time.Hour, Debounce: time.Second,
	})
	return r.create(ctx)
}

// create makes the buildspace and its iteration. Reuse and cut-off are off: the
// simulation is about the order, and every build is to be executed.
func (r *run) create(ctx context.Context) error {
	settings := buildbtw.DefaultSettings()
	settings.Scope, settings.Reuse, settings.CutOff = buildbtw.ScopeAll, false, false
	space, err := r.store.CreateBuildspace(ctx, "simulation", buildbtw.Buildspace{Name: "simulation", Settings: settings},
		[]buildbtw.Changeset{{Source: "simulation"}})
	if err != nil {
		return err
	}
	_, err = r.store.CreateIteration(ctx, store.NewIteration{
		BuildspaceID: space.ID, Revision: space.Revision, Reason: buildbtw.IterationCreated, Plan: r.Plan,
	})
	for n := range r.Workers {
		r.workers = append(r.workers, &worker{name: fmt.Sprintf("w%03d", n)})
	}
	return err
}

func architectures(p *buildgraph.Plan) []string {
	var list []string
	for arch := range p.Architectures {
		list = append(list, arch)
	}
	return list
}

func (r *run) close() error {
	var errs []error
	if r.checker != nil {
		errs = append(errs, r.checker.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}

// play runs the events in the order of virtual time until none is left.
func (r *run) play(ctx context.Context) error {
	if err := r.dispatch(ctx); err != nil {
		return err
	}
	for r.queue.Len() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := r.queue.next()
		r.now = e.at
		if e.stale() {
			continue
		}
		if err := e.do(ctx); err != nil {
			return fmt.Errorf("at %s: %w", r.now.Sub(start()), err)
		}
		r.result.Events++
		if r.Check > 0 && r.result.Events%r.Check == 0 {
			if err := r.check(ctx); err != nil {
				return err
			}
		}
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.conclude(ctx)
}

// maxViolations is how many broken invariants are reported.
const maxViolations = 20

func (r *run) check(ctx context.Context) error {
	found, err := r.checker.Violations(ctx)
	if err != nil {
		return err
	}
	r.result.Checks++
	for _, v := range found[:min(len(found), maxViolations-min(maxViolations, len(r.result.Violations)))] {
		r.result.Violations = append(r.result.Violations, fmt.Sprintf("after %d events: %s", r.result.Events, v))
	}
	return nil
}
