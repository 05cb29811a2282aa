package link

import "buildbtw/pacman/alpm"

// State is whether the sources meet a dependency.
type State uint8

// The states of a dependency.
const (
	Unknown    State = iota // no source needs it
	Met                     // every target satisfies it
	Unmet                   // the name exists, the version does not; targets have the name
	Unresolved              // no source has the name: the base must provide it
	Crowded                 // more than MaxProviders sources provide the name: none of them is meant
)

// MaxProviders is the largest number of sources that may provide one name; with more,
// none of them is chosen. In distributions a name has fewer than twenty. N providers and
// N dependents would make N² edges.
const MaxProviders = 256

// Match is how a dependency found its provider.
type Match uint8

// The ways to find a provider, the least telling first.
const (
	MatchFiles Match = iota // it has files in the provider's directory
	MatchProvides
	MatchName
	MatchSoname // the package must be linked again
)

// Target is a node that a dependency may mean.
type Target struct {
	Node  int32
	Match Match
}

// resolution is the targets of a symbol, as a part of all.
type resolution struct {
	from, to int32
	state    State
}

// Resolve returns the nodes that a dependency means, and whether they satisfy it.
func (l *Links) Resolve(s Symbol) ([]Target, State) {
	r := l.resolved[s]
	return l.targets[r.from:r.to], r.state
}

// offer is one provide of one node.
type offer struct {
	node    int32
	provide Symbol
}

// collectOffers lists all provides by name: those of a symbol are
// offers[off[s]:off[s+1]]. A provided library is listed under the library's
// name, in whatever form it is written.
func (l *linker) collectOffers() {
	l.off = make([]int32, len(l.symbols)+1)
	for _, n := range l.Nodes {
		for _, p := range n.provides {
			l.off[l.symbols[p].key()+1]++
		}
	}
	for i := range l.symbols {
		l.off[i+1] += l.off[i]
	}
	l.offers = make([]offer, l.off[len(l.symbols)])
	next := append([]int32(nil), l.off...)
	for v, n := range l.Nodes {
		for _, p := range n.provides {
			k := l.symbols[p].key()
			l.offers[next[k]] = offer{int32(v), p}
			next[k]++
		}
	}
}

// resolveAll resolves every dependency once.
func (l *linker) resolveAll() {
	l.resolved = make([]resolution, len(l.symbols))
	for _, n := range l.Nodes {
		for _, need := range n.Needs {
			if l.resolved[need.Symbol].state != Unknown {
				continue
			}
			s := &l.symbols[need.Symbol]
			from := int32(len(l.targets))
			state := l.resolve(s)
			l.resolved[need.Symbol] = resolution{from, int32(len(l.targets)), state}
			if s.constrained() {
				l.constrained = append(l.constrained, need.Symbol)
			}
		}
	}
}

// resolve appends the nodes that a dependency means to the targets, as libalpm
// chooses them (deps.c): the package of that name if its version will do, else
// everything that provides the name in a version that will do. If nothing will
// do, the dependency still means whoever has the name: the order must hold, and
// the plan warns.
func (l *linker) resolve(s *symbol) State {
	if pkgname := l.OwnerOf(s.text); pkgname != "" {
		if v, ok := l.Owner(l.table, pkgname); ok {
			l.targets = append(l.targets, Target{v, MatchFiles})
		}
		return Met
	}
	owner, dep := l.owner[s.name], s.dep()
	if owner >= 0 && (dep.Op == "" || dep.SatisfiedBy(l.Nodes[owner].Version)) {
		l.targets = append(l.targets, Target{owner, MatchName})
		return Met
	}
	crowded := l.off[s.key()+1]-l.off[s.key()] > MaxProviders
	switch {
	case crowded && owner < 0:
		return Crowded
	case !crowded && l.addProviders(s, true):
		return Met
	case owner >= 0:
		l.targets = append(l.targets, Target{owner, MatchName})
		return Unmet
	case l.addProviders(s, false):
		return Unmet
	}
	return Unresolved
}

// addProviders appends the nodes that provide the symbol's name, or of them those
// whose version will do; each node once. It reports whether there are any. A
// library of another word size is another library.
func (l *linker) addProviders(s *symbol, fitting bool) bool {
	match := MatchProvides
	if s.library != noSymbol {
		match = MatchSoname
	}
	last := int32(-1) // offers of one node stand together
	for _, o := range l.offers[l.off[s.key()]:l.off[s.key()+1]] {
		p := &l.symbols[o.provide]
		if s.isLibrary() && p.isLibrary() && !l.sameWordSize(s, p) {
			continue
		}
		if o.node != last && (!fitting || satisfies(s, p)) {
			l.targets = append(l.targets, Target{o.node, match})
			last = o.node
		}
	}
	return last >= 0
}

// satisfies reports whether a provide will do for a dependency.
func satisfies(dep, provide *symbol) bool {
	if dep.library != noSymbol && provide.library != noSymbol {
		return dep.parsed.soname.Matches(provide.parsed.soname)
	}
	p := provide.dep()
	return dep.dep().SatisfiedByProvide(alpm.Provide{Name: p.Name, Version: p.Version, Versioned: p.Op == "="})
}
