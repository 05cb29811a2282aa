package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buildbtw/catalog"
)

// syncShare bounds the part of the time that is spent looking at sources: the
// pause after a pass is at least this many times as long as the pass.
const syncShare = 20

// syncPass is the loop's pass.
func (s *Scheduler) syncPass(ctx context.Context) error {
	started := time.Now()
	err := s.readSources(ctx)
	s.Loop("sync").Period = max(s.SyncPeriod, syncShare*time.Since(started))
	return err
}

// readSources mirrors every directory of sources and, when something moved, reads
// the catalog anew. A directory that cannot be read does not stop the others.
func (s *Scheduler) readSources(ctx context.Context) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	var failures []error
	changed := false
	for _, dir := range s.SourceDirs {
		began := time.Now()
		report, err := s.Mirror.SyncDir(ctx, dir)
		s.Catalog.AddScan(catalog.Scan{Dir: dir, Began: began, Ended: time.Now(), Sources: report.Found, Broken: len(report.Broken), Err: err})
		if err != nil {
			failures = append(failures, fmt.Errorf("mirror the sources in %s: %w", dir, err))
			continue
		}
		if len(s.Catalog.SetBroken(dir, report.Broken)) > 0 || len(report.Changed)+len(report.Removed) > 0 {
			changed = true
		}
	}
	if changed || !s.Catalog.Complete() {
		if err := s.Catalog.Refresh(ctx); err != nil {
			failures = append(failures, err)
		}
		s.Catalog.SetComplete()
		s.Loop("iterate").Wake()
	}
	return errors.Join(failures...)
}
