package handlers

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	sourcesPerPage = 200
	firstBroken    = 50 // broken sources before the readable ones, on the first page
	sourceSpaces   = 50 // buildspaces on the page of a source
)

// sourcesPage lists the sources, those that cannot be planned first.
func (a *App) sourcesPage(c *fiber.Ctx) error {
	w := watched{topics: []string{topicAll}, query: []string{"q", "broken", "cursor"}, period: sourcesPeriod, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) { return a.sourcesLive(c) })
}

// sourcesPeriod is the time after which a page reads the catalog again, whose
// changes are no transactions of the store.
const sourcesPeriod = 10 * time.Second

// sourcesLive reads the page of sources that the query asks for.
func (a *App) sourcesLive(c *fiber.Ctx) (*livePage, error) {
	all, err := a.Catalog.Sources(c.UserContext())
	v := views.Sources{Query: c.Query("q"), BrokenOnly: c.Query("broken") != "", Total: len(all)}
	if buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		v.Wait, err = buildbtw.MessageOf(err), nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range a.Catalog.Roots() {
		v.Roots = append(v.Roots, views.RootLine{
			Name: r.Name, Synced: a.moment(r.Synced), Took: r.Took.Round(time.Millisecond).String(), Sources: r.Sources, Broken: r.Broken, Error: r.Error,
			Next: a.moment(r.Next), Waiting: r.Waiting, Slow: r.Slow,
		})
	}
	v.SetAside, v.CanLook = a.Sources.SetAside(), user(c).MayChange() == nil
	groups, err := a.Store.SourceGroups(c.UserContext())
	if err != nil {
		return nil, err
	}
	for _, r := range groups {
		g := views.SourceGroup{URL: r.Name, Projects: r.Projects, Untried: r.Untried, Broken: r.Broken, Filled: r.FilledAt != nil, Error: r.Message}
		if r.AskedAt != nil {
			g.Asked = a.moment(*r.AskedAt)
		}
		if r.HookAt != nil {
			g.Hook = a.moment(*r.HookAt)
		}
		v.Groups = append(v.Groups, g)
	}
	query := strings.ToLower(v.Query)
	var readable, broken []catalog.Source // those with the query in their slug, by which all are sorted
	for _, s := range all {
		matches := strings.Contains(strings.ToLower(s.Slug), query)
		switch {
		case s.Error != "":
			v.TotalBroken++
			if matches {
				broken = append(broken, s)
			}
		case matches:
			readable = append(readable, s)
		}
	}
	cursor := c.Query("cursor")
	v.First = firstPage(c, cursor)
	if v.BrokenOnly {
		part, next := partOf(broken, cursor)
		v.Broken, v.Next = a.sourceLines(c.UserContext(), part), nextPage(c, next)
	} else {
		part, next := partOf(readable, cursor)
		v.Lines, v.Next = a.sourceLines(c.UserContext(), part), nextPage(c, next)
		if cursor == "" {
			v.Broken = a.sourceLines(c.UserContext(), broken[:min(len(broken), firstBroken)])
			v.BrokenLeft = len(broken) - len(v.Broken)
		}
	}
	return onePart(a.shell(c, views.NavSources, v.Title()), views.SourcesContent(v)), nil
}

// partOf returns the page behind a cursor, which is the last slug of the page
// before, and the cursor of the next page.
func partOf(list []catalog.Source, cursor string) (part []catalog.Source, next string) {
	if cursor != "" {
		i, _ := slices.BinarySearchFunc(list, cursor+"\x00", func(s catalog.Source, slug string) int { return strings.Compare(s.Slug, slug) })
		list = list[i:]
	}
	if len(list) <= sourcesPerPage {
		return list, ""
	}
	return list[:sourcesPerPage], list[sourcesPerPage-1].Slug
}

func (a *App) sourceLines(ctx context.Context, list []catalog.Source) []views.SourceLine {
	wanted := make([]catalog.SourceCommit, len(list))
	for i, s := range list {
		wanted[i] = catalog.SourceCommit{Source: s.Slug, Commit: s.Commit}
	}
	line := a.commitLines(ctx, wanted...)
	var lines []views.SourceLine
	for _, s := range list {
		lines = append(lines, a.sourceLine(s, line(s.Slug, s.Commit)))
	}
	return lines
}

func (a *App) sourceLine(s catalog.Source, commit views.CommitLine) views.SourceLine {
	look := a.Catalog.Look(s.Slug)
	return views.SourceLine{
		Slug: s.Slug, Ref: s.Ref, Commit: commit, Pkgbase: s.Pkgbase, Version: s.Version, Error: s.Error,
		Since: a.moment(look.Since), Next: a.moment(look.Next),
	}
}

// sourcePage shows one source and the buildspaces that change it.
func (a *App) sourcePage(c *fiber.Ctx) error {
	slug, err := param(c, "slug")
	if err != nil {
		return err
	}
	source, err := a.Catalog.Source(slug)
	if err != nil {
		return err
	}
	v, err := a.sourceView(c.UserContext(), source)
	if err != nil {
		return err
	}
	v.CanLook = user(c).MayChange() == nil
	if v.Error == "" && user(c).MayChange() == nil {
		v.PlanURL = "/buildspaces/new?changesets=" + url.QueryEscape(v.Slug)
	}
	s := a.shell(c, views.NavSources, v.Slug)
	s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: v.Slug}}
	return a.render(c, s, views.SourceContent(v))
}

// lookAtSource has a source looked at, or all without one, at once.
func (a *App) lookAtSource(c *fiber.Ctx) error {
	back, slug := "/sources", ""
	if c.Params("slug") != "" {
		name, err := param(c, "slug")
		if err != nil {
			return err
		}
		if _, err := a.Catalog.Source(name); err != nil {
			return err
		}
		back, slug = back+"/"+url.PathEscape(name), name
	}
	if err := a.LookAt(c.UserContext(), slug); err != nil {
		return err
	}
	word := views.Word{Text: "All sources are being looked at; what was pushed is here in a moment."}
	if slug != "" {
		word.Text = slug + " was looked at: what is shown is what is there now."
	}
	return a.seeOtherWith(c, back, word)
}

// sourceView reads the packages of a source and the buildspaces that change it.
func (a *App) sourceView(ctx context.Context, s catalog.Source) (views.SourceDetail, error) {
	v := views.SourceDetail{SourceLine: a.sourceLines(ctx, []catalog.Source{s})[0], Notes: s.Notes}
	names := map[string]bool{}
	for _, arch := range a.Catalog.Architectures {
		p, err := a.Catalog.Package(arch, s.Pkgbase)
		if err != nil || p.Source != s.Slug {
			continue // it makes nothing for this one
		}
		for _, name := range p.Pkgnames {
			if !names[name] {
				names[name] = true
				v.Pkgnames = append(v.Pkgnames, name)
			}
		}
	}
	rows, _, err := a.Store.Buildspaces(ctx, store.BuildspaceFilter{Source: s.Slug, Limit: sourceSpaces})
	if err != nil {
		return v, err
	}
	cards, err := a.buildspaceCards(ctx, rows)
	for i, row := range rows[:len(cards)] {
		space := views.SourceSpace{Card: cards[i]}
		for _, changeset := range row.Changesets {
			if changeset.Source == s.Slug {
				space.Ref = changeset.Ref
			}
		}
		v.Spaces = append(v.Spaces, space)
	}
	return v, err
}
