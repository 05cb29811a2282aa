package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// Fix is a request for one new iteration of a buildspace that builds failed builds again,
// from newer commits of their sources.
type Fix struct {
	Builds     []int64              // ids of the failed builds
	Changesets []buildbtw.Changeset // of their sources; each replaces the buildspace's changeset of the same source
	Text       string               // the reason of the iteration, as a sentence for its page
}

// FixBuilds adds the changesets of a fix to a buildspace, requests one new iteration, and
// returns the buildspace as it is then. A fix that is requested already changes nothing.
//
// The error is NotFound when there is no such buildspace or build, Invalid when a build is
// of another buildspace, and Conflict when the buildspace is not active, a build has not
// failed, or its iteration was superseded or stopped.
func (s *Store) FixBuilds(ctx context.Context, actor, buildspace string, f Fix) (BuildspaceRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		if b.Status != buildbtw.BuildspaceActive {
			return buildbtw.Conflict("buildspace %s is %s; start it first", b.Name, b.Status)
		}
		if err := t.checkFixable(ctx, b, f.Builds); err != nil {
			return err
		}
		before, err := t.changesetsOf(ctx, []int64{b.ID})
		if err != nil {
			return err
		}
		changesets := buildbtw.Replace(before[b.ID], f.Changesets)
		if err := checkChangesets(changesets); err != nil {
			return err
		}
		changed, err := t.editChangesets(ctx, b.ID, &changesets)
		if err != nil || !changed && b.Wanted != "" {
			return err
		}
		if err := t.want(ctx, &b, buildbtw.IterationEdited, f.Text); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, f.Text)
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("fix builds of %s: %w", buildspace, err)
	}
	return s.Buildspace(ctx, buildspace)
}

// checkFixable returns an error unless all builds are failed ones of the buildspace, and
// their iterations still build something.
func (t *tx) checkFixable(ctx context.Context, b buildbtw.Buildspace, builds []int64) error {
	rows, err := t.buildsWithID(ctx, builds)
	if err != nil {
		return err
	}
	ready := map[int]bool{} // by number: iterations that were looked at
	for _, row := range rows {
		if row.Buildspace != b.Name {
			return buildbtw.Invalid("build %d belongs to buildspace %s, not to %s", row.ID, row.Buildspace, b.Name)
		}
		if err := row.CanFix(); err != nil {
			return err
		}
		if ready[row.Iteration] {
			continue
		}
		if err := t.checkReady(ctx, row); err != nil {
			return err
		}
		ready[row.Iteration] = true
	}
	return nil
}

// FixableBuild is a failed build of an iteration that still builds something, with the
// source whose next commit may make it succeed.
type FixableBuild struct {
	BuildRef
	Source     string `bun:"source"`
	Commit     string `bun:"commit_id"` // at which it failed
	Buildspace string `bun:"buildspace"`
	Changeset  bool   `bun:"changeset"` // whether the source is a changeset of the buildspace
	Ref        string `bun:"ref"`       // at which it is one
}

// FixableBuilds lists the failed builds of an iteration, in the plan's order: at most
// buildbtw.MaxFixes, and none when nothing of the iteration is built any more.
func (q *Reader) FixableBuilds(ctx context.Context, iteration int64) ([]FixableBuild, error) {
	var rows []FixableBuild
	err := q.list(ctx, &rows, "fixable_builds", args{"iteration": iteration, "limit": buildbtw.MaxFixes})
	if err != nil {
		return nil, fmt.Errorf("list failed builds of iteration %d: %w", iteration, err)
	}
	return rows, nil
}

// FixableBuildsOf returns the fixable ones among the builds with these ids, by id.
func (q *Reader) FixableBuildsOf(ctx context.Context, builds []int64) (map[int64]FixableBuild, error) {
	var rows []FixableBuild
	if err := q.list(ctx, &rows, "fixable_builds_of", args{"builds": idList(builds)}); err != nil {
		return nil, fmt.Errorf("list failed builds: %w", err)
	}
	by := make(map[int64]FixableBuild, len(rows))
	for _, row := range rows {
		by[row.ID] = row
	}
	return by, nil
}
