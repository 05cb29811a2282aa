// Package link makes the dependency graph of an architecture from .SRCINFO
// files: it interns names and dependency strings, makes a node for every
// pkgbase, and resolves each dependency to the nodes that it means.
package link

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"buildbtw"
	"buildbtw/internal/graph"
	"buildbtw/pacman/srcinfo"
)

// Graph is one architecture's dependency graph and the sources behind it. Nodes
// are numbered by pkgbase.
type Graph struct {
	*Links
	Nodes   []*Node
	Sources []int32 // by node: Source.Place
}

// Links is the part of a graph that stays while sources change nothing but
// their versions.
type Links struct {
	Arch       string
	Deps       Edges                    // from a node to those it needs
	Users      Edges                    // from a node to those that need it
	Components func() *graph.Components // of Deps
	Missing    []Missing                // by node
	Duplicates []Duplicate              // by the later of the two nodes

	label []Symbol // by edge of Deps: the dependency that explains it best
	match []Match  // by edge of Deps: how that one found its provider

	symbols     []symbol
	owner       []int32 // by symbol: the node that has the pkgname; -1
	resolved    []resolution
	targets     []Target
	constrained []Symbol // dependencies with a version
}

// Missing is a dependency of a node that nothing in the sources meets.
type Missing struct {
	Node   int32
	Symbol Symbol
}

// Duplicate is a pkgname that two nodes have. Dependencies on it mean the first.
type Duplicate struct {
	Pkgname      string
	Winner, Lost int32
}

// Source is a source that may become a node.
type Source struct {
	Info  *srcinfo.Info
	Place int32 // the caller's number
}

// linker makes a graph.
type linker struct {
	Graph
	offers []offer // see collectOffers
	off    []int32
}

// New links sources, which are sorted by pkgbase and have each once. Of two that
// define the same pkgname, wins reports whether the first has it, by their
// places. Nodes of an older graph (nil for none) are used again. It is nil when
// no source has a package for the architecture.
func New(arch string, symbols *Symbols, sources []Source, wins func(a, b int32) bool, old *Graph) *Graph {
	l := &linker{Graph: Graph{Links: &Links{Arch: arch}}}
	l.compileAll(symbols, sources, old)
	if len(l.Nodes) == 0 {
		return nil
	}
	l.symbols = symbols.snapshot()
	l.nameOwners(wins)
	l.collectOffers()
	l.resolveAll()
	l.connect()
	l.Users = l.Deps.Reversed()
	l.Components = sync.OnceValue(func() *graph.Components { return graph.StronglyConnected(&l.Deps.CSR) })
	return &l.Graph
}

// compileAll makes the nodes, as far as an older graph does not have them.
func (l *linker) compileAll(symbols *Symbols, sources []Source, old *Graph) {
	compiled := map[*srcinfo.Info]*Node{}
	if old != nil {
		for _, n := range old.Nodes {
			compiled[n.Info] = n
		}
	}
	nodes := make([]*Node, len(sources))
	var missing []int
	for i, s := range sources {
		if nodes[i] = compiled[s.Info]; nodes[i] == nil {
			missing = append(missing, i)
		}
	}
	symbols.mu.Lock()
	defer symbols.mu.Unlock()
	parts := inParts(len(missing), func(from, to int) *compiler {
		c := newCompiler(symbols, l.Arch, to-from)
		if from > 0 { // the first fills the common table, the others their own
			c.symbols = NewSymbols(to - from)
		}
		for _, i := range missing[from:to] {
			nodes[i] = c.compile(sources[i].Info)
		}
		return c
	})
	for _, c := range parts[1:] {
		numbers := symbols.merge(c.symbols)
		for i := range c.nodes {
			c.nodes[i].renumber(numbers)
		}
	}
	l.Nodes, l.Sources = make([]*Node, 0, len(sources)), make([]int32, 0, len(sources))
	for i, n := range nodes {
		if len(n.Pkgnames) > 0 {
			l.Nodes, l.Sources = append(l.Nodes, n), append(l.Sources, sources[i].Place)
		}
	}
}

