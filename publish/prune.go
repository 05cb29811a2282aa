package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buildbtw/internal/guard"
)

// replacedAge is how long a file stays that a rebuild replaced: long enough for
// clients to have let go of the database that listed it.
const replacedAge = time.Hour

// Prune removes packages that a rebuild replaced, and uploads of attempts that
// are over, and makes repositories anew whose databases are damaged. A failure does not stop it from removing the others.
func (p *Publisher) Prune(ctx context.Context) error {
	repositories, err := p.Store.ReadyRepositories(ctx)
	failures := []error{err}
	for _, repository := range repositories {
		err := guard.Run(func() error {
			return p.repairing(ctx, func() error {
				_, err := p.Repos.Prune(ctx, repository, replacedAge)
				return err
			})
		})
		if err != nil {
			failures = append(failures, fmt.Errorf("prune repository %s: %w", repository, err))
		}
	}
	// The uploads are listed first: an attempt that begins later cannot be among
	// them.
	staged, err := p.Repos.Staged()
	if err != nil {
		return errors.Join(append(failures, fmt.Errorf("list staged packages: %w", err))...)
	}
	unfinished, err := p.Store.UnfinishedAttempts(ctx)
	if err != nil {
		return errors.Join(append(failures, err)...)
	}
	for _, attempt := range staged {
		if slices.Contains(unfinished, attempt) {
			continue
		}
		if err := p.Repos.Discard(attempt); err != nil {
			failures = append(failures, fmt.Errorf("discard the uploads of attempt %s: %w", attempt, err))
		}
	}
	return errors.Join(failures...)
}
