package buildgraph

import "buildbtw/alpm"

// link is what a dependency resolves to.
type link struct {
	state   linkState
	targets []target
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

// resolve finds what a dependency means, once for every word.
func (l *linker) resolve(id int32) *link {
	at := &l.links[id]
	if at.state == linkUnknown {
		*at = l.lookUp(id)
		if l.words[id].dep.Op != "" {
			l.constrained = append(l.constrained, id)
		}
	}
	return at
}

// lookUp resolves as pacman does: the package of that name if its version will
// do, else everything that provides the name in a version that will do. If
// nothing will do, whoever has the name is still what the dependency means:
// the order must hold, and the plan warns.
func (l *linker) lookUp(id int32) link {
	w := &l.words[id]
	owner := l.owner[w.name]
	if owner >= 0 && (w.dep.Op == "" || w.dep.SatisfiedBy(l.units[owner].version)) {
		return link{linkMet, []target{{owner, matchName}}}
	}
	all, met := l.providers(w)
	switch {
	case len(met) > 0:
		return link{linkMet, met}
	case owner >= 0:
		return link{linkUnmet, []target{{owner, matchName}}}
	case len(all) > 0:
		return link{linkUnmet, all}
	}
	return link{state: linkUnresolved}
}

// providers lists the nodes that provide the word's name, and those of them
// whose version will do; each node once.
func (l *linker) providers(w *word) (all, met []target) {
	kind := matchProvides
	if w.isLib {
		kind = matchSoname
	}
	for _, o := range l.offers.of(w.key()) {
		t := target{o.node, kind}
		all = appendTarget(all, t)
		if satisfies(w, &l.words[o.word]) {
			met = appendTarget(met, t)
		}
	}
	return all, met
}

// appendTarget adds a target unless it was added last: offers of one node lie
// together.
func appendTarget(list []target, t target) []target {
	if n := len(list); n > 0 && list[n-1].node == t.node {
		return list
	}
	return append(list, t)
}

// satisfies reports whether a provide will do for a dependency.
func satisfies(dep, provide *word) bool {
	if dep.isLib && provide.isLib {
		return dep.soname.Matches(provide.soname)
	}
	return dep.dep.SatisfiedByProvide(alpm.Provide{
		Name:      provide.dep.Name,
		Version:   provide.dep.Version,
		Versioned: provide.dep.Op == "=",
	})
}
