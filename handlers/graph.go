package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/graphlayout"
	"buildbtw/internal/graphview"
	"buildbtw/internal/lru"
	"buildbtw/store"
	"buildbtw/views"
)

// askedGraph is the graph that a request names.
type askedGraph struct {
	row   store.IterationRow
	arch  string
	archs []string
	shown *shownGraph
	seenState
}

// askGraph returns the graph that the path names, as it is now; with mayBeLate as it
// was at most stateAge ago.
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

// graphRequest reads from the query which part of a graph to show.
func graphRequest(c *fiber.Ctx) views.GraphRequest {
	return views.GraphRequest{Mode: graphview.Mode(c.Query("view")), Focus: c.Query("focus"), To: c.Query("to"), Collapse: c.Query("collapse") != "", Fold: c.Query("fold") != ""}
}

// graphPage shows the build graph of an iteration and architecture. Its parts are
// the head and where the builds stand, which static/src/graph draws: the picture
// itself never changes.
func (a *App) graphPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, view: []string{"view", "focus", "to", "collapse", "fold"}, seconds: 3}
	return a.renderLive(c, w, func() (*livePage, error) {
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
	})
}

// graphView returns the page without a picture. The counts are those of one
// architecture.
func (a *App) graphView(g askedGraph) views.Graph {
	return views.Graph{
		Buildspace: g.row.Buildspace, Iteration: g.row.Number, Architecture: g.arch, Architectures: g.archs,
		Status: g.row.Status(), Counts: g.Counts(), State: g.State, View: graphview.View{Focus: -1, To: -1},
		Base: views.IterationURL(g.row.Buildspace, g.row.Number, g.arch, "graph"),
	}
}

// graphAbout answers with the panel about one build, for static/src/graph.
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

// graphPicture answers with a part of the graph laid out, for static/src/graph to
// draw. The whole graph never changes: under an address with its tag browsers may
// cache it.
func (a *App) graphPicture(c *fiber.Ctx) error {
	g, err := a.askGraph(c, true)
	if err != nil {
		return err
	}
	v := a.graphView(g)
	r := graphRequest(c)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if r.Mode != graphview.ModeAll || r.Collapse || r.Fold {
		p, err := a.chosenPicture(g, &v, r)
		if err != nil {
			return err
		}
		body, err := g.EncodePicture(p)
		if err != nil {
			return err
		}
		return sendPacked(c, fiber.MIMEApplicationJSON, body)
	}
	tag := v.Tag()
	quoted := `"` + tag + `"`
	c.Set(fiber.HeaderETag, quoted)
	if c.Query("tag") == tag {
		c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable")
	}
	c.Vary(fiber.HeaderAcceptEncoding)
	if transfer.Matches(c.Get(fiber.HeaderIfNoneMatch), quoted) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	packed, err := g.shown.packedWhole(g.seenState, a.graphs.layouts.New)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if c.Context().Request.Header.HasAcceptEncoding("gzip") {
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(packed)
	}
	plain, err := fasthttp.AppendGunzipBytes(nil, packed)
	if err != nil {
		return fmt.Errorf("unpack a picture: %w", err)
	}
	return c.Send(plain)
}

// chosenPicture lays out the part of a graph that a request asks for, of any size.
func (a *App) chosenPicture(g askedGraph, v *views.Graph, r views.GraphRequest) (*graphview.Picture, error) {
	v.Choose(g.State, r)
	return g.Picture(v.View, a.graphs.layouts.New)
}

// graphSVG answers with the graph as an SVG file.
func (a *App) graphSVG(c *fiber.Ctx) error {
	return a.graphFile(c, ".svg", "image/svg+xml", func(out *bytes.Buffer, g askedGraph, p *graphview.Picture) error {
		return views.GraphFile(g.State, p).Render(c.UserContext(), out)
	})
}

// graphDOT answers with the graph as a file for Graphviz.
func (a *App) graphDOT(c *fiber.Ctx) error {
	return a.graphFile(c, ".dot", "text/vnd.graphviz; charset=utf-8", func(out *bytes.Buffer, g askedGraph, p *graphview.Picture) error {
		return g.WriteDOT(out, p, g.row.Buildspace)
	})
}

// graphFile answers with the part of a graph that the query asks for, as a download.
func (a *App) graphFile(c *fiber.Ctx, ending, kind string, write func(*bytes.Buffer, askedGraph, *graphview.Picture) error) error {
	g, err := a.askGraph(c, false)
	if err != nil {
		return err
	}
	v := a.graphView(g)
	p, err := a.chosenPicture(g, &v, graphRequest(c))
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := write(&body, g, p); err != nil {
		return fmt.Errorf("write the graph of %s as %s: %w", g.row.Buildspace, strings.TrimPrefix(ending, "."), err)
	}
	c.Attachment(fmt.Sprintf("%s-%d-%s%s", g.row.Buildspace, g.row.Number, g.arch, ending))
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendPacked(c, kind, body.Bytes())
}

