package buildgraph

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	library "github.com/dominikbraun/graph"
	"github.com/dominikbraun/graph/draw"
)

// WriteDOT writes the build graphs of a plan for Graphviz, one digraph for each
// architecture. Cut edges are dashed, orders over packages outside the set
// dotted.
func (p *Plan) WriteDOT(w io.Writer) error {
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		g, err := p.Architectures[arch].Graph()
		if err != nil {
			return err
		}
		if err := draw.DOT(g, w, draw.GraphAttribute("label", arch), draw.GraphAttribute("rankdir", "LR")); err != nil {
			return fmt.Errorf("write the graph of %s: %w", arch, err)
		}
	}
	return nil
}

// Graph gives the builds by their keys as a graph of the library, cut edges
// included; attributes are those of Graphviz. It is meant for what people look
// at: the library is slow on thousands of nodes.
func (a *ArchPlan) Graph() (library.Graph[string, string], error) {
	g := library.New(library.StringHash, library.Directed())
	for i := range a.Builds {
		b := &a.Builds[i]
		if err := g.AddVertex(b.Key(), vertexStyle(b)...); err != nil {
			return nil, fmt.Errorf("add %s to the graph: %w", b.Key(), err)
		}
	}
	for _, e := range a.Edges {
		style := "solid"
		if len(e.Through) > 0 {
			style = "dotted"
		}
		if err := addEdge(g, e.From, e.To, style, e.Kinds); err != nil {
			return nil, err
		}
	}
	for _, c := range a.Cuts {
		// With two stages, the second build has an edge in its place.
		if err := addEdge(g, c.From, c.To, "dashed", c.Kinds); err != nil && !errors.Is(err, library.ErrEdgeAlreadyExists) {
			return nil, err
		}
	}
	return g, nil
}

func vertexStyle(b *Build) []func(*library.VertexProperties) {
	attributes := []func(*library.VertexProperties){library.VertexAttribute("tooltip", b.Reason.String())}
	if b.Reason.Via == "" {
		attributes = append(attributes, library.VertexAttribute("style", "bold"))
	}
	return attributes
}

func addEdge(g library.Graph[string, string], from, to, style string, kinds []string) error {
	err := g.AddEdge(from, to, library.EdgeAttribute("style", style), library.EdgeAttribute("tooltip", strings.Join(kinds, " ")))
	if err != nil {
		return fmt.Errorf("add %s > %s to the graph: %w", from, to, err)
	}
	return nil
}
