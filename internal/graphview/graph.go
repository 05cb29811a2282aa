// Package graphview selects the part of a build graph to draw: the
// neighbourhood of one build, failures with the builds that they block, or
// everything, with regions that are done joined to one box. It also returns the
// state of each build. It does no I/O.
package graphview

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"buildbtw"
)

// Node is the part of a build that never changes. Nodes have the order of their
// IDs, and are called by their place in it.
type Node struct {
	ID      int64
	Pkgbase string
	Version string
	Stage   int
	Level   int
	Reason  buildbtw.Reason
}

// Key names a node within its graph: the pkgbase, with "@2" for a second stage.
func (n Node) Key() string {
	if n.Stage == 2 {
		return n.Pkgbase + "@2"
	}
	return n.Pkgbase
}

// Edge is the order of two nodes: From must be built before To.
type Edge struct {
	From, To int32
	Kinds    buildbtw.EdgeKinds
	Through  []string // pkgbases outside the set, in order, that link From and To
}

// Cut is an edge left out of the order: To uses the base's package of From.
type Cut struct {
	From, To int32
	Kinds    buildbtw.EdgeKinds
	Cycle    []string
}

// Graph is the build graph of one architecture of an iteration. It never
// changes.
type Graph struct {
	Nodes []Node
	Edges []Edge
	Cuts  []Cut

	Digest string // of all the above; two graphs of one digest look the same

	in, out neighbours
	order   []int32 // nodes by level
	byKey   map[string]int32
}

// Edges of the store name builds; these are their IDs.
type (
	// BuildEdge is an Edge between builds.
	BuildEdge struct {
		From, To int64
		Kinds    buildbtw.EdgeKinds
		Through  []string
	}
	// BuildCut is a Cut between builds.
	BuildCut struct {
		From, To int64
		Kinds    buildbtw.EdgeKinds
		Cycle    []string
	}
)

// New makes a graph. Edges to builds that are not among the nodes are left out.
func New(nodes []Node, edges []BuildEdge, cuts []BuildCut) *Graph {
	g := &Graph{Nodes: nodes, byKey: make(map[string]int32, len(nodes))}
	slices.SortFunc(g.Nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	for i, n := range g.Nodes {
		g.byKey[n.Key()] = int32(i)
	}
	for _, e := range edges {
		from, okFrom := g.byID(e.From)
		to, okTo := g.byID(e.To)
		if okFrom && okTo {
			g.Edges = append(g.Edges, Edge{from, to, e.Kinds, e.Through})
		}
	}
	for _, c := range cuts {
		from, okFrom := g.byID(c.From)
		to, okTo := g.byID(c.To)
		if okFrom && okTo {
			g.Cuts = append(g.Cuts, Cut{from, to, c.Kinds, c.Cycle})
		}
	}
	g.in, g.out = newNeighbours(g, true), newNeighbours(g, false)
	g.order = make([]int32, len(nodes))
	for i := range g.order {
		g.order[i] = int32(i)
	}
	slices.SortStableFunc(g.order, func(a, b int32) int { return g.Nodes[a].Level - g.Nodes[b].Level })
	g.Digest = g.digest()
	return g
}

func (g *Graph) digest() string {
	hash := sha256.New()
	out := bufio.NewWriter(hash)
	for _, n := range g.Nodes {
		fmt.Fprintln(out, n.ID, n.Key(), n.Version)
	}
	b := make([]byte, 0, 16)
	for _, e := range g.Edges {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(e.From))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.To))
		b = append(b, byte(e.StyleOf()))
		_, _ = out.Write(b) // a hash never fails
	}
	for _, c := range g.Cuts {
		fmt.Fprintln(out, "cut", c.From, c.To)
	}
	_ = out.Flush() // a hash never fails
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// byID finds a node. IDs of one graph follow one another, as a rule.
func (g *Graph) byID(id int64) (int32, bool) {
	if len(g.Nodes) == 0 {
		return 0, false
	}
	if i := id - g.Nodes[0].ID; i >= 0 && i < int64(len(g.Nodes)) && g.Nodes[i].ID == id {
		return int32(i), true
	}
	i, ok := slices.BinarySearchFunc(g.Nodes, id, func(n Node, id int64) int { return cmp.Compare(n.ID, id) })
	return int32(i), ok
}

// Find returns the node with this key.
func (g *Graph) Find(key string) (int32, bool) {
	v, ok := g.byKey[key]
	return v, ok
}

// Dependencies lists the nodes that must be built just before v.
func (g *Graph) Dependencies(v int32) []int32 { return g.in.of(v) }

// neighbours has a list per node, one after the other in one slice.
type neighbours struct{ start, items []int32 }

func (l neighbours) of(v int32) []int32 { return l.items[l.start[v]:l.start[v+1]] }

func newNeighbours(g *Graph, backwards bool) neighbours {
	l := neighbours{start: make([]int32, len(g.Nodes)+1), items: make([]int32, len(g.Edges))}
	ends := func(e Edge) (at, other int32) {
		if backwards {
			return e.To, e.From
		}
		return e.From, e.To
	}
	for _, e := range g.Edges {
		at, _ := ends(e)
		l.start[at+1]++
	}
	for i := range g.Nodes {
		l.start[i+1] += l.start[i]
	}
	next := slices.Clone(l.start)
	for _, e := range g.Edges {
		at, other := ends(e)
		l.items[next[at]] = other
		next[at]++
	}
	return l
}
