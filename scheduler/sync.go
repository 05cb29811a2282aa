package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
)

// The pause after a pass over the sources that found no change is so many times as long
// as the pass, up to a bound: both are larger when nothing has moved for a while, as on an
// idle server at night. One that found changes, as the first after a start does, spends
// its time on those; the next is soon.
const (
	syncShare, idleShare = 20, 500
	syncPause, idlePause = 30 * time.Second, 2 * time.Minute
	idleAfter            = 10 * time.Minute
)

// pause returns the time until the next look at the sources, after a pass that took so
// long, when the last change was seen so long before it; less than 0: it was the pass
// itself that saw it.
func pause(took, still, period time.Duration) time.Duration {
	if still < 0 {
		return max(period, min(took, syncPause))
	}
	if still < idleAfter {
		return max(period, min(syncShare*took, syncPause))
	}
	return max(period, min(idleShare*took, idlePause))
}

// sources is the state of the directories of sources between passes.
type sources struct {
	retained bool      // sources of directories that are no longer given have been removed
	moved    time.Time // when a change was last seen
	stale    bool      // the catalog is older than the mirror
	filling  bool      // the mirror is filled for the first time, or anew: until that is done the catalog is as before
}

// syncPass is the loop's pass.
func (s *Scheduler) syncPass(ctx context.Context) error {
	started := time.Now()
	waiting, err := s.readSources(ctx)
	loop := s.Loop("sync")
	loop.Period = pause(time.Since(started), started.Sub(s.sources.moved), s.SyncPeriod)
	if waiting > 0 {
		loop.Wake()
	}
	s.Catalog.SetNextScan(time.Now().Add(loop.Period))
	return err
}

// LookAt looks at a source, or at all when slug is empty, at once, also in their
// pauses after failures. It does not wait for the result.
func (s *Scheduler) LookAt(ctx context.Context, slug string) error {
	if slug != "" {
		switch p, err := s.Store.ProjectOfSource(ctx, slug); {
		case err == nil:
			return s.Forge.HandlePush(ctx, p.Project)
		case buildbtw.KindOf(err) != buildbtw.KindNotFound:
			return err
		}
	}
	s.Mirror.LookNow(slug)
	s.Loop("sync").Wake()
	if slug == "" {
		s.Loop("groups").Wake()
	}
	return nil
}

// readSources mirrors every directory of sources and, when something moved, reads
// the catalog anew. A directory that cannot be read does not stop the others. It
// returns how many sources are left for the next pass.
func (s *Scheduler) readSources(ctx context.Context) (waiting int, err error) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if !s.Catalog.Complete() {
		defer s.sayProgress(ctx)()
	}
	failures := []error{s.healMirror(ctx)}
	if !s.sources.retained {
		failures = append(failures, s.retainSources(ctx))
	}
	whole := true
	for _, dir := range s.SourceDirs {
		began := time.Now()
		var report gitmirror.Report
		err := guard.Run(func() (err error) {
			report, err = s.Mirror.SyncSome(ctx, dir)
			return err
		})
		s.Catalog.AddScan(catalog.Scan{Dir: dir, Began: began, Ended: time.Now(), Report: report, Err: err})
		if err != nil {
			whole = false
			failures = append(failures, fmt.Errorf("mirror the sources in %s: %w", dir, err))
			continue
		}
		waiting += report.Waiting
		news := s.Catalog.SetBroken(dir, report.Broken)
		for _, slug := range news {
			if trouble := report.Broken[slug]; trouble != nil {
				s.Log.WarnContext(ctx, "a source cannot be mirrored", "source", slug, "error", trouble, "cause", errors.Unwrap(trouble))
			}
		}
		if len(news)+len(report.Changed)+len(report.Removed) > 0 {
			s.sources.stale = true
		}
	}
	if waiting == 0 && whole {
		orphans, err := s.Mirror.RemoveOrphans(ctx)
		failures = append(failures, err)
		s.sources.stale = s.sources.stale || len(orphans) > 0
		failures = append(failures, s.Mirror.SetWhole())
	}
	if waiting > 0 && (s.sources.filling || !s.Catalog.Complete()) {
		return waiting, errors.Join(failures...)
	}
	if s.sources.stale || s.sources.filling || !s.Catalog.Complete() {
		failures = append(failures, s.refreshCatalog(ctx))
	}
	return waiting, errors.Join(failures...)
}

// progressPeriod is the time between two lines of the log while sources are read for
// the first time.
const progressPeriod = 5 * time.Second

// sayProgress logs how far the first reading of the sources is, until the function
// that it returns is called.
func (s *Scheduler) sayProgress(ctx context.Context) (stop func()) {
	ticks, over := time.NewTicker(progressPeriod), make(chan struct{})
	var saying sync.WaitGroup
	saying.Go(func() {
		for {
			select {
			case <-ticks.C:
				read, of := s.Mirror.Reading()
				s.Log.InfoContext(ctx, "reading the sources for the first time", "read", read, "of", of)
			case <-over:
				return
			}
		}
	})
	return func() {
		ticks.Stop()
		close(over)
		saying.Wait()
	}
}

// refreshCatalog reads the catalog anew. After an error the next pass does.
func (s *Scheduler) refreshCatalog(ctx context.Context) error {
	s.sources.stale = true
	if err := s.Catalog.Refresh(ctx); err != nil {
		return err
	}
	s.sources.stale, s.sources.filling, s.sources.moved = false, false, time.Now()
	s.Catalog.SetComplete()
	s.Mirror.Fill(ctx) // only now: plans come first
	s.Loop("iterate").Wake()
	return nil
}

// healMirror makes a damaged mirror anew. Then the catalog stays as it is until the
// sources have been read again.
func (s *Scheduler) healMirror(ctx context.Context) error {
	remade, err := s.Mirror.Heal(ctx)
	if err != nil || !remade {
		return err
	}
	s.sources.filling = true
	s.Log.WarnContext(ctx, "the mirror of the sources was damaged and is made anew", "set aside", s.Mirror.SetAside())
	return s.Forge.Prepare(ctx)
}

// retainSources removes the sources that came from directories and groups which are
// no longer given.
func (s *Scheduler) retainSources(ctx context.Context) error {
	if _, err := s.Mirror.RetainDirs(ctx, s.SourceDirs, s.Forge.GroupNames()...); err != nil {
		return err
	}
	s.sources.retained = true
	return nil
}

// prepareSources reads the sources in the mirror. Its failure does not keep the server from
// starting: the loop tries again.
func (s *Scheduler) prepareSources(ctx context.Context) {
	if aside := s.Mirror.SetAside(); len(aside) > 0 {
		s.Log.WarnContext(ctx, "damaged parts of the mirror of the sources were set aside and made anew; delete them when you need them no more", "names", aside)
	}
	for _, err := range []error{s.retainSources(ctx), s.Catalog.Refresh(ctx)} {
		if err != nil {
			s.sources.stale = true
			s.Log.ErrorContext(ctx, "the sources cannot be read now; the loop sync tries again", "error", err)
		}
	}
}
