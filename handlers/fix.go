package handlers

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
	"buildbtw/store"
	"buildbtw/views"
)

// fixBuild builds one failed build with what was pushed to its source since.
func (a *App) fixBuild(c *fiber.Ctx) error {
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	return a.fix(c, row.Buildspace, buildbtw.Fix{Builds: []int64{id}})
}

// fixBuilds does that for all builds that a form names, with one new iteration.
func (a *App) fixBuilds(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	var f buildbtw.Fix
	for _, value := range c.Request().PostArgs().PeekMulti("fix") {
		id, err := buildbtw.ParseBuildID(string(value))
		if err != nil {
			return err
		}
		f.Builds = append(f.Builds, id)
	}
	if len(f.Builds) == 0 {
		return buildbtw.Invalid("no build is ticked; tick those that are to be built with your fix")
	}
	return a.fix(c, name, f)
}

// fix asks for the iteration and redirects to the page on which it will show.
func (a *App) fix(c *fiber.Ctx, buildspace string, f buildbtw.Fix) error {
	if _, err := a.Catalog.Fix(c.UserContext(), user(c), buildspace, f); err != nil {
		return err
	}
	a.Wake()
	return a.seeOtherWith(c, views.BuildspaceURL(buildspace), views.Word{Text: "Your fix is taken. " + calculating})
}

// fixable returns failed builds as pages show them, in their order: why each failed, and what
// was pushed to its source since. Where commits cannot be read, pages are shown without them.
func (a *App) fixable(ctx context.Context, failed []store.FixableBuild) []views.FixableBuild {
	newer, err := a.Catalog.NewerCommits(ctx, failed)
	if err != nil {
		a.Log.WarnContext(ctx, "newer commits of failed builds cannot be read", "error", err)
	}
	var moves []commitMove
	for _, b := range failed {
		if commit, pushed := newer[b.ID]; pushed {
			moves = append(moves, commitMove{b.Source, b.Commit, commit.ID})
		}
	}
	lines := a.movedTo(ctx, moves)
	list := make([]views.FixableBuild, len(failed))
	for i, b := range failed {
		list[i] = views.FixableBuild{Build: buildLink(b.BuildRef), Source: b.Source, Commit: b.Commit, Error: errorLink(b.ID, b.FirstError)}
		if _, pushed := newer[b.ID]; pushed {
			list[i].Newer, lines = &lines[0], lines[1:]
		}
	}
	return list
}

// errorLink returns the line of a failed build's log that says why it failed; nil when none does.
func errorLink(build int64, e store.FirstError) *views.FirstError {
	if e.Line == 0 {
		return nil
	}
	url := views.LogURL(build, e.Attempt) + "#L" + strconv.FormatInt(e.Line, 10)
	return &views.FirstError{Text: e.Text, Cause: buildlog.Summary(e.Text), URL: url}
}

// addFixes adds to what needs attention why builds failed, and what was pushed to their sources
// since. Of builds of one iteration that failed for the same reason the first stays.
func (a *App) addFixes(ctx context.Context, needs []views.Need) ([]views.Need, error) {
	var ids []int64
	for _, n := range needs {
		if n.Build != nil {
			ids = append(ids, n.Build.ID)
		}
	}
	failed, err := a.Store.FixableBuildsOf(ctx, ids)
	if err != nil {
		return needs, err
	}
	by := map[int64]views.FixableBuild{}
	for _, f := range a.fixable(ctx, slices.Collect(maps.Values(failed))) {
		by[f.Build.ID] = f
	}
	type place struct {
		buildspace, cause string
		verdict           buildbtw.Verdict
	}
	first := map[place]int{}
	shown := needs[:0]
	for _, n := range needs {
		if n.Build != nil {
			f, ok := by[n.Build.ID]
			n.Fixable, n.Error, n.Newer = ok, f.Error, f.Newer
		}
		if n.Error != nil {
			here := place{n.Buildspace, n.Error.Cause, n.Build.Verdict}
			at, twice := first[here]
			if twice {
				shown[at].Same = append(shown[at].Same, *n.Build)
				continue
			}
			first[here] = len(shown)
		}
		shown = append(shown, n)
	}
	return shown, nil
}
