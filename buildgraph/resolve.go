package buildgraph

import "buildbtw/pacman/alpm"

// link is what a dependency resolves to: a part of a graph's targets.
type link struct {
	from, to int32
	state    linkState
}

// meaning lists what a dependency resolves to.
func (g *graph) meaning(word int32) []target {
	l := g.links[word]
	return g.targets[l.from:l.to]
}

type target struct {
	node  int32
	match match
}

type linkState uint8

const (
	linkUnknown    linkState = iota // not looked at yet
	linkMet                         // every target satisfies the dependency
	linkUnmet                       // the name exists, the version does not; targets have the name
	linkUnresolved                  // no source has the name: the base must provide it
)

// offer is one provide of one node.
type offer struct {
	node int32
	word int32
}

// offers lists who provides what, by the word that is the name: a flat slice
// and the place where each word's part begins.
type offers struct {
	off  []int32
	list []offer
}

func (o *offers) of(word int32) []offer { return o.list[o.off[word]:o.off[word+1]] }

// collectOffers sorts all provides by name. A provided library is listed under
// the library's name, in whatever form it is written.
func collectOffers(words []word, units []*unit) offers {
	o := offers{off: make([]int32, len(words)+1)}
	for _, u := range units {
		for _, p := range u.provides {
			o.off[words[p].key()+1]++
		}
	}
	for i := range words {
		o.off[i+1] += o.off[i]
	}
	o.list = make([]offer, o.off[len(words)])
	next := append([]int32(nil), o.off[:len(words)]...)
	for v, u := range units {
		for _, p := range u.provides {
			k := words[p].key()
			o.list[next[k]] = offer{int32(v), p}
			next[k]++
		}
	}
	return o
}

const leastResolved = 2048 // words of a part

// resolveAll finds what every dependency means, on all processors.
func (l *linker) resolveAll() {
	l.links = make([]link, len(l.words))
	needed := l.neededWords()
	parts := spans(len(l.words), leastResolved)
	targets := make([][]target, len(parts))
	each(parts, func(i int, s span) {
		targets[i] = make([]target, 0, s.to-s.from)
		for id := s.from; id < s.to; id++ {
			if needed[id] {
				targets[i] = l.resolve(int32(id), targets[i])
			}
		}
	})
	for i, s := range parts {
		l.moveLinks(s, int32(len(l.targets)))
		l.targets = append(l.targets, targets[i]...)
	}
}

// neededWords marks the words that some unit needs.
func (l *linker) neededWords() []bool {
	needed := make([]bool, len(l.words))
	for _, u := range l.units {
		for _, n := range u.needs {
			needed[n.word] = true
		}
	}
	return needed
}

// moveLinks shifts the links of some words, whose targets are put behind
// others, and notes which of them have a version.
func (l *linker) moveLinks(s span, by int32) {
	for id := s.from; id < s.to; id++ {
		at := &l.links[id]
		if at.state == linkUnknown {
			continue
		}
		at.from, at.to = at.from+by, at.to+by
		if l.words[id].constrained() {
			l.constrained = append(l.constrained, int32(id))
		}
	}
}

// resolve looks up what a dependency means and appends it to targets.
func (l *linker) resolve(id int32, targets []target) []target {
	from := len(targets)
	targets, state := l.lookUp(&l.words[id], targets)
	l.links[id] = link{int32(from), int32(len(targets)), state}
	return targets
}

// lookUp resolves as pacman does: the package of that name if its version will
// do, else everything that provides the name in a version that will do. If
// nothing will do, whoever has the name is still what the dependency means:
// the order must hold, and the plan warns.
func (l *linker) lookUp(w *word, to []target) ([]target, linkState) {
	owner, dep := l.owner[w.name], w.dep()
	if owner >= 0 && (dep.Op == "" || dep.SatisfiedBy(l.units[owner].version)) {
		return append(to, target{owner, matchName}), linkMet
	}
	from := len(to)
	if to = l.providers(w, to, true); len(to) > from {
		return to, linkMet
	}
	if owner >= 0 {
		return append(to, target{owner, matchName}), linkUnmet
	}
	if to = l.providers(w, to, false); len(to) > from {
		return to, linkUnmet
	}
	return to, linkUnresolved
}

// providers appends the nodes that provide the word's name, or of them those
// whose version will do; each node once.
func (l *linker) providers(w *word, to []target, fitting bool) []target {
	kind := matchProvides
	if w.isLib() {
		kind = matchSoname
	}
	last := int32(-1) // offers of one node lie together
	for _, o := range l.offers.of(w.key()) {
		if o.node != last && (!fitting || satisfies(w, &l.words[o.word])) {
			to = append(to, target{o.node, kind})
			last = o.node
		}
	}
	return to
}

// satisfies reports whether a provide will do for a dependency.
func satisfies(dep, provide *word) bool {
	if dep.isLib() && provide.isLib() {
		return dep.parts.soname.Matches(provide.parts.soname)
	}
	p := provide.dep()
	return dep.dep().SatisfiedByProvide(alpm.Provide{Name: p.Name, Version: p.Version, Versioned: p.Op == "="})
}
