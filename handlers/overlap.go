package handlers

import (
	"context"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/store"
	"buildbtw/views"
)

// listedShared bounds the shared sources that a page lists for two buildspaces.
const listedShared = 200

// overlapPages registers the pages about what buildspaces have in common.
func (a *App) overlapPages(r fiber.Router) {
	look := allow(buildbtw.User.MayRead)
	r.Get("/overlaps", look, a.overlapsPage)
	r.Get("/buildspaces/:name/overlaps", look, a.buildspaceOverlapsPage)
	r.Post("/buildspaces/:name/rebase", a.allowBuildspace, a.regroup(func(ctx context.Context, c *fiber.Ctx, name string) (string, error) {
		_, err := a.Catalog.Rebase(ctx, user(c), name)
		return calculating, err
	}))
	r.Post("/buildspaces/:name/merge", a.allowBuildspace, a.regroup(func(ctx context.Context, c *fiber.Ctx, name string) (string, error) {
		other := c.FormValue("with")
		_, err := a.Catalog.Merge(ctx, user(c), name, other)
		return "This buildspace has the changesets of " + other + ", which is stopped. A new iteration is being calculated.", err
	}))
}

// overlapsPage shows what open buildspaces have in common.
func (a *App) overlapsPage(c *fiber.Ctx) error {
	all, err := a.Catalog.AllOverlaps(c.UserContext())
	if err != nil {
		return err
	}
	var p views.OverlapsPage
	for _, o := range all {
		p.Spaces = append(p.Spaces, overlapsView(o, nil))
	}
	s := a.shell(c, views.NavBuildspaces, "Overlaps")
	s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "Overlaps"}}
	return a.render(c, s, views.OverlapsContent(p))
}

// buildspaceOverlapsPage shows what releasing one of two buildspaces takes from the other.
func (a *App) buildspaceOverlapsPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	o, conflicts, err := a.Catalog.Conflicts(c.UserContext(), name)
	if err != nil {
		return err
	}
	v := overlapsView(o, conflicts)
	v.CanChange = user(c).MayChangeOf(row.CreatedBy) == nil && row.Status == buildbtw.BuildspaceActive
	s := a.shell(c, views.NavBuildspaces, "Overlaps · "+name)
	s.Crumbs = views.BuildspaceCrumbs(name, views.Crumb{Label: "Overlaps"})
	return a.render(c, s, views.BuildspaceOverlapsContent(v))
}

// regroup changes the buildspace that the path names, and redirects to its page with a
// word about it.
func (a *App) regroup(change func(ctx context.Context, c *fiber.Ctx, name string) (string, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		text, err := change(c.UserContext(), c, name)
		if err != nil {
			return err
		}
		a.Wake()
		return a.seeOtherWith(c, views.BuildspaceURL(name), views.Word{Text: text})
	}
}

// addOverlaps adds what an iteration that is worked on has in common with others.
func (a *App) addOverlaps(ctx context.Context, v *views.Iteration, row store.IterationRow) error {
	if row.State != buildbtw.IterationReady || row.Counts.Total() == 0 {
		return nil
	}
	o, err := a.Catalog.RecentOverlaps(ctx, row, a.Now())
	if buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		return nil // the sources are being read for the first time
	}
	v.Overlaps = overlapsView(o, nil)
	return err
}

// overlapsView returns overlaps as pages show them, with what was computed exactly, if
// anything was.
func overlapsView(o catalog.Overlaps, conflicts []catalog.Conflict) views.Overlaps {
	v := views.Overlaps{Buildspace: o.Buildspace, Number: o.Iteration, Stale: o.Stale}
	for i, with := range o.With {
		x := views.OverlapLine{Buildspace: with.Buildspace, Number: with.Iteration, Words: with.Words(o.Buildspace), More: max(0, len(with.Shared)-listedShared)}
		for _, s := range with.Shared[:len(with.Shared)-x.More] {
			x.Shared = append(x.Shared, views.SharedLine{Pkgbase: s.Pkgbase, Here: sharedWord(s.Here), There: sharedWord(s.There), Lost: strings.Join(s.Lost, ", ")})
		}
		if i < len(conflicts) {
			addConflict(&x, o.Buildspace, conflicts[i])
		}
		v.With = append(v.With, x)
	}
	for _, b := range o.Behind {
		v.Behind = append(v.Behind, b.Words())
	}
	for _, b := range o.Outdated {
		v.Outdated = append(v.Outdated, fmt.Sprintf("%s %s, the base has %s", b.Pkgbase, b.Version, b.Base))
	}
	return v
}

func sharedWord(changed bool) string {
	if changed {
		return "changed"
	}
	return "rebuilt"
}

func addConflict(x *views.OverlapLine, name string, conflict catalog.Conflict) {
	x.Unknown = conflict.Unknown
	if !conflict.Exact {
		return
	}
	here, there := conflict.Rebase()
	x.Here, x.There, x.BothLose = losesWords(name, x.Buildspace, conflict.Loses, conflict.Goes), losesWords(x.Buildspace, name, conflict.OtherLose, conflict.OtherGoes), here && there
}

func losesWords(name, first string, lost []string, of int) string {
	if len(lost) == 0 {
		return fmt.Sprintf("If %s is released first, %s loses nothing.", first, name)
	}
	return fmt.Sprintf("If %s is released first, %s loses %s of %s that can go, and needs a new iteration: %s.",
		first, name, views.Count(len(lost)), views.Plural(of, "source"), buildbtw.Names(lost).Summary())
}
