package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// replacedAge is how long a file stays that a rebuild replaced: long enough for
// clients to have let go of the database that listed it.
const replacedAge = time.Hour

// Prune removes what nothing needs any more: uploads of attempts that are
// over, and packages that a rebuild replaced.
func (p *Publisher) Prune(ctx context.Context) error {
	return errors.Join(p.pruneStaged(ctx), p.pruneReplaced(ctx))
}

// pruneStaged discards the uploads of attempts that are over. The uploads are
// listed first: an attempt that begins later cannot be among them.
func (p *Publisher) pruneStaged(ctx context.Context) error {
	staged, err := p.Repos.Staged()
	if err != nil {
		return fmt.Errorf("list staged packages: %w", err)
	}
	unfinished, err := p.Store.UnfinishedAttempts(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, attempt := range staged {
		if slices.Contains(unfinished, attempt) {
			continue
		}
		if err := p.Repos.Discard(attempt); err != nil {
			failures = append(failures, fmt.Errorf("discard the uploads of attempt %d: %w", attempt, err))
		}
	}
	return errors.Join(failures...)
}

// pruneReplaced removes replaced packages from the repositories in use.
func (p *Publisher) pruneReplaced(ctx context.Context) error {
	repositories, err := p.Store.ReadyRepositories(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, repository := range repositories {
		if _, err := p.Repos.Prune(ctx, repository, replacedAge); err != nil {
			failures = append(failures, fmt.Errorf("prune repository %s: %w", repository, err))
		}
	}
	return errors.Join(failures...)
}
