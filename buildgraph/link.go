package buildgraph

import (
	"slices"
	"strings"
	"sync"
)

// graph is one architecture's part of an index: a node for every pkgbase that
// has packages there, numbered by name, and who needs whom.
type graph struct {
	arch    string
	words   []word
	units   []*unit
	sources []int32   // by node: place in Index.sources
	dups    []doubled // pkgbases and pkgnames that two sources have

	owner  []int32 // by word: the node that has the pkgname; -1
	offers offers

	rows  edgeRows // what a node needs, with reasons
	deps  *csr     // the same without them
	users *csr     // who needs a node

	links       []link   // by word: what it resolves to
	targets     []target // of all links
	constrained []int32  // words with a version that some source needs
	bad         []bad    // dependencies that nothing in the sources meets

	memo  *memo
	whole *cycles
}

// cycles are the components of all packages, found by the first who asks.
type cycles struct {
	once sync.Once
	*components
}

// cycles gives the components of all packages.
func (g *graph) cycles() *components {
	g.whole.once.Do(func() { g.whole.components = findComponents(g.deps) })
	return g.whole.components
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
// sources that did not change. It is nil when no package exists there.
func (ix *Index) link(arch string, old *graph) *graph {
	l := &linker{ix: ix, graph: &graph{arch: arch}}
	l.compileUnits(old)
	if len(l.units) == 0 {
		return nil
	}
	l.words = ix.words.snapshot()
	l.placeDuplicates()
	l.ownNames()
	l.offers = collectOffers(l.words, l.units)
	l.resolveAll()
	l.connect()
	l.users, l.whole = l.deps.reversed(), &cycles{}
	l.inherit(old)
	return l.graph
}

// find gives the node of a pkgbase. Nodes are numbered by it.
func (g *graph) find(pkgbase string) (int32, bool) {
	v, ok := slices.BinarySearchFunc(g.units, pkgbase, func(u *unit, name string) int {
		return strings.Compare(u.info.Pkgbase, name)
	})
	return int32(v), ok
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
