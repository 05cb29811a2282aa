// Package scheduler does what has to be done without anybody asking: it is the
// table of loops, and a short file for each whose pass is more than a call. The
// database is the queue; a lost wake-up costs one period.
package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/store"
)

// Config is what the scheduler works with. All fields but Bases are needed.
type Config struct {
	Store     *store.Store
	Mirror    *gitmirror.Mirror
	Repos     *pacmanrepo.Repos
	Bases     baserepo.Bases // the base repositories; may be empty: then nothing is known of the base
	Catalog   *catalog.Catalog
	Publisher *publish.Publisher
	Forge     *forge.Forge
	Log       *slog.Logger
	Now       func() time.Time

	SourceDirs  []string      // directories with one source in each subdirectory
	Lease       time.Duration // how long a lease lasts without a heartbeat
	SyncPeriod  time.Duration // between looks at the directories of sources
	GroupPeriod time.Duration // between looks at what was active in groups of projects; 0: a minute
	Debounce    time.Duration // how long a changeset must rest before its push makes an iteration
}

// Scheduler owns the loops.
type Scheduler struct {
	Config
	loops    []*Loop
	moved    moves
	followed map[int64]uint64 // by buildspace: the revision of the catalog with which its graph was compared last
	syncing  sync.Mutex       // one look at the sources at a time
}

// pushers is how many pushes are looked at at the same time: one repository
// that hangs must not hold up the others.
const pushers = 4

// New prepares a scheduler; Run starts it.
func New(c Config) *Scheduler {
	s := &Scheduler{Config: c, moved: moves{}, followed: map[int64]uint64{}}
	if s.GroupPeriod == 0 {
		s.GroupPeriod = time.Minute
	}
	table := []Loop{
		{
			Name:        "rescue",
			Description: "gives up attempts whose worker vanished and completes publications that a crash cut off",
			Period:      10 * time.Second, Pass: s.rescuePass, Next: c.Store.NextWake,
		}, {
			Name:        "sync",
			Description: "brings the mirror up to date with the sources and reads their .SRCINFO",
			Period:      c.SyncPeriod, Pass: s.syncPass,
		}, {
			Name:        "iterate",
			Description: "makes a new iteration where a changeset moved or somebody asked for one",
			Period:      10 * time.Second, Pass: s.iteratePass, Next: s.nextIteration,
		}, {
			Name:        "prune",
			Description: "removes uploads and packages that nothing needs any more",
			Period:      10 * time.Minute, Pass: c.Publisher.Prune,
		}, {
			Name:        "learn",
			Description: "puts what waits into the order that follows from the durations learned so far",
			Period:      30 * time.Second, Pass: s.learnPass,
		}, {
			Name:        "reuse",
			Description: "reuses earlier results, and skips dependents whose inputs did not change",
			Period:      10 * time.Second, Pass: c.Publisher.Reuse,
		}, {
			Name:        "base",
			Description: "reads the databases of the base repositories when they have changed",
			Period:      time.Hour, Pass: s.basePass,
		}, {
			Name:        "dispatch",
			Description: "hands pending builds to GitLab",
			Period:      10 * time.Second, Pass: c.Forge.Dispatch, Next: c.Forge.NextDispatch,
		}, {
			Name:        "observe",
			Description: "looks how the pipelines in GitLab stand, and cancels those that nobody wants",
			Period:      forge.ObservePeriod, Pass: c.Forge.Observe,
		}, {
			Name:        "groups",
			Description: "fetches the projects of GitLab groups in which something happened",
			Period:      s.GroupPeriod, Pass: c.Forge.MirrorGroups,
		}, {
			Name:        "ci-config",
			Description: "sets where projects describe their pipelines, a few at a time",
			Period:      time.Minute, Pass: c.Forge.SetCIConfigs,
		},
	}
	for i := range pushers {
		table = append(table, Loop{
			Name:        fmt.Sprintf("push-%d", i+1),
			Description: "fetches at once the project that a webhook named",
			Period:      time.Minute, Pass: c.Forge.FetchPushed,
		})
	}
	for _, l := range table {
		s.loops = append(s.loops, NewLoop(l))
	}
	c.Forge.OnWork(s.wakeAll)
	return s
}

// Loop returns the loop of that name. There must be one.
func (s *Scheduler) Loop(name string) *Loop {
	return s.loops[slices.IndexFunc(s.loops, func(l *Loop) bool { return l.Name == name })]
}

// Wake makes the scheduler look for iterations to make at once.
func (s *Scheduler) Wake() { s.Loop("iterate").Wake() }

// wakeAll wakes the loop of that name, or all loops of a numbered kind.
func (s *Scheduler) wakeAll(name string) {
	for _, l := range s.loops {
		if l.Name == name || strings.HasPrefix(l.Name, name+"-") {
			l.Wake()
		}
	}
}

// Prepare does what must be done before the first request is answered: it leaves
// running attempts the time to send a heartbeat, completes what a crash cut
// off, and reads the sources as the mirror has them.
func (s *Scheduler) Prepare(ctx context.Context) error {
	if err := s.Store.ExtendLeases(ctx, s.Lease); err != nil {
		return fmt.Errorf("extend the leases over the restart: %w", err)
	}
	if err := s.rescuePass(ctx); err != nil {
		return err
	}
	if err := s.Forge.Prepare(ctx); err != nil {
		return err
	}
	return s.Catalog.Refresh(ctx)
}

// Run runs all loops until the context ends, or until one of them panics. After
// every change in the store there may be something to reuse or to hand out.
func (s *Scheduler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	changed, cancel := s.Store.Subscribe()
	defer cancel()
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
				s.Loop("reuse").Wake()
				s.Loop("dispatch").Wake()
			}
		}
	})
	for _, l := range s.loops {
		group.Go(func() error { return l.Run(ctx, s.Log) })
	}
	return group.Wait()
}
