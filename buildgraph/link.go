package buildgraph

import (
	"buildbtw"
	"buildbtw/srcinfo"
)

// graph is one architecture's part of an index: a node for every pkgbase that
// has packages there, numbered by name, and who needs whom.
type graph struct {
	arch    string
	words   []word
	units   []*unit
	sources []int32 // by node: place in Index.sources
	byBase  map[string]int32
	dups    []doubled // pkgbases and pkgnames that two sources have

	owner  []int32 // by word: the node that has the pkgname; -1
	offers offers

	deps  *csr // what a node needs
	users *csr // who needs a node

	// Beside every edge of deps: the dependency that made it, for reasons. Of
	// several the strongest counts (see stronger).
	label []int32
	match []match

	links       []link  // by word: what it resolves to
	constrained []int32 // words with a version that some source needs
	bad         []bad   // dependencies that nothing in the sources meets

	memo *memo
}

// bad is a dependency of a node that nothing in the sources meets.
type bad struct{ node, word int32 }

// match says how a dependency found its provider.
type match uint8

const (
	matchNone match = iota
	matchProvides
	matchName
	matchSoname // the most telling: the package must be linked again
)

// linker builds a graph.
type linker struct {
	*graph
	ix *Index
}

// link builds an architecture's graph, taking units from an older one for
// sources that did not change.
func (ix *Index) link(arch string, old *graph) *graph {
	l := &linker{ix: ix, graph: &graph{arch: arch}}
	l.compileUnits(old)
	l.words = ix.words.snapshot()
	l.placeDuplicates()
	l.ownNames()
	l.offers = collectOffers(l.words, l.units)
	l.links = make([]link, len(l.words))
	l.connect()
	l.users = l.deps.reversed()
	l.inherit(old)
	return l.graph
}

// compileUnits makes the nodes, in order of pkgbase.
func (l *linker) compileUnits(old *graph) {
	known := old.unitsByInfo()
	c := compiler{words: l.ix.words, arch: l.arch}
	c.words.mu.Lock()
	defer c.words.mu.Unlock()
	l.units = make([]*unit, 0, len(l.ix.chosen))
	l.sources = make([]int32, 0, len(l.ix.chosen))
	l.byBase = make(map[string]int32, len(l.ix.chosen))
	for _, s := range l.ix.chosen {
		info := l.ix.sources[s].Info
		u, ok := known[info]
		if !ok {
			u = c.compile(info)
		}
		if len(u.pkgnames) == 0 {
			continue
		}
		l.byBase[info.Pkgbase] = int32(len(l.units))
		l.units = append(l.units, u)
		l.sources = append(l.sources, s)
	}
}

func (g *graph) unitsByInfo() map[*srcinfo.Info]*unit {
	if g == nil {
		return nil
	}
	known := make(map[*srcinfo.Info]*unit, len(g.units))
	for _, u := range g.units {
		known[u.info] = u
	}
	return known
}

// ownNames finds the node of every pkgname. Of two that have the same, the one
// that the ranks put first wins.
func (l *linker) ownNames() {
	l.owner = make([]int32, len(l.words))
	for i := range l.owner {
		l.owner[i] = -1
	}
	for v := range int32(len(l.units)) {
		for i, name := range l.units[v].names {
			other := l.owner[name]
			if other < 0 {
				l.owner[name] = v
				continue
			}
			if other == v {
				continue
			}
			winner, lost := other, v
			if l.ix.before(l.sources[v], l.sources[other]) {
				winner, lost = v, other
			}
			l.owner[name] = winner
			l.dups = append(l.dups, doubled{winner: winner, lost: lost, duplicate: duplicate{
				name:   l.units[v].pkgnames[i],
				winner: l.sources[winner], lost: l.sources[lost],
			}})
		}
	}
}

// connect fills the rows of deps.
func (l *linker) connect() {
	n := len(l.units)
	needs := 0
	for _, u := range l.units {
		needs += len(u.needs)
	}
	l.deps = &csr{off: make([]int32, 1, n+1), to: make([]int32, 0, needs), kinds: make([]buildbtw.EdgeKinds, 0, needs)}
	l.label, l.match = make([]int32, 0, needs), make([]match, 0, needs)
	row := newRowBuilder(n)
	for v := range int32(n) {
		l.connectNode(row, v)
	}
}

// connectNode appends a node's row.
func (l *linker) connectNode(row *rowBuilder, v int32) {
	row.reset(v)
	for _, need := range l.units[v].needs {
		found := l.resolve(need.word)
		for _, t := range found.targets {
			row.add(t, need, l.words)
		}
		if found.state != linkMet {
			l.bad = append(l.bad, bad{v, need.word})
		}
	}
	row.flush(l.graph)
}
