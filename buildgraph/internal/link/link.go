// Package link makes the dependency graph of an architecture from .SRCINFO
// files: it interns names and dependency strings, makes a node for every
// pkgbase, and resolves each dependency to the nodes that it means.
package link

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"buildbtw/internal/guard"

	"buildbtw"
	"buildbtw/internal/graph"
	"buildbtw/pacman/alpm"
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
	bits       string // of the architecture's own libraries
	options    Options
	Deps       Edges                    // from a node to those it needs
	Users      Edges                    // from a node to those that need it
	Components func() *graph.Components // of Deps
	Missing    []Missing                // by node
	Duplicates []Duplicate              // by the one that lost, then pkgname
	ByFiles    []FilesEdge              // edges of Deps that nothing but files in a directory of To explains better

	label []Symbol // by edge of Deps: the dependency that explains it best
	match []Match  // by edge of Deps: how that one found its provider

	symbols     []symbol
	owner       []int32 // by symbol: the node that has the pkgname; -1
	resolved    []resolution
	targets     []Target
	constrained []Symbol        // dependencies with a version
	debug       map[string]bool // pkgnames that end like those of debug packages
}

// Options are choices of whoever links.
type Options struct {
	IgnoreArch bool  // every source is for every architecture, whatever its arch arrays say
	Built      Built // may be nil

	// Owned is, by architecture, whose directories packages have files in. That is a
	// dependency on the owner, whether the source names it or not: it is written as
	// the directory, /usr/lib/python3.13/.
	Owned map[string]alpm.Owned
}

// OwnerOf returns the pkgname whose directory a dependency is; empty when it is none.
func (l *Links) OwnerOf(dependency string) (pkgname string) {
	if dir, isDirectory := strings.CutPrefix(dependency, "/"); isDirectory {
		pkgname = l.options.Owned[l.Arch].Owners[dir]
	}
	return pkgname
}

// DirectoriesOf lists the directories of others in which a package has files, as
// dependencies.
func (l *Links) DirectoriesOf(pkgname string) []string {
	list := slices.Clone(l.options.Owned[l.Arch].Users[pkgname])
	for i := range list {
		list[i] = "/" + list[i]
	}
	return list
}

// FilesEdge is an edge from a node to the one in whose directory it has files.
type FilesEdge struct{ From, To int32 }

// Missing is a dependency of a node that nothing in the sources meets.
type Missing struct {
	Node   int32
	Symbol Symbol
}

// Duplicate is a pkgname that two nodes have. Dependencies on it mean the first.
type Duplicate struct {
	Pkgname      string
	Winner, Lost int32
	On           []Constraint // on the pkgname
}

// Constraint is a dependency on some versions of a package.
type Constraint struct {
	alpm.Dep
	By string // the pkgbase that has it
}

// Source is a source that may become a node.
type Source struct {
	Info  *srcinfo.Info
	Place int32 // the caller's number
}

// linker makes a graph.
type linker struct {
	Graph
	table  *Symbols
	offers []offer // see collectOffers
	off    []int32
}

// New links sources, which must be sorted by pkgbase without duplicates. A pkgname that
// two sources define belongs to the one that compare, given their places and the
// constraints of others on the name, puts first. Nodes of an older graph with the same
// options are reused; old may be nil. New returns nil when no source has a package for
// the architecture.
func New(arch string, symbols *Symbols, sources []Source, o Options, compare func(a, b int32, on []Constraint) int, old *Graph) *Graph {
	l := &linker{table: symbols, Graph: Graph{Links: &Links{Arch: arch, bits: alpm.WordSize(arch), options: o}}}
	l.compileAll(symbols, sources, old)
	if len(l.Nodes) == 0 {
		return nil
	}
	l.symbols = symbols.snapshot()
	l.nameOwners(compare)
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
		c := newCompiler(symbols, l.Arch, l.options, to-from)
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
	var group guard.Group
	for i := range parts {
		group.Go(func() { parts[i] = work(n*i/len(parts), n*(i+1)/len(parts)) })
	}
	group.Wait()
	return parts
}

