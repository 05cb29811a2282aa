// Package publish puts packages into the pacman repositories of iterations: those
// of an attempt that ended well, and those of an earlier build that was made from
// the same input. Intentions are stored before files are touched, so that a crash
// at any point is completed by the next pass of a loop.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Config has the dependencies of a Publisher. All fields but Now and Baseline
// are needed.
type Config struct {
	Store  *store.Store
	Repos  *pacmanrepo.Repos
	Mirror *gitmirror.Mirror // the dependencies of builds that the cut-off may apply to
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now

	// Baseline returns the interfaces of the base's packages, to compare with
	// when a dependency has no earlier build. Not ok means unknown, and
	// dependents are built. A nil Baseline knows none.
	Baseline func(architecture, pkgbase string) (list []alpm.Interface, ok bool)
}

// Publisher ends attempts and fills repositories. It is safe for concurrent use.
type Publisher struct {
	Config
	running  singleflight.Group // publications, by attempt
	failures guard.Items[int64] // of publications, by attempt

	repeating sync.Mutex // held while a second build is compared

	deciding sync.Mutex           // guards compared
	compared map[int64]comparison // by build
}

// New makes a publisher.
func New(c Config) *Publisher {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Publisher{Config: c}
}

// Report is how an attempt ended, as its worker reports it.
type Report struct {
	Outcome buildbtw.Outcome
	Reason  string              // the outcome in words; empty for a success
	Files   []store.PackageFile // the packages of a success: all that were uploaded

	Doubtful  bool // the only evidence against the machine is the build's output or exit status
	Blameless bool // the outcome infrastructure is another machine's doing

	NotChecked buildbtw.Names   // dependencies that were taken for granted
	Installed  []alpm.Installed // when the build ran, by name; empty when that is not known
	Kept       time.Duration    // for how long its worker keeps the directories of a failure; 0: not at all
	Memory     int64            // bytes that the largest process of the build had; 0: unknown
	Namcap     []string         // what namcap wrote about the packages, see check.Build; nil: it was not run
}

// Finish ends the attempt of the lease and returns the build's status
// afterwards. For a success it publishes all packages and marks the build
// built; CompleteAll completes it after a crash. Repeating a finish returns the
// same status; it is a Conflict when the lease is over.
func (p *Publisher) Finish(ctx context.Context, lease string, r Report) (buildbtw.Status, error) {
	if len(r.NotChecked) > 0 || r.Memory > 0 {
		if err := p.Store.NoteFinish(ctx, lease, r.NotChecked, r.Memory); err != nil {
			return "", err
		}
	}
	if len(r.Installed) > 0 {
		if err := p.Store.NoteInstalled(ctx, lease, r.Installed); err != nil {
			return "", err
		}
	}
	if r.Namcap != nil {
		if err := p.Store.NoteNamcap(ctx, lease, r.Namcap); err != nil {
			return "", err
		}
	}
	if r.Kept > 0 {
		if err := p.Store.NoteKept(ctx, lease, r.Kept); err != nil {
			return "", err
		}
	}
	if r.Outcome != buildbtw.OutcomeBuilt {
		switch infrastructure := r.Outcome == buildbtw.OutcomeInfrastructure; {
		case infrastructure && r.Doubtful:
			return p.Store.EndDoubtfully(ctx, lease, r.Reason)
		case infrastructure && r.Blameless:
			return p.Store.EndBlameless(ctx, lease, r.Reason)
		}
		return p.Store.EndAttempt(ctx, lease, r.Outcome, r.Reason)
	}
	intention, err := p.Store.BeginPublish(ctx, lease, r.Files)
	if err != nil {
		return "", err
	}
	// The intention is stored: from here on the work is completed even if the
	// worker hangs up.
	return p.complete(context.WithoutCancel(ctx), intention)
}

// CompleteAll rolls forward every attempt whose packages were being published
// when the server stopped, or whose publication failed. The failure of one is
// shown at its build, logged once, and concerns no other; after some it is tried
// again with growing pauses, and in the end given up. The error is the database's.
func (p *Publisher) CompleteAll(ctx context.Context) error {
	return p.completeThose(ctx, "packages of build %d are not published yet; it is tried again", func(i store.Publishing) bool { return i.Build.RepeatOf == 0 })
}

// CompleteRepeats is CompleteAll for second builds, whose packages are compared: that takes minutes,
// and nobody waits for it.
func (p *Publisher) CompleteRepeats(ctx context.Context) error {
	return p.completeThose(ctx, "packages of the second build %d are not compared yet; it is tried again", func(i store.Publishing) bool { return i.Build.RepeatOf != 0 })
}

// completeThose rolls forward those attempts that are wanted; words are about the number of a build.
func (p *Publisher) completeThose(ctx context.Context, words string, wanted func(store.Publishing) bool) error {
	intentions, err := p.Store.Publishing(ctx)
	if err != nil && len(intentions) == 0 {
		return err
	}
	failures := []error{err} // of those that cannot be read
	p.failures.Keep(func(id int64) bool {
		return slices.ContainsFunc(intentions, func(i store.Publishing) bool { return i.Attempt.ID == id })
	})
	for _, intention := range intentions {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !wanted(intention) {
			continue
		}
		attempt := intention.Attempt
		failure, err := p.failures.Try(ctx, p.Log, p.Now(), attempt.ID, fmt.Sprintf(words, intention.Build.ID), func() error {
			_, err := p.complete(ctx, intention)
			return err
		})
		if err != nil {
			failures = append(failures, p.noteFailure(ctx, attempt.ID, failure, err))
		}
	}
	return errors.Join(failures...)
}

