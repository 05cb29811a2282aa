// Package scheduler does what has to be done without anybody asking: it reads
// the sources, makes iterations, gives up lost attempts and completes what a
// crash cut off. The database is the queue; a lost wake-up costs one period.
package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Config is what the scheduler works with. All fields but Baseline, Bases and
// those of GroupConfig are needed.
type Config struct {
	Store         *store.Store
	Catalog       *catalog.Catalog
	Mirror        *gitmirror.Mirror
	Repos         *pacmanrepo.Repos
	Log           *slog.Logger
	Now           func() time.Time
	SourceDirs    []string       // directories with one source in each subdirectory
	Architectures []string       // what the server builds for
	Lease         time.Duration  // how long a lease lasts without a heartbeat
	SyncPeriod    time.Duration  // between looks at the sources
	Debounce      time.Duration  // how long a changeset must rest before its push makes an iteration
	Baseline      Baseline       // what the base offers; nil: Bases
	Bases         baserepo.Bases //  the base repositories; may be empty: then nothing is known of the base

	GroupConfig
	PipelineConfig
}

// Scheduler owns the loops.
type Scheduler struct {
	Config
	moved      moves
	followed   map[int64]uint64   // by buildspace: the revision of the catalog with which its graph was compared last
	publishing singleflight.Group // by attempt
	syncing    sync.Mutex         // one look at the sources at a time
	forecasts  forecasts
	groups     groupNotes
	pushes     pushes // that webhooks told of
	down       outage // of GitLab, for loop dispatch
	told       told   // by GitLab, for loop observe

	sync, iterate, rescue, prune, learn, reuse, refresh, dispatch, observe, group, ci *Loop
	push                                                                              [pushers]*Loop
}

// New prepares a scheduler; Run starts it.
func New(c Config) *Scheduler {
	s := &Scheduler{Config: c, moved: moves{}, followed: map[int64]uint64{}}
	s.sync = loop(Loop{
		Name:        "sync",
		Description: "brings the mirror up to date with the sources and reads their .SRCINFO",
		Period:      c.SyncPeriod,
		Pass:        s.syncPass,
	})
	s.iterate = loop(Loop{
		Name:        "iterate",
		Description: "makes a new iteration where a changeset moved or somebody asked for one",
		Period:      10 * time.Second,
		Pass:        s.iteratePass,
		Next:        s.nextSettled,
	})
	s.rescue = loop(Loop{
		Name:        "rescue",
		Description: "gives up attempts whose worker vanished and completes publications that a crash cut off",
		Period:      10 * time.Second,
		Pass:        s.rescuePass,
		Next:        c.Store.NextWake,
	})
	s.prune = loop(Loop{
		Name:        "prune",
		Description: "removes uploads and packages that nothing needs any more",
		Period:      10 * time.Minute,
		Pass:        s.prunePass,
	})
	s.learn = loop(Loop{
		Name:        "learn",
		Description: "puts what waits into the order that follows from the durations learned so far",
		Period:      30 * time.Second,
		Pass:        s.learnPass,
	})
	s.reuse = loop(Loop{
		Name:        "reuse",
		Description: "reuses earlier results, and skips dependents whose inputs did not change",
		Period:      10 * time.Second,
		Pass:        s.reusePass,
	})
	s.refresh = loop(Loop{
		Name:        "base",
		Description: "reads the databases of the base repositories when they have changed",
		Period:      time.Hour,
		Pass:        s.basePass,
	})
	s.dispatch = loop(Loop{
		Name:        "dispatch",
		Description: "hands pending builds to GitLab",
		Period:      10 * time.Second,
		Pass:        s.dispatchPass,
		Next:        s.nextDispatch,
	})
	s.observe = loop(Loop{
		Name:        "observe",
		Description: "looks how the pipelines in GitLab stand, and cancels those that nobody wants",
		Period:      observePeriod,
		Pass:        s.observePass,
	})
	s.groupLoops()
	if s.Baseline == nil {
		s.Baseline = s.Bases
	}
	return s
}

func loop(l Loop) *Loop {
	l.wake = make(chan struct{}, 1)
	return &l
}

// Loops lists all loops, for logs and documentation.
func (s *Scheduler) Loops() []*Loop {
	return append([]*Loop{s.rescue, s.sync, s.iterate, s.prune, s.learn, s.reuse, s.refresh, s.dispatch, s.observe, s.group, s.ci}, s.push[:]...)
}

// Wake makes the scheduler look for iterations to make at once.
func (s *Scheduler) Wake() { s.iterate.Wake() }

// Prepare does what must be done before the first request is answered: it gives
// running attempts the time to be heard of again, completes what a crash cut
// off, and reads the sources as the mirror has them.
func (s *Scheduler) Prepare(ctx context.Context) error {
	if err := s.Store.ExtendLeases(ctx, s.Lease); err != nil {
		return fmt.Errorf("extend the leases over the restart: %w", err)
	}
	if err := s.rescuePass(ctx); err != nil {
		return err
	}
	if err := s.prepareGroups(ctx); err != nil {
		return err
	}
	return s.Catalog.Refresh(ctx)
}

// Run runs all loops until the context ends, or until one of them panics.
func (s *Scheduler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		s.wakeOnChange(ctx)
		return nil
	})
	for _, l := range s.Loops() {
		group.Go(func() error { return l.run(ctx, s.Log) })
	}
	return group.Wait()
}
