package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"buildbtw"
)

// AttemptsBetween lists the attempts that ran at any moment between from and until, also in
// part, the latest start first and at most limit. An empty buildspace means all of them.
func (q *Reader) AttemptsBetween(ctx context.Context, buildspace string, from, until time.Time, limit int) ([]WorkerAttempt, error) {
	list := []WorkerAttempt{}
	err := q.list(ctx, &list, "attempts_between", args{
		"buildspace": buildspace, "from": from.UTC(), "until": until.UTC(), "limit": limit,
	})
	if err != nil {
		return nil, fmt.Errorf("list the attempts between two times: %w", err)
	}
	return list, nil
}

// SeenSlots returns, by the worker's name, the number of slots on which it has run attempts
// since a time, and all attempts that run now.
func (q *Reader) SeenSlots(ctx context.Context, since time.Time) (slots map[string]int, running []WorkerAttempt, err error) {
	var rows []struct {
		Worker string `bun:"worker"`
		Slots  int    `bun:"slots"`
	}
	err = q.Snapshot(ctx, func(q *Reader) error {
		if err := q.list(ctx, &rows, "seen_slots", args{"since": since.UTC()}); err != nil {
			return err
		}
		return q.list(ctx, &running, "leases", nil)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list the slots of workers: %w", err)
	}
	slots = make(map[string]int, len(rows))
	for _, r := range rows {
		slots[r.Worker] = r.Slots
	}
	return slots, running, nil
}

// GridColumn is an iteration, which is one column in the grid of packages (progress.Grid).
type GridColumn struct {
	ID         int64     `bun:"id"`
	Number     int       `bun:"number"`
	Buildspace string    `bun:"buildspace"`
	CreatedAt  time.Time `bun:"created_at"`
	Settled    bool      `bun:"settled"` // it was superseded, and none of its builds can still change
}

// GridCell is a build, which is one square in the grid of packages.
type GridCell struct {
	ID         int64
	Pkgbase    string
	Stage      int
	Status     buildbtw.Status
	SkipReason buildbtw.Cause
	Reused     bool
	Seconds    int // that the latest attempt took; -1: it has not ended
}

// NewestIterations lists iterations that have builds, at most limit: those of one
// buildspace, the newest first, or with an empty name the newest one of each buildspace,
// those of active buildspaces first.
func (q *Reader) NewestIterations(ctx context.Context, buildspace string, limit int) ([]GridColumn, error) {
	statement := "newest_planned"
	if buildspace == "" {
		statement = "newest_of_spaces"
	}
	list := []GridColumn{}
	if err := q.list(ctx, &list, statement, args{"buildspace": buildspace, "limit": limit}); err != nil {
		return nil, fmt.Errorf("list the newest iterations: %w", err)
	}
	return list, nil
}

// GridCells lists the builds of an iteration for one architecture. It reads row by
// row: a grid has tens of thousands.
func (q *Reader) GridCells(ctx context.Context, iteration int64, arch string) ([]GridCell, error) {
	rows, err := q.rows(ctx, "grid_cells", args{"iteration": iteration, "architecture": arch})
	if err != nil {
		return nil, fmt.Errorf("list the builds of iteration %d: %w", iteration, err)
	}
	defer rows.Close()
	var cells []GridCell
	for rows.Next() {
		var c GridCell
		if err := rows.Scan(&c.ID, &c.Pkgbase, &c.Stage, &c.Status, &c.SkipReason, &c.Reused, &c.Seconds); err != nil {
			return nil, fmt.Errorf("list the builds of iteration %d: %w", iteration, err)
		}
		cells = append(cells, c)
	}
	return cells, rows.Err()
}

// PastBuild is an ended build of a package, with its duration, memory and size.
type PastBuild struct {
	ID         int64           `bun:"id"`
	Buildspace string          `bun:"buildspace"`
	Iteration  int             `bun:"iteration"`
	Stage      int             `bun:"stage"`
	Version    string          `bun:"version"`
	Status     buildbtw.Status `bun:"status"` // built or failed
	FinishedAt time.Time       `bun:"finished_at"`
	Seconds    float64         `bun:"seconds"` // that its last attempt took
	Memory     int64           `bun:"memory"`  // bytes that the largest process of that attempt had; 0: unknown
	Size       int64           `bun:"size"`    // bytes of all its packages; 0: it has none
}

// PastBuilds lists the newest builds of a package for one architecture that ended, of all
// buildspaces, the newest first and at most limit.
func (q *Reader) PastBuilds(ctx context.Context, pkgbase, arch string, limit int) ([]PastBuild, error) {
	list := []PastBuild{}
	err := q.list(ctx, &list, "past_builds", args{"pkgbase": pkgbase, "architecture": arch, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list past builds of %s: %w", pkgbase, err)
	}
	return list, nil
}

// PackageSizes returns the bytes of the packages of the newest build of each of these
// pkgbases. One that was never built is left out.
func (q *Reader) PackageSizes(ctx context.Context, architecture string, pkgbases []string) (map[string]int64, error) {
	if len(pkgbases) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(pkgbases)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Pkgbase string `bun:"pkgbase"`
		Bytes   *int64 `bun:"bytes"`
	}
	err = q.list(ctx, &rows, "package_sizes", args{"architecture": architecture, "pkgbases": string(text)})
	if err != nil {
		return nil, fmt.Errorf("find the sizes of %d packages: %w", len(pkgbases), err)
	}
	sizes := make(map[string]int64, len(rows))
	for _, r := range rows {
		if r.Bytes != nil {
			sizes[r.Pkgbase] = *r.Bytes
		}
	}
	return sizes, nil
}

// SourcesOf returns the sources that are changesets of buildspaces that somebody created,
// sorted.
func (q *Reader) SourcesOf(ctx context.Context, user string) ([]string, error) {
	var sources []string
	if err := q.list(ctx, &sources, "sources_of", args{"name": user}); err != nil {
		return nil, fmt.Errorf("list the sources of %.80q: %w", user, err)
	}
	return sources, nil
}
