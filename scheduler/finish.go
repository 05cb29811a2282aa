package scheduler

import (
	"context"
	"fmt"
	"strconv"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Finish ends the attempt that holds the lease. For a success it publishes all
// packages and marks the build built; what a crash cuts off in between is
// completed by the rescue loop. Repeating a finish gives the same answer; a
// lease that is over gives a Conflict.
func (s *Scheduler) Finish(ctx context.Context, lease string, r api.FinishRequest) (api.FinishAnswer, error) {
	if r.Outcome != buildbtw.OutcomeBuilt {
		status, err := s.Store.EndAttempt(ctx, lease, r.Outcome, r.Reason)
		return api.FinishAnswer{Status: status}, err
	}
	files := make([]store.PackageFile, len(r.Files))
	for i, f := range r.Files {
		files[i] = store.PackageFile{Filename: f.Name, SHA256: f.SHA256}
	}
	p, err := s.Store.BeginPublish(ctx, lease, files)
	if err != nil {
		return api.FinishAnswer{}, err
	}
	// The intention is stored: from here on the work is completed even if the
	// worker hangs up.
	status, err := s.publish(context.WithoutCancel(ctx), p)
	return api.FinishAnswer{Status: status}, err
}

// publish carries out a stored intention to publish. It may be repeated at any
// point; calls for the same attempt at the same time share one answer.
func (s *Scheduler) publish(ctx context.Context, p store.Publishing) (buildbtw.Status, error) {
	if p.Done() {
		return p.Status, nil
	}
	status, err, _ := s.publishing.Do(strconv.FormatInt(p.Attempt.ID, 10), func() (any, error) {
		return s.publishOnce(ctx, p)
	})
	return status.(buildbtw.Status), err
}

// publishOnce puts the packages into the repositories and then says so in the
// database. What can never succeed puts the build back; any other failure, such
// as a full disk, leaves the intention for the rescue loop.
func (s *Scheduler) publishOnce(ctx context.Context, p store.Publishing) (buildbtw.Status, error) {
	if err := s.saveInterfaces(ctx, p.Attempt.ID); err != nil {
		return "", err
	}
	err := s.Repos.Publish(ctx, publication(p))
	if err == nil {
		return s.Store.CompletePublish(ctx, p.Attempt.ID)
	}
	switch buildbtw.KindOf(err) {
	case buildbtw.KindConflict, buildbtw.KindNotFound, buildbtw.KindInvalid:
		s.Log.ErrorContext(ctx, "packages cannot be published; the build is put back", "build", p.Build.ID, "attempt", p.Attempt.Number, "error", err)
		return s.Store.AbandonPublish(ctx, p.Attempt.ID, "the packages could not be published: "+buildbtw.MessageOf(err))
	}
	return "", fmt.Errorf("publish attempt %d of %s: %w", p.Attempt.Number, p.Build.Pkgbase, err)
}

// saveInterfaces keeps what dependents can notice of the packages, while they
// are staged: it was read when they came in. After a crash in Publish there may
// be nothing left to save, because all of it was.
func (s *Scheduler) saveInterfaces(ctx context.Context, attempt int64) error {
	all, err := s.Repos.Interfaces(attempt)
	if err != nil || len(all) == 0 {
		return err
	}
	return s.Store.SaveInterfaces(ctx, all)
}

func publication(p store.Publishing) pacmanrepo.Publication {
	return pacmanrepo.Publication{
		Repository:    buildbtw.RepositoryName(p.Build.Buildspace, p.Build.Iteration),
		DB:            p.Build.Buildspace,
		Architectures: p.Architectures,
		Attempt:       p.Attempt.ID,
		Files:         p.Files,
	}
}