// nameOwners finds the node of every pkgname.
func (l *linker) nameOwners(compare func(a, b int32, on []Constraint) int) {
	l.owner = slices.Repeat([]int32{-1}, len(l.symbols))
	several := map[Symbol][]int32{} // nodes of a pkgname that has more than one
	for v := range int32(len(l.Nodes)) {
		for _, name := range l.Nodes[v].names {
			if text := l.symbols[name].text; alpm.IsDebugName(text) {
				if l.debug == nil {
					l.debug = map[string]bool{}
				}
				l.debug[text] = true
			}
			switch first := l.owner[name]; {
			case first < 0:
				l.owner[name] = v
			case first != v:
				if several[name] == nil {
					several[name] = []int32{first}
				}
				several[name] = append(several[name], v)
			}
		}
	}
	if len(several) == 0 {
		return
	}
	asked := l.constraintsOn(several)
	for name, nodes := range several {
		on := slices.DeleteFunc(asked[name], func(c Constraint) bool {
			return slices.ContainsFunc(nodes, func(v int32) bool { return l.Name(v) == c.By })
		})
		slices.SortFunc(nodes, func(a, b int32) int { return compare(l.Sources[a], l.Sources[b], on) })
		l.owner[name] = nodes[0]
		for _, lost := range nodes[1:] {
			l.Duplicates = append(l.Duplicates, Duplicate{l.symbols[name].text, nodes[0], lost, on})
		}
	}
	slices.SortFunc(l.Duplicates, func(a, b Duplicate) int {
		return cmp.Or(cmp.Compare(a.Lost, b.Lost), cmp.Compare(a.Pkgname, b.Pkgname))
	})
}

// constraintsOn returns the version constraints of all sources on some pkgnames.
func (l *linker) constraintsOn(several map[Symbol][]int32) map[Symbol][]Constraint {
	asked := map[Symbol][]Constraint{}
	for v, n := range l.Nodes {
		for _, need := range n.Needs {
			s := &l.symbols[need.Symbol]
			if !s.constrained() || several[s.name] == nil {
				continue
			}
			c, list := Constraint{s.dep(), l.Name(int32(v))}, asked[s.name]
			first := len(list) // of this node's
			for first > 0 && list[first-1].By == c.By {
				first--
			}
			if !slices.Contains(list[first:], c) {
				asked[s.name] = append(list, c)
			}
		}
	}
	return asked
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
	byFiles []FilesEdge
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
		l.ByFiles = append(l.ByFiles, p.byFiles...)
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
			if c.match == MatchFiles {
				out.byFiles = append(out.byFiles, FilesEdge{v, c.to})
			}
		}
		out.deps.EndRow()
	}
	return out
}

// merge joins two reasons for an edge. Of the two dependencies the one that
// explains it better stays: a stronger kind, then a library before a name before
// a provide before files in a directory, then the first by name.
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
	c := newCompiler(symbols, g.Arch, g.options, len(infos))
	for _, info := range infos {
		v, found := g.Find(info.Pkgbase)
		if !found {
			continue // it has no package for this architecture
		}
		n := c.compile(info)
		if !n.sameLinks(g.Nodes[v]) || !g.sameConstraints(n, g.Nodes[v]) || n.Version != g.Nodes[v].Version && g.contests(v) {
			return nil, false
		}
		next.Nodes[v] = n
	}
	return next, true
}

// contests reports whether another node has one of the node's pkgnames.
func (l *Links) contests(v int32) bool {
	return slices.ContainsFunc(l.Duplicates, func(d Duplicate) bool { return d.Winner == v || d.Lost == v })
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

// HasDebug reports whether some node has the name of a debug package.
func (l *Links) HasDebug(name string) bool { return l.debug[name] }

// LostBy lists the pkgnames of a node that others have.
func (l *Links) LostBy(v int32) []Duplicate {
	from, found := slices.BinarySearchFunc(l.Duplicates, v, func(d Duplicate, v int32) int { return cmp.Compare(d.Lost, v) })
	if !found {
		return nil
	}
	to := from
	for to < len(l.Duplicates) && l.Duplicates[to].Lost == v {
		to++
	}
	return l.Duplicates[from:to]
}

// Meant lists the nodes that a dependency of somebody outside the graph means: those
// that it means in the graph, else the one that has the name.
func (l *Links) Meant(symbols *Symbols, text string) (nodes []int32) {
	if id, ok := symbols.lookUp(text); ok && int(id) < len(l.resolved) && l.resolved[id].state != Unknown {
		targets, _ := l.Resolve(id)
		for _, t := range targets {
			nodes = append(nodes, t.Node)
		}
		return nodes
	}
	if dep, err := alpm.ParseDep(text); err == nil {
		if v, ok := l.Owner(symbols, dep.Name); ok {
			nodes = append(nodes, v)
		}
	}
	return nodes
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
	case g.match[e] == MatchFiles:
		r.Kind = buildbtw.ReasonFiles
	case g.match[e] == MatchSoname:
		r.Kind = buildbtw.ReasonSoname
	case g.match[e] == MatchProvides:
		r.Kind = buildbtw.ReasonProvides
	}
	return r
}
