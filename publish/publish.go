// Package publish puts packages into the pacman repositories of iterations: those
// of an attempt that ended well, and those of an earlier build that was made from
// the same input. Intentions are stored before files are touched, so that a crash
// at any point is completed by the next pass of a loop.
package publish

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"buildbtw"
	"buildbtw/git/gitmirror"
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
	failures failures
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
}

// Finish ends the attempt of the lease and returns the build's status
// afterwards. For a success it publishes all packages and marks the build
// built; CompleteAll completes it after a crash. Repeating a finish returns the
// same status; it is a Conflict when the lease is over.
func (p *Publisher) Finish(ctx context.Context, lease string, r Report) (buildbtw.Status, error) {
	if r.Outcome != buildbtw.OutcomeBuilt {
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
// logged and concerns no other; after some it is tried again with growing pauses.
func (p *Publisher) CompleteAll(ctx context.Context) error {
	intentions, err := p.Store.Publishing(ctx)
	if err != nil {
		return fmt.Errorf("list unfinished publications: %w", err)
	}
	p.failures.keep(intentions)
	for _, intention := range intentions {
		attempt := intention.Attempt
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !p.failures.isDue(attempt.ID, p.Now()) {
			continue
		}
		if _, err := p.complete(ctx, intention); err != nil {
			tries, pause := p.failures.note(attempt.ID, p.Now())
			p.Log.ErrorContext(ctx, "packages are not published yet; it is tried again",
				"build", intention.Build.ID, "attempt", attempt.Number, "tries", tries, "pause", pause, "error", err)
		}
	}
	return nil
}

// complete carries out a stored intention to publish. It may be repeated at any
// point; calls for the same attempt at the same time share one answer.
func (p *Publisher) complete(ctx context.Context, intention store.Publishing) (buildbtw.Status, error) {
	if intention.Done() {
		return intention.Status, nil
	}
	status, err, _ := p.running.Do(strconv.FormatInt(intention.Attempt.ID, 10), func() (status any, err error) {
		defer func() {
			if r := recover(); r != nil { // one build must not end the server
				status, err = buildbtw.Status(""), fmt.Errorf("publishing panicked: %v\n%s", r, debug.Stack())
			}
		}()
		return p.publish(ctx, intention)
	})
	return status.(buildbtw.Status), err
}

// publish puts the packages into the repositories and then marks the build
// built. An error that can never succeed puts the build back; after any other,
// such as a full disk, the intention stays for the next CompleteAll.
func (p *Publisher) publish(ctx context.Context, intention store.Publishing) (buildbtw.Status, error) {
	build, attempt := intention.Build, intention.Attempt
	// The packages' interfaces are saved while the packages are staged. After a
	// crash in Repos.Publish there may be none left, because all were saved.
	interfaces, err := p.Repos.Interfaces(attempt.ID)
	if err == nil && len(interfaces) > 0 {
		if err := p.Store.SaveInterfaces(ctx, interfaces); err != nil {
			return "", err
		}
	}
	if err == nil {
		err = p.Repos.Publish(ctx, pacmanrepo.Publication{
			Repository:    buildbtw.RepositoryName(build.Buildspace, build.Iteration),
			DB:            build.Buildspace,
			Architectures: intention.Architectures,
			Attempt:       attempt.ID,
			Files:         intention.Files,
		})
	}
	if err == nil {
		return p.Store.CompletePublish(ctx, attempt.ID)
	}
	switch buildbtw.KindOf(err) {
	case buildbtw.KindConflict, buildbtw.KindNotFound, buildbtw.KindInvalid:
		p.Log.ErrorContext(ctx, "packages cannot be published; the build is put back", "build", build.ID, "attempt", attempt.Number, "error", err)
		return p.Store.AbandonPublish(ctx, attempt.ID, "the packages could not be published: "+buildbtw.MessageOf(err))
	}
	return "", fmt.Errorf("publish attempt %d of %s: %w", attempt.Number, build.Pkgbase, err)
}