const (
	cachedGraphs = 8                      // a graph of 8,000 builds takes some 5 MB
	stateAge     = 500 * time.Millisecond // many pages ask for one graph; they may get what is a moment old
)

// graphs caches the build graphs that people look at. Nodes and edges never change
// and are read once; the statuses are read again when the buildspace has changed.
type graphs struct {
	recent  *lru.Cache[graphKey, *shownGraph]
	layouts graphlayout.Cache
}

// graphKey names one architecture's graph of an iteration.
type graphKey struct {
	iteration int64
	arch      string
}

// shownGraph is a graph that people look at.
type shownGraph struct {
	graphKey

	mu     sync.Mutex // held while reading, so that many who ask cause one read
	shape  *graphview.Graph
	latest seenState
	whole  []byte // the whole graph's picture, packed
}

// seenState is the state of a graph at a version of its buildspace.
type seenState struct {
	*graphview.State
	version uint64 // of the buildspace, before it was read
	at      time.Time
}

// of returns a graph, empty if nobody has looked at it lately.
func (g *graphs) of(iteration int64, arch string) *shownGraph {
	return g.recent.GetOrPut(graphKey{iteration, arch}, func() *shownGraph { return &shownGraph{graphKey: graphKey{iteration, arch}} })
}

// state reads the statuses of the builds, unless they are known as of this version,
// or, with mayBeLate, were read less than stateAge ago.
func (s *shownGraph) state(ctx context.Context, a *App, version uint64, mayBeLate bool) (seenState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := a.Now()
	if s.latest.State != nil && (s.latest.version >= version || mayBeLate && now.Sub(s.latest.at) < stateAge) {
		return s.latest, nil
	}
	if s.shape == nil {
		shape, err := a.Store.GraphShape(ctx, s.iteration, s.arch)
		if err != nil {
			return seenState{}, err
		}
		nodes := make([]graphview.Node, len(shape.Builds))
		for i, b := range shape.Builds {
			nodes[i] = graphview.Node(b)
		}
		edges := make([]graphview.BuildEdge, len(shape.Edges))
		for i, e := range shape.Edges {
			edges[i] = graphview.BuildEdge{From: e.From, To: e.To, Kinds: e.Kinds, Through: e.Through}
		}
		cuts := make([]graphview.BuildCut, len(shape.Cuts))
		for i, c := range shape.Cuts {
			cuts[i] = graphview.BuildCut{From: c.From, To: c.To, Kinds: c.Kinds, Cycle: c.Cycle}
		}
		s.shape = graphview.New(nodes, edges, cuts)
	}
	rows, err := a.Store.GraphStates(ctx, s.iteration, s.arch)
	if err != nil {
		return seenState{}, err
	}
	builds := make([]graphview.BuildState, len(rows))
	for i, row := range rows {
		builds[i] = graphview.BuildState(row)
	}
	s.latest = seenState{s.shape.State(builds), version, now}
	return s.latest, nil
}

// packedWhole returns the whole graph's picture as JSON, compressed with gzip. It is
// made once.
func (s *shownGraph) packedWhole(state seenState, layOut graphview.Layouter) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole != nil {
		return s.whole, nil
	}
	p, err := state.Picture(graphview.View{Mode: graphview.ModeAll, Focus: -1, To: -1}, layOut)
	if err != nil {
		return nil, fmt.Errorf("lay out the graph of iteration %d for %s: %w", s.iteration, s.arch, err)
	}
	text, err := state.EncodePicture(p)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	s.whole = packed.Bytes()
	return s.whole, nil
}

// buildNear answers with a small picture of a build among its direct neighbours, which
// the build's page shows.
func (a *App) buildNear(c *fiber.Ctx) error {
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	a.news.catchUp(c.UserContext())
	version := a.news.hub.Version(topicBuildspace(row.Buildspace))
	s, err := a.graphs.of(row.IterationID, row.Architecture).state(c.UserContext(), a, version, true)
	if err != nil {
		return err
	}
	focus, ok := s.Find(graphview.Node{Pkgbase: row.Pkgbase, Stage: row.Stage}.Key())
	if !ok {
		return buildbtw.NotFound("build %d is in no graph", id)
	}
	p, err := s.Picture(graphview.View{Mode: graphview.ModeNear, Focus: focus, To: -1, Small: true}, a.graphs.layouts.New)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.GraphNear(s.State, p))
}
