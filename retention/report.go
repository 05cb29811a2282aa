package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Plan is what the next pass would remove by the policy.
type Plan struct {
	Iterations []store.DueIteration // oldest buildspace first
	Packages   int
	Frees      int64 // bytes of files that nothing else has, of all of them together
	Shared     store.DueShared
}

// DryRun returns what the next pass would remove. Nothing is changed.
func (k *Keeper) DryRun(ctx context.Context) (Plan, error) {
	due, err := k.Store.Due(ctx, k.Policy, k.Now())
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Iterations: due}
	if p.Shared, err = k.Store.DueShared(ctx, k.Policy, k.Now()); err != nil {
		return Plan{}, err
	}
	var repositories []string
	for _, d := range due {
		if d.Remove != store.RemoveLogs {
			p.Packages += d.Packages
			repositories = append(repositories, buildbtw.RepositoryName(d.Buildspace, d.Number))
		}
	}
	usage, err := k.Repos.Usage(ctx, repositories...)
	p.Frees = usage.Frees
	return p, err
}

// Kept is what is on disk, by kind. Bytes are those of the blocks of files.
type Kept struct {
	At           time.Time        // when it was measured
	Repositories pacmanrepo.Usage // of iterations
	Targets      pacmanrepo.Usage // of releases; Frees is what they do not share with iterations
	Uploads      pacmanrepo.Usage // not published yet
	Logs         int
	PlainLogs    int   // of these, not compressed
	LogBytes     int64 // with what is kept beside them
	Database     int64 // bytes
	Iterations   int
	Archived     int // iterations without packages
	Shared       store.Shared
	Orphans      Orphans
}

// Orphans are files that no row names, as of a database that was thrown away, on the disk and in
// object storage. They are removed only when somebody asks for it.
type Orphans struct {
	Repositories []string // sorted
	Logs         []buildbtw.AttemptName
	Frees        int64
}

// maxOrphans bounds the logs without a row that are listed at once.
const maxOrphans = 100_000

// measureAge is for how long figures are shown that were measured before.
const measureAge = time.Hour

// Kept returns what was measured last; ok is false before that.
func (k *Keeper) Kept() (kept Kept, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		return Kept{}, false
	}
	return *k.kept, true
}

func (k *Keeper) forgetMeasure() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = nil
}

// measure brings the figures up to date when they are old.
func (k *Keeper) measure(ctx context.Context) error {
	if kept, ok := k.Kept(); ok && k.Now().Sub(kept.At) < measureAge {
		return nil
	}
	kept, err := k.Measure(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = &kept
	return nil
}

// Measure looks through everything that is kept, which takes a second for each 100,000 files.
func (k *Keeper) Measure(ctx context.Context) (Kept, error) {
	kept := Kept{At: k.Now()}
	names, err := k.Repos.Names()
	if err != nil {
		return kept, err
	}
	if kept.Repositories, err = k.Repos.Usage(ctx, names...); err != nil {
		return kept, err
	}
	if kept.Uploads, err = k.Repos.StagingUsage(ctx); err != nil {
		return kept, err
	}
	if k.Generations != nil {
		if kept.Targets, err = k.Generations.Usage(ctx); err != nil {
			return kept, err
		}
	}
	if kept.Database, err = k.Store.Bytes(); err != nil {
		return kept, err
	}
	if kept.Iterations, kept.Archived, err = k.Store.CountIterations(ctx); err != nil {
		return kept, err
	}
	if kept.Shared, err = k.Store.CountShared(ctx); err != nil {
		return kept, err
	}
	kept.Orphans, err = k.orphans(ctx, func(s buildlog.Stored) {
		kept.Logs++
		kept.LogBytes += s.Bytes
		if s.Plain {
			kept.PlainLogs++
		}
	})
	return kept, err
}

// Orphans finds files that no row names. Files are listed before rows: what begins meanwhile
// has a row.
func (k *Keeper) Orphans(ctx context.Context) (Orphans, error) {
	return k.orphans(ctx, func(buildlog.Stored) {})
}

func (k *Keeper) orphans(ctx context.Context, each func(buildlog.Stored)) (o Orphans, err error) {
	repositories, err := k.Repos.Names()
	if err != nil {
		return o, err
	}
	var logs []buildlog.Stored
	if err := k.Logs.Stored(ctx, func(s buildlog.Stored) bool {
		each(s)
		logs = append(logs, s)
		return true
	}); err != nil {
		return o, err
	}
	known, err := k.Store.KnownRepositories(ctx)
	if err != nil {
		return o, err
	}
	for _, name := range repositories {
		if known[name] {
			continue
		}
		old, err := k.Repos.Old(name, orphanAge)
		if err != nil {
			return o, err
		}
		if old {
			o.Repositories = append(o.Repositories, name)
		}
	}
	usage, err := k.Repos.Usage(ctx, o.Repositories...)
	if err != nil {
		return o, err
	}
	o.Frees = usage.Frees
	for some := range slices.Chunk(logs, 5000) {
		ids := make([]int64, len(some))
		for i, s := range some {
			ids[i] = s.Attempt.ID
		}
		attempts, err := k.Store.KnownAttempts(ctx, ids)
		if err != nil {
			return o, err
		}
		for _, s := range some {
			if !attempts[s.Attempt] && len(o.Logs) < maxOrphans {
				o.Logs = append(o.Logs, s.Attempt)
				o.Frees += s.Bytes
			}
		}
	}
	if k.Moved == nil {
		return o, nil
	}
	onDisk := map[buildbtw.AttemptName]bool{}
	for _, attempt := range o.Logs {
		onDisk[attempt] = true
	}
	err = k.Moved.Orphans(ctx, func(attempt buildbtw.AttemptName, bytes int64) bool {
		if !onDisk[attempt] {
			o.Logs = append(o.Logs, attempt)
		}
		o.Frees += bytes
		return len(o.Logs) < maxOrphans
	})
	return o, err
}

// RemoveOrphans removes the files that no row names, if they are as many as somebody has
// seen: Conflict when they are not.
func (k *Keeper) RemoveOrphans(ctx context.Context, repositories, logs int) (Orphans, error) {
	k.passing.Lock()
	defer k.passing.Unlock()
	o, err := k.Orphans(ctx)
	if err != nil {
		return o, err
	}
	if len(o.Repositories) != repositories || len(o.Logs) != logs {
		return o, buildbtw.Conflict("%s and %s are there now that nothing names; look at them again",
			buildbtw.Counted(len(o.Repositories), "repository", "repositories"), buildbtw.Counted(len(o.Logs), "log", "logs"))
	}
	for _, name := range o.Repositories {
		if old, err := k.Repos.Old(name, orphanAge); err != nil || !old { // an iteration got it just now
			return o, errors.Join(err, buildbtw.Conflict("repository %s is written to; look at them again", name))
		}
		if err := k.Repos.Remove(ctx, name); err != nil {
			return o, fmt.Errorf("remove what nothing names: %w", err)
		}
	}
	for _, attempt := range o.Logs {
		if _, err := k.Logs.Remove(ctx, attempt); err != nil {
			return o, fmt.Errorf("remove what nothing names: %w", err)
		}
	}
	k.forgetMeasure()
	k.Log.InfoContext(ctx, "files that nothing names were removed", "repositories", repositories, "logs", logs, "bytes", o.Frees)
	return o, nil
}

// orphanAge is for how long nothing must have been written to a repository that no row names:
// that of a new iteration is made before its row.
const orphanAge = time.Hour
