// Package scheduler does the work that no request asks for, such as making iterations and
// ending lost leases: it has the table of loops, and a short file for each loop whose pass
// is more than a call. The database is the queue; a lost wake-up costs one period.
package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handover"
	"buildbtw/internal/guard"
	"buildbtw/notify"
	"buildbtw/offload"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/store"
)

// Config has the parts that the scheduler calls. All fields but Bases, Handover, Retention,
// Objects, Auth and Notifier are required.
type Config struct {
	Store     *store.Store
	Mirror    *gitmirror.Mirror
	Repos     *pacmanrepo.Repos
	Bases     baserepo.Bases // the base repositories; may be empty: then nothing is known of the base
	Catalog   *catalog.Catalog
	Publisher *publish.Publisher
	Handover  *handover.Handover // nil: nothing is released
	Retention *retention.Keeper  // nil: nothing is ever removed
	Objects   *offload.Mover     // nil: nothing is moved to object storage
	Forge     *forge.Forge
	Auth      *auth.Auth       // nil: there are no accounts to look after
	Notifier  *notify.Notifier // nil: nobody is told anything
	Log       *slog.Logger
	Now       func() time.Time

	SourceDirs  []string      // directories with one source in each subdirectory
	Lease       time.Duration // how long a lease lasts without a heartbeat
	SyncPeriod  time.Duration // between looks at the directories of sources
	GroupPeriod time.Duration // between requests for the activity of groups of projects; 0: a minute
	BasePeriod  time.Duration // between looks at the base repositories; 0: an hour
	Debounce    time.Duration // how long a changeset must rest before its push makes an iteration
}

// Scheduler owns the loops.
type Scheduler struct {
	Config
	loops      []*Loop
	restarted  bool    // the leases are still to be extended over the restart
	unextended []int64 // attempts of which that failed
	wishes     guard.Items[wish]
	graphs     guard.Items[int64] // of buildspaces that follow them
	comparing  guard.Items[int64] // by failed build
	moved      moves
	followed   map[int64]uint64 // by buildspace: the revision of the catalog with which its graph was compared last
	unmade     int              // passes in a row that could not make all lost bumps anew
	syncing    sync.Mutex       // one look at the sources at a time; guards sources
	sources    sources
}

// pushers is how many pushes are looked at at the same time: one repository
// that hangs must not hold up the others.
const pushers = 4

// New prepares a scheduler; Run starts it.
func New(c Config) *Scheduler {
	s := &Scheduler{Config: c, moved: moves{}, followed: map[int64]uint64{}}
	s.GroupPeriod, s.BasePeriod = cmp.Or(s.GroupPeriod, time.Minute), cmp.Or(s.BasePeriod, time.Hour)
	table := []Loop{
		{
			Name:        "rescue",
			Description: "gives up attempts whose worker vanished and completes publications that a crash cut off",
			Period:      10 * time.Second, Pass: s.rescuePass, Next: c.Store.NextWake,
		}, {
			Name:        "sync",
			Description: "brings the mirror up to date with the sources and reads their .SRCINFO",
			Limit:       longLimit,
			Period:      c.SyncPeriod, Pass: s.syncPass,
		}, {
			Name:        "iterate",
			Description: "makes a new iteration where a changeset moved or somebody asked for one",
			Period:      10 * time.Second, Pass: s.iteratePass, Next: s.nextIteration,
		}, {
			Name:        "prune",
			Description: "removes uploads, packages and commits of rebuilds that nothing needs any more",
			Limit:       longLimit,
			Period:      10 * time.Minute, Pass: s.prunePass, Next: s.nextPrune,
		}, {
			Name:        "access",
			Description: "removes sessions and tokens that have ended, and what is oldest in the audit",
			Period:      time.Hour, Pass: c.Store.PruneAccess,
		}, {
			Name:        "learn",
			Description: "puts what waits into the order that follows from the durations learned so far",
			Period:      30 * time.Second, Pass: s.learnPass,
		}, {
			Name:        "blocked",
			Description: "counts what failures block in all active buildspaces, for the home page",
			Period:      10 * time.Second, Pass: c.Store.CountBlocked,
		}, {
			Name:        "reuse",
			Description: "reuses earlier results, and skips dependents whose inputs did not change",
			Period:      10 * time.Second, Pass: c.Publisher.Reuse,
		}, {
			Name:        "compare",
			Description: "has failed builds that are not known on the base built on it, and ends what nobody compares with any more",
			Period:      10 * time.Second, Pass: s.comparePass,
		}, {
			Name:        "base",
			Description: "reads the databases of the base repositories when they have changed",
			Limit:       longLimit,
			Period:      s.BasePeriod, Pass: s.basePass,
		}, {
			Name:        "dispatch",
			Description: "hands pending builds to GitLab",
			Limit:       longLimit,
			Period:      10 * time.Second, Pass: c.Forge.Dispatch, Next: c.Forge.NextDispatch,
		}, {
			Name:        "observe",
			Description: "looks how the pipelines in GitLab stand, and cancels those that nobody wants",
			Limit:       longLimit,
			Period:      forge.ObservePeriod, Pass: c.Forge.Observe,
		}, {
			Name:        "groups",
			Description: "fetches the projects of GitLab groups in which something happened",
			Limit:       longLimit,
			Period:      s.GroupPeriod, Pass: c.Forge.MirrorGroups,
		}, {
			Name:        "ci-config",
			Description: "sets where projects describe their pipelines, a few at a time",
			Limit:       longLimit,
			Period:      time.Minute, Pass: c.Forge.SetCIConfigs,
		},
	}
	table = append(table, s.checkLoop(), s.repeatLoop(), s.integrityLoop())
	table = append(table, optionalLoops(c)...)
	table = append(table, pushLoops(c)...)
	for _, l := range table {
		s.loops = append(s.loops, NewLoop(l))
	}
	c.Forge.OnWork(s.wakeAll)
	if c.Retention != nil {
		c.Retention.OnMarked(s.Loop("retention").Wake)
	}
	c.Mirror.OnLate(s.Loop("sync").Wake)
	return s
}

