package release

import (
	"slices"
	"sync"
)

// parsed keeps packages of units as they were parsed for former problems: when one build more has
// ended, all others are the same. It may be used by several goroutines.
type parsed struct {
	mu    sync.Mutex
	names *symbols // of the base, and of the packages in known
	known map[parsedKey]node
}

type parsedKey struct{ name, version, architecture string }

// maxParsed bounds the packages that are kept from one problem to the next, some 1.5 KB each.
const maxParsed = 1 << 14

// of returns the packages of units, parsed, and how many names there are with those of the base.
func (p *parsed) of(base *symbols, units []Unit) (nodes [][]node, names int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) > maxParsed {
		p.known, p.names = map[parsedKey]node{}, &symbols{below: base, ids: map[string]int32{}, next: base.next}
	}
	nodes = make([][]node, len(units))
	for k := range units {
		nodes[k] = make([]node, len(units[k].Packages))
		for i := range units[k].Packages {
			x := &units[k].Packages[i]
			key := parsedKey{x.Name, x.Version, x.Architecture}
			n, known := p.known[key]
			if !known || !n.parsesAs(x) {
				n = p.names.node(x)
				p.known[key] = n
			}
			n.Package = x
			nodes[k][i] = n
		}
	}
	return nodes, p.names.next
}

// parsesAs reports whether a package of the same name, version and architecture would be parsed to
// the same.
func (n *node) parsesAs(p *Package) bool {
	return slices.Equal(n.Depends, p.Depends) && slices.Equal(n.Provides, p.Provides) && slices.Equal(n.Conflicts, p.Conflicts) &&
		slices.Equal(n.Sonames, p.Sonames) && slices.Equal(n.Links, p.Links)
}