// noteFailure has the page of a build say that its packages are not published
// yet, and why. A publication that fails for too long, and not for want of space
// on the disk, is given up.
func (p *Publisher) noteFailure(ctx context.Context, attempt int64, f guard.Failure, err error) error {
	why := buildbtw.MessageOf(err)
	if f.Tries >= guard.GiveUpAfter && !buildbtw.MayPass(err) {
		_, err := p.Store.AbandonPublish(ctx, attempt, buildbtw.System,
			fmt.Sprintf("The packages could not be published in %d tries, so they are built again. %s", f.Tries, why))
		return err
	}
	return p.Store.NotePublishing(ctx, attempt, fmt.Sprintf("Built, but the packages are not published yet (%s so far): %s It is tried again.", tries(f.Tries), why))
}

func tries(n int) string {
	if n == 1 {
		return "one try"
	}
	return fmt.Sprintf("%d tries", n)
}

// Abandon ends the publication of a build's packages by an administrator's wish,
// and returns the build, which is built again. Conflict when nothing of it is
// being published, or when that is under way at this moment.
func (p *Publisher) Abandon(ctx context.Context, actor string, build int64) (store.BuildRow, error) {
	intention, err := p.Store.PublishingOf(ctx, build)
	if err != nil {
		return store.BuildRow{}, err
	}
	attempt := intention.Attempt
	var abandoned atomic.Bool
	late := time.After(abandonTime)
	for !abandoned.Load() {
		// The same key as a publication: the two are never under way together. The
		// first answer may be that of a try that was.
		done := p.running.DoChan(strconv.FormatInt(attempt.ID, 10), func() (any, error) {
			abandoned.Store(true)
			return p.Store.AbandonPublish(context.WithoutCancel(ctx), attempt.ID, actor, "Publishing its packages was abandoned by "+actor+".")
		})
		select {
		case r := <-done:
			if r.Err != nil && abandoned.Load() {
				return store.BuildRow{}, r.Err
			}
		case <-late:
			return store.BuildRow{}, buildbtw.Conflict("its packages are being written at this moment; try again in a moment, and restart the server if that goes on")
		}
	}
	for _, arch := range intention.Architectures { // may list files that were written before the failure
		id := pacmanrepo.ID{
			Repository: buildbtw.RepositoryName(intention.Build.Buildspace, intention.Build.Iteration), DB: intention.Build.Buildspace, Architecture: arch,
		}
		if err := p.remake(context.WithoutCancel(ctx), id); err != nil {
			p.Log.WarnContext(ctx, "a repository may list packages of an abandoned publication until they are built again", "repository", id.Repository, "architecture", arch, "error", err)
		}
	}
	return p.Store.Build(ctx, build)
}

// abandonTime is how long Abandon waits for a try that is under way.
const abandonTime = 10 * time.Second

// complete carries out a stored intention to publish. It may be repeated at any
// point; calls for the same attempt at the same time share one answer.
func (p *Publisher) complete(ctx context.Context, intention store.Publishing) (buildbtw.Status, error) {
	if intention.Done() {
		return intention.Status, nil
	}
	status, err, _ := p.running.Do(strconv.FormatInt(intention.Attempt.ID, 10), func() (status any, err error) {
		status = buildbtw.Status("")
		err = guard.Run(func() error { // one build must not end the server
			status, err = p.publish(ctx, intention)
			return err
		})
		return status, err
	})
	return status.(buildbtw.Status), err
}

// publish puts the packages into the repositories and then marks the build
// built. An error that can never succeed puts the build back; after any other,
// such as a full disk, the intention stays for the next CompleteAll.
func (p *Publisher) publish(ctx context.Context, intention store.Publishing) (buildbtw.Status, error) {
	build, attempt := intention.Build, intention.Attempt
	if build.RepeatOf != 0 {
		return p.compareRepeat(ctx, intention)
	}
	// The packages' interfaces are saved while the packages are staged. After a
	// crash in Repos.Publish there may be none left, because all were saved.
	interfaces, err := p.Repos.Interfaces(attempt.Name())
	if err == nil && len(interfaces) > 0 {
		if err := p.Store.SaveInterfaces(ctx, interfaces); err != nil {
			return "", err
		}
	}
	if err == nil {
		err = p.repairing(ctx, func() error {
			return p.Repos.Publish(ctx, pacmanrepo.Publication{
				Repository:    buildbtw.RepositoryName(build.Buildspace, build.Iteration),
				DB:            build.Buildspace,
				Architectures: intention.Architectures,
				Attempt:       attempt.Name(),
				Files:         intention.Files,
			})
		})
	}
	if err == nil {
		return p.Store.CompletePublish(ctx, attempt.ID)
	}
	switch buildbtw.KindOf(err) {
	case buildbtw.KindConflict, buildbtw.KindNotFound, buildbtw.KindInvalid:
		p.Log.ErrorContext(ctx, "packages cannot be published; the build is put back", "build", build.ID, "attempt", attempt.Number, "error", err)
		return p.Store.AbandonPublish(ctx, attempt.ID, buildbtw.System, "the packages could not be published: "+buildbtw.MessageOf(err))
	}
	return "", fmt.Errorf("publish attempt %d of %s: %w", attempt.Number, build.Pkgbase, err)
}
