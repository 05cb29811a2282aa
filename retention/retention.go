// Package retention removes what the policy keeps no longer, and what people delete or
// archive: of iterations their packages, logs and rows, and machines that are gone. It
// compresses logs, measures what is kept, and finds files that nothing names.
//
// Whatever is to go is marked in the database first: from then on nobody uses or sees it. Then
// its files go, and its rows last. A crash between any two steps leaves marks that the next
// pass finds, and never a file that no row names.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/internal/guard"
	"buildbtw/offload"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Config has what a Keeper works with. All fields but Generations and Moved are needed.
type Config struct {
	Store       *store.Store
	Repos       *pacmanrepo.Repos
	Generations *pacmanrepo.Generations // nil: there are no targets
	Logs        *buildlog.Logs
	Moved       *offload.Mover // nil: nothing is moved to object storage
	Policy      store.RetentionPolicy
	Log         *slog.Logger
	Now         func() time.Time
}

// Keeper applies the policy. It is safe for concurrent use.
type Keeper struct {
	Config

	passing sync.Mutex // one pass at a time
	swept   bool       // a pass has looked for packages that no set of installed ones has; guarded by passing

	mu       sync.Mutex
	progress Progress
	kept     *Kept // nil: not measured yet
	wake     func()
}

// New makes a keeper.
func New(c Config) *Keeper { return &Keeper{Config: c, wake: func() {}} }

// OnMarked sets what is called when somebody marked something for removal. It must be set
// before the keeper is used.
func (k *Keeper) OnMarked(wake func()) { k.wake = wake }

// Remove begins to remove something of an iteration, or with number 0 of a whole buildspace
// that is stopped. The error is Conflict, in words, when something needs it.
func (k *Keeper) Remove(ctx context.Context, actor, buildspace string, number int, what store.Removal) error {
	var err error
	if number == 0 {
		err = k.Store.RemoveBuildspace(ctx, actor, buildspace, what)
	} else {
		err = k.Store.RemoveIteration(ctx, actor, buildspace, number, what)
	}
	if err == nil {
		k.wake()
	}
	return err
}

// Progress is how far the last pass came.
type Progress struct {
	Doing      string        // in words; empty between passes
	Since      time.Time     // the pass began; zero before the first
	Iterations int           // of which something was removed in it
	Logs       int           // removed or compressed in it
	Bytes      int64         // given back by it
	WriterHeld time.Duration // the longest transaction of it
	Shared     int           // rows removed of what many builds share, and attempts of which it was forgotten what was installed
}

// Progress returns how far the pass is, or how far the last one came.
func (k *Keeper) Progress() Progress {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.progress
}

func (k *Keeper) note(change func(*Progress)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.progress)
}

// step is how many builds one transaction removes: some ten milliseconds.
const step = 250

// compressed is how many logs one pass compresses; the next goes on.
const compressed = 2000

// Pass removes what was marked before, marks what the policy keeps no longer and removes that,
// forgets machines that are gone, and compresses logs. What fails is tried in the next
// pass, and holds up nothing else.
func (k *Keeper) Pass(ctx context.Context) error {
	k.passing.Lock()
	defer k.passing.Unlock()
	k.note(func(p *Progress) { *p = Progress{Since: k.Now()} })
	defer k.note(func(p *Progress) { p.Doing = "" })
	return errors.Join(
		k.sweep(ctx),
		guard.Run(func() error { return k.apply(ctx) }),
		k.sweep(ctx),
		guard.Run(func() error { return k.removeShared(ctx) }),
		guard.Run(func() error { return k.compress(ctx) }),
		guard.Run(func() error { return k.forget(ctx) }),
		guard.Run(func() error { return k.measure(ctx) }),
	)
}

// sweep removes files and rows of all that is marked.
func (k *Keeper) sweep(ctx context.Context) error {
	left, err := k.Store.Leftovers(ctx)
	failures := []error{err}
	for _, l := range left {
		k.note(func(p *Progress) { p.Doing = "removing repository " + l.Repository })
		failures = append(failures, guard.Run(func() error { return k.removeFiles(ctx, l) }))
	}
	deleted, err := k.Store.DeletedIterations(ctx)
	failures = append(failures, err)
	for _, id := range deleted {
		k.note(func(p *Progress) { p.Doing = fmt.Sprintf("removing the logs and rows of iteration %d", id) })
		failures = append(failures, guard.Run(func() error { return k.removeRows(ctx, id) }))
	}
	failures = append(failures, k.steps(ctx, func() (bool, error) { return k.Store.RemoveEmptyBuildspaces(ctx, 10*step) }))
	return errors.Join(failures...)
}

