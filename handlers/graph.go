package handlers

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/internal/graphview"
	"buildbtw/store"
	"buildbtw/views"
)

// askedGraph is what a request about a graph is about.
type askedGraph struct {
	row   store.IterationRow
	arch  string
	archs []string
	shown *shownGraph
	seenState
}

// askGraph finds the graph that the path names, as it is now; or, if it may be
// late, as it was a moment ago.
func (a *App) askGraph(c *fiber.Ctx, mayBeLate bool) (askedGraph, error) {
	number, err := iterationNumber(c)
	if err != nil {
		return askedGraph{}, err
	}
	name, err := param(c, "name")
	if err != nil {
		return askedGraph{}, err
	}
	// The version is older than what is read after it: a change in between is seen twice, never missed.
	a.news.catchUp(c.UserContext())
	version := a.news.hub.Version(topicBuildspace(name))
	g := askedGraph{arch: c.Params("arch")}
	if g.row, err = a.Store.Iteration(c.UserContext(), name, number); err != nil {
		return askedGraph{}, err
	}
	if g.archs, err = a.Store.Architectures(c.UserContext(), g.row.ID); err != nil {
		return askedGraph{}, err
	}
	if !slices.Contains(g.archs, g.arch) {
		return askedGraph{}, buildbtw.NotFound("iteration %d of %s has no builds for %.40q", number, name, g.arch)
	}
	g.shown = a.graphs.of(g.row.ID, g.arch)
	g.seenState, err = g.shown.state(c.UserContext(), a, version, mayBeLate)
	return g, err
}

// graphRequest is what the query asks for.
func graphRequest(c *fiber.Ctx) views.GraphRequest {
	return views.GraphRequest{Mode: graphview.Mode(c.Query("view")), Focus: c.Query("focus"), Collapse: c.Query("collapse") != ""}
}

// graphPage shows the build graph of an iteration and architecture. Its parts are
// the head and where the builds stand, which static/src/graph draws: the picture
// itself never changes.
func (a *App) graphPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, view: []string{"view", "focus", "collapse"}, seconds: 3}
	return a.renderLive(c, w, func() (*livePage, error) { return a.graphLive(c) })
}

func (a *App) graphLive(c *fiber.Ctx) (*livePage, error) {
	g, err := a.askGraph(c, false)
	if err != nil {
		return nil, err
	}
	v := a.graphView(g)
	if !wantsPart(c) {
		if err := v.Show(g.State, graphRequest(c), a.graphs.layouts.New); err != nil {
			return nil, err
		}
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(v.Buildspace, v.Iteration, views.Crumb{Label: "Graph " + v.Architecture})
	s.Mood = views.IterationMood(v.Status, v.Counts)
	s.Script = s.Assets.Graph
	return &livePage{shell: s, parts: v.Parts(), content: views.GraphContent(v)}, nil
}

// graphView is the page without a picture. The counts are those of one
// architecture.
func (a *App) graphView(g askedGraph) views.Graph {
	v := views.Graph{
		Buildspace: g.row.Buildspace, Iteration: g.row.Number, Architecture: g.arch, Architectures: g.archs,
		Status: g.row.Status(), Counts: buildbtw.Counts{}, State: g.State, View: graphview.View{Focus: -1},
		Base: views.IterationURL(g.row.Buildspace, g.row.Number, g.arch, "graph"),
	}
	for _, b := range g.Builds {
		v.Counts[b.Status]++
	}
	return v
}

// graphAbout is what the page says of one build, for a script that shows it.
func (a *App) graphAbout(c *fiber.Ctx) error {
	g, err := a.askGraph(c, true)
	if err != nil {
		return err
	}
	node, ok := g.Find(c.Query("build"))
	if !ok {
		return buildbtw.NotFound("there is no build %.80q in this graph", c.Query("build"))
	}
	about := views.NewGraphAbout(g.State, node, a.graphView(g).Base)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.GraphAboutPanel(about))
}

// graphFound is a build that a search found.
type graphFound struct {
	Key  string `json:"key"`
	Code string `json:"code"`
}

const graphFoundShown = 8

// findInGraph lists builds by a part of their names.
func (a *App) findInGraph(c *fiber.Ctx) error {
	g, err := a.askGraph(c, true)
	if err != nil {
		return err
	}
	found := []graphFound{}
	for _, v := range g.Search(c.Query("q"), graphFoundShown) {
		found = append(found, graphFound{g.Nodes[v].Key(), g.Codes[v : v+1]})
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.JSON(found)
}