// inParts works on the numbers below n in as many parts as there are processors,
// and returns the results in order.
func inParts[T any](n int, work func(from, to int) T) []T {
	const least = 512 // for which a goroutine pays
	parts := make([]T, max(1, min(runtime.GOMAXPROCS(0), n/least)))
	var group sync.WaitGroup
	for i := range parts {
		group.Go(func() { parts[i] = work(n*i/len(parts), n*(i+1)/len(parts)) })
	}
	group.Wait()
	return parts
}

// nameOwners finds the node of every pkgname.
func (l *linker) nameOwners(wins func(a, b int32) bool) {
	l.owner = slices.Repeat([]int32{-1}, len(l.symbols))
	for v := range int32(len(l.Nodes)) {
		for i, name := range l.Nodes[v].names {
			other := l.owner[name]
			if other < 0 {
				l.owner[name] = v
				continue
			}
			if other == v {
				continue
			}
			winner, lost := other, v
			if wins(l.Sources[v], l.Sources[other]) {
				winner, lost = v, other
			}
			l.owner[name] = winner
			l.Duplicates = append(l.Duplicates, Duplicate{l.Nodes[v].Pkgnames[i], winner, lost})
		}
	}
}

// cell is an edge of the row that is being made.
type cell struct {
	to     int32
	kinds  buildbtw.EdgeKinds
	label  Symbol             // the dependency that explains the edge best so far
	strong buildbtw.EdgeKinds // its kind
	match  Match
}

// connected is the edges of some nodes that follow one another.
type connected struct {
	deps    Edges
	label   []Symbol
	match   []Match
	missing []Missing
}

// connect makes the edges, on all processors.
func (l *linker) connect() {
	parts := inParts(len(l.Nodes), func(from, to int) *connected { return l.connectNodes(int32(from), int32(to)) })
	edges := 0
	for _, p := range parts {
		edges += len(p.deps.To)
	}
	l.Deps = NewEdges(len(l.Nodes), edges)
	for _, p := range parts {
		before := int32(len(l.Deps.To))
		l.Deps.AddRow(p.deps.To, p.deps.Kinds)
		for _, end := range p.deps.Off[1:] {
			l.Deps.Off = append(l.Deps.Off, before+end)
		}
		l.label, l.match, l.Missing = append(l.label, p.label...), append(l.match, p.match...), append(l.Missing, p.missing...)
	}
}

// connectNodes makes the edges of some nodes: each needs another once, for all
// the reasons there are. A dependency on a package of the same pkgbase is none.
func (l *linker) connectNodes(from, to int32) *connected {
	needs := 0
	for _, n := range l.Nodes[from:to] {
		needs += len(n.Needs)
	}
	out := &connected{deps: NewEdges(int(to-from), needs), label: make([]Symbol, 0, needs), match: make([]Match, 0, needs)}
	place := slices.Repeat([]int32{-1}, len(l.Nodes)) // by node: place in row
	var row []cell
	for v := from; v < to; v++ {
		row = row[:0]
		for _, need := range l.Nodes[v].Needs {
			targets, state := l.Resolve(need.Symbol)
			if state != Met {
				out.missing = append(out.missing, Missing{v, need.Symbol})
			}
			for _, t := range targets {
				c := cell{to: t.Node, kinds: need.Kind, label: need.Symbol, strong: need.Kind, match: t.Match}
				if at := place[t.Node]; at >= 0 {
					row[at] = l.merge(row[at], c)
				} else if t.Node != v {
					place[t.Node] = int32(len(row))
					row = append(row, c)
				}
			}
		}
		slices.SortFunc(row, func(a, b cell) int { return int(a.to - b.to) })
		for _, c := range row {
			place[c.to] = -1
			out.deps.Add(c.to, c.kinds)
			out.label, out.match = append(out.label, c.label), append(out.match, c.match)
		}
		out.deps.EndRow()
	}
	return out
}

