package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// OpenIteration is the iteration that an active buildspace works on.
type OpenIteration struct {
	ID         int64  `bun:"id"`
	Number     int    `bun:"number"`
	Buildspace string `bun:"buildspace"`
}

// PlannedPackage is a build of an iteration, in few words.
type PlannedPackage struct {
	ID           int64           `bun:"id"`
	IterationID  int64           `bun:"iteration_id"`
	Architecture string          `bun:"architecture"`
	Pkgbase      string          `bun:"pkgbase"`
	Source       string          `bun:"source"`
	Commit       string          `bun:"commit_id"` // of PlannedPackages: the source's, also where a bump is built
	Version      string          `bun:"version"`
	Pkgnames     buildbtw.Names  `bun:"pkgnames"`
	Status       buildbtw.Status `bun:"status"`
	Changed      bool            `bun:"changed"` // its source is a changeset
}

// OpenIterations lists the iterations that active buildspaces work on, the newest first, at
// most limit of them.
func (q *Reader) OpenIterations(ctx context.Context, limit int) ([]OpenIteration, error) {
	var list []OpenIteration
	if err := q.list(ctx, &list, "open_iterations", args{"limit": limit}); err != nil {
		return nil, fmt.Errorf("list the open iterations: %w", err)
	}
	return list, nil
}

// PlannedPackages lists what an iteration builds, once for each pkgbase and architecture,
// without what was left out.
func (q *Reader) PlannedPackages(ctx context.Context, iteration int64) ([]PlannedPackage, error) {
	var list []PlannedPackage
	if err := q.list(ctx, &list, "planned_packages", args{"iteration": iteration}); err != nil {
		return nil, fmt.Errorf("list what iteration %d builds: %w", iteration, err)
	}
	return list, nil
}

// SharedPackages lists the builds that iterations have of these pkgbases for an
// architecture.
func (q *Reader) SharedPackages(ctx context.Context, iterations []int64, architecture string, pkgbases []string) ([]PlannedPackage, error) {
	var list []PlannedPackage
	err := q.list(ctx, &list, "shared_packages", args{"iterations": idList(iterations), "architecture": architecture, "pkgbases": textList(pkgbases)})
	if err != nil {
		return nil, fmt.Errorf("list the builds of %d packages in %d iterations: %w", len(pkgbases), len(iterations), err)
	}
	return list, nil
}
