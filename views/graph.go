package views

import (
	"fmt"
	"net/url"
	"strconv"

	"buildbtw"
	"buildbtw/internal/graphview"
)

// Graph is the page /buildspaces/{name}/{n}/{arch}/graph.
type Graph struct {
	Buildspace    string
	Iteration     int
	Architecture  string
	Architectures []string
	Status        buildbtw.IterationStatus
	Counts        buildbtw.Counts

	Base    string // the page's address, below which its data lies
	State   *graphview.State
	View    graphview.View
	Picture *graphview.Picture // nil when it is too large for a page, or empty
	About   *GraphAbout        // the focus; nil when there is none
	Wanted  string             // a name that was searched for and is not there
	Similar []BuildLink        // to it
}

// GraphDrawn is the largest number of builds that a page has as a picture, and
// up to which a page shows the whole graph at first.
const GraphDrawn = 300

// GraphRequest is what the query of a graph page asks for.
type GraphRequest struct {
	Mode     graphview.Mode // empty: everything if it is small, else the surroundings of the focus
	Focus    string         // a key, or a part of a name
	To       string         // of graphview.ModePath: the same
	Collapse bool
	Fold     bool
}

// Choose turns a request into a view.
func (g *Graph) Choose(state *graphview.State, r GraphRequest) {
	g.State, g.View = state, graphview.View{Mode: r.Mode, Focus: -1, To: -1, Collapse: r.Collapse, Fold: r.Fold}
	g.find(r.Focus)
	g.View.Mode = g.mode(r)
	if g.View.Mode == graphview.ModePath {
		if found := g.named(r.To); found >= 0 && g.View.Focus >= 0 {
			g.View.To = found
		} else {
			g.View.Mode = graphview.ModeNear
		}
	}
	if g.View.Mode == graphview.ModeNear && g.View.Focus < 0 {
		g.View.Focus = state.Focus()
	}
}

// Show fills in what a request wants to see.
func (g *Graph) Show(state *graphview.State, r GraphRequest, layOut graphview.Layouter) error {
	g.Choose(state, r)
	if g.View.Focus >= 0 {
		about := NewGraphAbout(g.State, g.View.Focus, g.Base)
		g.About = &about
	}
	if len(state.Nodes) == 0 {
		return nil
	}
	drawn := g.View
	if state.Size(drawn) > GraphDrawn {
		drawn = graphview.View{Mode: graphview.ModeNear, Focus: g.View.Focus, To: -1, Collapse: r.Collapse, Fold: r.Fold}
		if drawn.Focus < 0 {
			drawn.Focus = state.Focus()
		}
	}
	var err error
	g.Picture, err = state.Picture(drawn, layOut)
	return err
}

// find sets the focus to the build of this name, or to the only one like it.
func (g *Graph) find(name string) {
	if name != "" {
		g.View.Focus = g.named(name)
	}
}

// named returns the build of this name, or the only one like it; -1 and what is like
// it when there are others.
func (g *Graph) named(name string) int32 {
	if v, ok := g.State.Find(name); ok {
		return v
	}
	found := g.State.Search(name, similarNames)
	if name != "" && len(found) == 1 {
		return found[0]
	}
	g.Wanted, g.Similar = name, graphLinks(g.State, found)
	return -1
}

const similarNames = 12

// mode is what is shown when nobody said: all of a small graph, the surroundings
// of a build of a large one.
func (g *Graph) mode(r GraphRequest) graphview.Mode {
	switch r.Mode {
	case graphview.ModeNear, graphview.ModeFailed, graphview.ModeAll, graphview.ModePath:
		return r.Mode
	}
	if len(g.State.Nodes) <= GraphDrawn {
		return graphview.ModeAll
	}
	return graphview.ModeNear
}

// Title begins with the status.
func (g Graph) Title() string { return string(g.Status) + " · graph of " + g.Buildspace }

// focusKey names the focus in addresses; empty when there is none.
func (g Graph) focusKey() string {
	if g.View.Focus < 0 {
		return ""
	}
	return g.State.Nodes[g.View.Focus].Key()
}

// url is the address of another look at the same graph.
func (g Graph) url(path string, mode graphview.Mode, collapse, fold bool) string {
	query := url.Values{"view": {string(mode)}}
	if mode == graphview.ModePath && g.View.To >= 0 {
		query.Set("to", g.State.Nodes[g.View.To].Key())
	}
	if fold {
		query.Set("fold", "1")
	}
	if focus := g.focusKey(); focus != "" {
		query.Set("focus", focus)
	}
	if collapse {
		query.Set("collapse", "1")
	}
	return g.Base + path + "?" + query.Encode()
}

// Tag names what the whole graph's picture is made from: its address may be
// kept for ever.
func (g Graph) Tag() string { return strconv.Itoa(graphview.Format) + "-" + g.State.Digest }

// GraphAbout is what the page says of one build.
type GraphAbout struct {
	BuildLink
	Key, Base    string
	Version      string
	Reason       string
	Level        int
	Blocks       int
	Causes       []BuildLink
	Dependencies []BuildLink // what is not done first
	Dependents   []BuildLink
}

// NewGraphAbout tells of a node.
func NewGraphAbout(s *graphview.State, v int32, base string) GraphAbout {
	about, n := s.About(v), s.Nodes[v]
	return GraphAbout{
		BuildLink: graphLink(s, v), Key: n.Key(), Base: base, Version: n.Version, Reason: n.Reason.String(), Level: n.Level,
		Blocks: about.Blocks, Causes: graphLinks(s, about.Causes),
		Dependencies: graphLinks(s, about.Dependencies), Dependents: graphLinks(s, about.Dependents),
	}
}

// place says why the build is there and when its turn comes.
func (a GraphAbout) place() string {
	return fmt.Sprintf("It %s. Level %d.", a.Reason, a.Level)
}

func graphLink(s *graphview.State, v int32) BuildLink {
	n, b := s.Nodes[v], s.Builds[v]
	return BuildLink{ID: n.ID, Pkgbase: n.Pkgbase, Stage: n.Stage, Status: s.Shown(v), SkipReason: b.SkipReason}
}

func graphLinks(s *graphview.State, nodes []int32) []BuildLink {
	links := make([]BuildLink, len(nodes))
	for i, v := range nodes {
		links[i] = graphLink(s, v)
	}
	return links
}

// toKey names the other end of a way in addresses; empty when there is none.
func (g Graph) toKey() string {
	if g.View.To < 0 {
		return ""
	}
	return g.State.Nodes[g.View.To].Key()
}

// focusURL shows the surroundings of another build.
func focusURL(base string, b BuildLink) string {
	key := b.Pkgbase
	if b.Stage == 2 {
		key += "@2"
	}
	return base + "?" + url.Values{"view": {string(graphview.ModeNear)}, "focus": {key}}.Encode()
}