// merge joins two reasons for an edge. Of the two dependencies the one that
// explains it better stays: a stronger kind, then a library before a name before
// a provide, then the first by name.
func (l *linker) merge(a, b cell) cell {
	better := b.strong < a.strong
	if a.strong == b.strong {
		better = b.match > a.match || b.match == a.match && l.symbols[b.label].text < l.symbols[a.label].text
	}
	kinds := a.kinds | b.kinds
	if better {
		a = b
	}
	a.kinds = kinds
	return a
}

// WithVersions returns the graph with other .SRCINFO files of some of its
// pkgbases, provided that they change no link: the same packages, provides and
// dependencies, and every version constraint is met as before. It costs a small
// part of linking, and results computed from the links stay valid.
func (g *Graph) WithVersions(symbols *Symbols, infos []*srcinfo.Info) (next *Graph, ok bool) {
	symbols.mu.Lock()
	defer symbols.mu.Unlock()
	next = &Graph{Links: g.Links, Nodes: slices.Clone(g.Nodes), Sources: g.Sources}
	c := newCompiler(symbols, g.Arch, len(infos))
	for _, info := range infos {
		v, found := g.Find(info.Pkgbase)
		if !found {
			continue // it has no package for this architecture
		}
		n := c.compile(info)
		if !n.sameLinks(g.Nodes[v]) || !g.sameConstraints(n, g.Nodes[v]) {
			return nil, false
		}
		next.Nodes[v] = n
	}
	return next, true
}

// sameConstraints reports whether each constraint on the node's names is met by
// both versions or by none.
func (l *Links) sameConstraints(n, old *Node) bool {
	return n.Version == old.Version || !slices.ContainsFunc(l.constrained, func(id Symbol) bool {
		s := &l.symbols[id]
		return slices.Contains(n.names, s.name) && s.dep().SatisfiedBy(n.Version) != s.dep().SatisfiedBy(old.Version)
	})
}

// Find returns the node of a pkgbase.
func (g *Graph) Find(pkgbase string) (int32, bool) {
	v, ok := slices.BinarySearchFunc(g.Nodes, pkgbase, func(n *Node, name string) int {
		return strings.Compare(n.Info.Pkgbase, name)
	})
	return int32(v), ok
}

// Owner returns the node that has a pkgname.
func (l *Links) Owner(symbols *Symbols, pkgname string) (int32, bool) {
	id, ok := symbols.lookUp(pkgname)
	if !ok || int(id) >= len(l.owner) || l.owner[id] < 0 {
		return 0, false
	}
	return l.owner[id], true
}

// Name is the pkgbase of a node.
func (g *Graph) Name(v int32) string { return g.Nodes[v].Info.Pkgbase }

// Text is a dependency as it is written.
func (l *Links) Text(s Symbol) string { return l.symbols[s].text }

// NameOf is the name that a dependency asks for, and of a soname the library's.
func (l *Links) NameOf(s Symbol) (name, library string) {
	if lib := l.symbols[s].library; lib != noSymbol {
		library = l.symbols[lib].text
	}
	return l.symbols[l.symbols[s].name].text, library
}

// Reason returns the dependency that best explains why v needs u, its neighbour.
func (g *Graph) Reason(v, u int32) buildbtw.Reason {
	e := g.Deps.Find(v, u)
	r := buildbtw.Reason{Kind: buildbtw.ReasonDepends, Via: g.Name(u), Name: g.Text(g.label[e])}
	switch {
	case g.Deps.Kinds[e]&buildbtw.EdgeDepends == 0:
		r.Kind = buildbtw.ReasonMakedepends
	case g.match[e] == MatchSoname:
		r.Kind = buildbtw.ReasonSoname
	case g.match[e] == MatchProvides:
		r.Kind = buildbtw.ReasonProvides
	}
	return r
}