// steps repeats a short transaction while something is left. Between two others get the
// writing connection, for as long as this one had it.
func (k *Keeper) steps(ctx context.Context, one func() (left bool, err error)) error {
	for {
		begun := time.Now()
		left, err := one()
		took := time.Since(begun)
		k.note(func(p *Progress) { p.WriterHeld = max(p.WriterHeld, took) })
		if err != nil || !left {
			return err
		}
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// removeFiles removes a repository, unless builds are about to take packages from it. Nobody
// can begin to, once its results are forgotten.
func (k *Keeper) removeFiles(ctx context.Context, l store.Leftover) error {
	if err := k.steps(ctx, func() (bool, error) { return k.Store.ForgetSome(ctx, l.IterationID, step) }); err != nil {
		return err
	}
	if linked, err := k.Store.Linked(ctx, l.IterationID); err != nil || linked {
		return err
	}
	usage, err := k.Repos.Usage(ctx, l.Repository)
	if err != nil {
		return err
	}
	if err := k.Repos.Remove(ctx, l.Repository); err != nil {
		return err
	}
	if err := k.Store.FilesRemoved(ctx, l); err != nil {
		return err
	}
	k.Log.InfoContext(ctx, "a repository was removed", "repository", l.Repository, "bytes", usage.Frees)
	k.note(func(p *Progress) { p.Iterations, p.Bytes = p.Iterations+1, p.Bytes+usage.Frees })
	return nil
}

// removeRows removes an iteration whose packages are gone: logs first.
func (k *Keeper) removeRows(ctx context.Context, iteration int64) error {
	if err := k.removeLogs(ctx, iteration); err != nil {
		return err
	}
	return k.steps(ctx, func() (bool, error) { return k.Store.RemoveSome(ctx, iteration, step) })
}

func (k *Keeper) removeLogs(ctx context.Context, iteration int64) error {
	attempts, err := k.Store.OwnAttempts(ctx, iteration)
	if err != nil {
		return err
	}
	for _, attempt := range attempts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		freed, err := k.Logs.Remove(ctx, attempt)
		if err != nil {
			return err
		}
		k.note(func(p *Progress) { p.Logs, p.Bytes = p.Logs+1, p.Bytes+freed })
	}
	return nil
}

// apply marks what the policy keeps no longer.
func (k *Keeper) apply(ctx context.Context) error {
	due, err := k.Store.Due(ctx, k.Policy, k.Now())
	failures := []error{err}
	for _, d := range due {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.note(func(p *Progress) { p.Doing = fmt.Sprintf("removing %s of %s #%d", d.Remove, d.Buildspace, d.Number) })
		err := guard.Run(func() error {
			if d.Remove == store.RemoveLogs {
				if err := k.removeLogs(ctx, d.ID); err != nil {
					return err
				}
				return k.Store.LogsRemoved(ctx, d.ID)
			}
			return k.Store.RemoveIteration(ctx, buildbtw.System, d.Buildspace, d.Number, d.Remove)
		})
		if err != nil && buildbtw.KindOf(err) != buildbtw.KindConflict && buildbtw.KindOf(err) != buildbtw.KindNotFound { // needed or gone since
			failures = append(failures, err)
		}
	}
	if k.Policy.History > 0 {
		failures = append(failures, k.steps(ctx, func() (bool, error) { return k.Store.RemoveOldEvents(ctx, k.Policy.History, 10*step) }))
	}
	return errors.Join(failures...)
}

// compress compresses logs of attempts that are over. They are listed first: an attempt that
// begins later cannot be among them.
func (k *Keeper) compress(ctx context.Context) error {
	k.note(func(p *Progress) { p.Doing = "compressing logs" })
	var plain []buildbtw.AttemptName
	if err := k.Logs.Stored(ctx, func(s buildlog.Stored) bool {
		if s.Plain {
			plain = append(plain, s.Attempt)
		}
		return len(plain) < 2*compressed
	}); err != nil {
		return err
	}
	unfinished, err := k.Store.UnfinishedAttempts(ctx)
	if err != nil {
		return err
	}
	running := map[buildbtw.AttemptName]bool{}
	for _, attempt := range unfinished {
		running[attempt] = true
	}
	var failures []error
	done := 0
	for _, attempt := range plain {
		if ctx.Err() != nil || done == compressed {
			break
		}
		if running[attempt] {
			continue
		}
		saved, err := k.Logs.Compress(ctx, attempt)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if saved != 0 {
			done++
			k.note(func(p *Progress) { p.Logs, p.Bytes = p.Logs+1, p.Bytes+saved })
		}
	}
	return errors.Join(failures...)
}

// forget forgets machines that were not heard of for long.
func (k *Keeper) forget(ctx context.Context) error {
	if k.Policy.Workers == 0 {
		return nil
	}
	names, err := k.Store.ForgetGoneWorkers(ctx, k.Policy.Workers)
	if len(names) > 0 {
		k.Log.InfoContext(ctx, "workers that were not heard of for long are forgotten", "workers", names)
	}
	return err
}