// pushLoops fetch the projects that webhooks name, several at a time.
func pushLoops(c Config) []Loop {
	loops := make([]Loop, 0, pushers)
	for i := range pushers {
		loops = append(loops, Loop{
			Name:        fmt.Sprintf("push-%d", i+1),
			Description: "fetches at once the project that a webhook named",
			Limit:       longLimit,
			Period:      time.Minute, Pass: c.Forge.FetchPushed,
		})
	}
	return loops
}

// optionalLoops are those of parts that a server may lack.
func optionalLoops(c Config) []Loop {
	var loops []Loop
	if c.Auth != nil {
		loops = append(loops, rolesLoop(c))
	}
	if c.Retention != nil {
		loops = append(loops, Loop{
			Name:        "retention",
			Description: "removes what the policy keeps no longer and what people deleted, and compresses logs",
			Period:      10 * time.Minute, Pass: c.Retention.Pass,
		})
	}
	if c.Objects != nil && c.Objects.Bucket != nil {
		loops = append(loops, Loop{
			Name:        "objects",
			Description: "moves logs that are rarely read to object storage, and compares that with the database",
			Limit:       longLimit,
			Period:      5 * time.Minute, Pass: c.Objects.Pass,
		})
	}
	if c.Handover != nil {
		loops = append(loops, Loop{
			Name:        "release",
			Description: "hands confirmed releases over to their targets",
			Limit:       longLimit,
			Period:      10 * time.Second, Pass: c.Handover.Advance,
		}, Loop{
			Name:        "sign",
			Description: "asks the signer for signatures of releases that wait for them",
			Limit:       longLimit,
			Period:      10 * time.Second, Pass: c.Handover.Sign,
		})
	}
	if c.Notifier != nil {
		loops = append(loops, Loop{
			Name:        "notify",
			Description: "tells those who follow a buildspace about its turns",
			Period:      5 * time.Second, Pass: c.Notifier.Pass, Next: c.Notifier.Next,
		})
	}
	return loops
}

// rolesLoop ends roles that the OIDC provider no longer confirms.
func rolesLoop(c Config) Loop {
	return Loop{
		Name:        "roles",
		Description: "asks the OIDC provider who is still in which groups, and ends the roles that nobody vouches for",
		Limit:       longLimit,
		Period:      c.Auth.RolePeriod(), Pass: c.Auth.CheckRoles,
	}
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
// off, and reads the sources as the mirror has them. Failures are logged
// and left to the loops: a server that does not start could show nobody the cause. The
// error is that of ctx.
func (s *Scheduler) Prepare(ctx context.Context) error {
	s.restarted = true // no heartbeat could arrive while the server was down
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"complete what the end of the server before cut off", s.rescuePass},
		{"make the repositories what the database says", s.Publisher.Restore},
		{"finish what is being handed over", s.handOver},
		{"load the state of the groups in GitLab", s.Forge.Prepare},
		{"read the sources as they were mirrored", func(ctx context.Context) error {
			s.prepareSources(ctx)
			return nil
		}},
	} {
		err := guard.Run(func() error { return step.do(ctx) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			guard.Log(ctx, s.Log, "a step of the start failed; the server starts without it", err, "step", step.what)
		}
	}
	return nil
}

// handOver finishes the releases that a crash cut off, and gives new targets their first
// databases.
func (s *Scheduler) handOver(ctx context.Context) error {
	if s.Handover == nil {
		return nil
	}
	return s.Handover.Advance(ctx)
}

// States returns how the passes of the loops went.
func (s *Scheduler) States() []buildbtw.LoopState {
	states := make([]buildbtw.LoopState, len(s.loops))
	for i, l := range s.loops {
		states[i] = l.State()
	}
	return states
}

// Run runs all loops until the context ends. After every change in the store
// there may be something to reuse or to hand out.
func (s *Scheduler) Run(ctx context.Context) {
	var group sync.WaitGroup
	changed, cancel := s.Store.Subscribe()
	defer cancel()
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				s.Loop("reuse").Wake()
				s.Loop("dispatch").Wake()
				s.Loop("compare").Wake()
				s.wakeAll("release")
				s.wakeAll("sign")
			}
		}
	})
	for _, l := range s.loops {
		group.Go(func() { l.Run(ctx, s.Log) })
	}
	group.Wait()
}
