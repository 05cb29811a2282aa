package release_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"buildbtw/pacman/alpm"
	"buildbtw/release"
)

var moreWorlds = flag.Int("release.worlds", 3000, "how many random worlds are compared with every subset of their units")

// naive decides about sets by trying each rule on each package, as slowly as that is
// written down. It shares no code with the package.
type naive struct {
	views      []release.View
	units      []release.Unit
	candidates []int
}

func newNaive(views []release.View, units []release.Unit) *naive {
	n := &naive{views: views, units: units}
	var ok []int
	for k, u := range units {
		good := u.NotReady == ""
		for v := range views {
			here := n.packages(k, v)
			for _, old := range n.seen(v) {
				good = good && (old.Base != u.Pkgbase || len(here) > 0)
				for _, p := range here {
					newer := alpm.Vercmp(p.Version, old.Version)
					if old.repo < n.receiver(k, v) {
						good = good && (p.Name != old.Name || newer == 0)
					} else {
						good = good && (p.Name != old.Name || newer > 0)
					}
				}
			}
		}
		if good {
			ok = append(ok, k)
		}
	}
	for _, k := range ok {
		if !slices.ContainsFunc(ok, func(l int) bool { return l != k && n.shareName(k, l) }) {
			n.candidates = append(n.candidates, k)
		}
	}
	return n
}

func (n *naive) packages(k, view int) (list []release.Package) {
	for _, p := range n.units[k].Packages {
		if p.Architecture == n.views[view].Architecture || p.Architecture == "any" {
			list = append(list, p)
		}
	}
	return list
}

// seen returns the packages of a view that no repository before theirs hides.
func (n *naive) seen(view int) (list []there) {
	for r, repository := range n.views[view].Repositories {
		for _, p := range repository.Packages {
			if !slices.ContainsFunc(list, func(q there) bool { return q.Name == p.Name }) {
				list = append(list, there{Package: p, unit: -1, repo: r})
			}
		}
	}
	return list
}

// receiver returns which repository of a view gets the packages of a unit.
func (n *naive) receiver(k, view int) int {
	return max(0, slices.IndexFunc(n.views[view].Repositories, func(r release.Repository) bool { return r.Name == n.units[k].Repository }))
}

// shown returns the packages of a unit that a repository before the one that gets them does not hide.
func (n *naive) shown(k, view int) []release.Package {
	return slices.DeleteFunc(n.packages(k, view), func(p release.Package) bool {
		return slices.ContainsFunc(n.seen(view), func(old there) bool { return old.Name == p.Name && old.repo < n.receiver(k, view) })
	})
}

func (n *naive) shareName(k, l int) bool {
	for v := range n.views {
		for _, p := range n.packages(k, v) {
			for _, q := range n.packages(l, v) {
				if p.Name == q.Name {
					return true
				}
			}
		}
	}
	return false
}

// there is a package of a view in which a set was released.
type there struct {
	release.Package
	unit int // -1: it was there before
	repo int // that it was in before
}

func (n *naive) after(set []int, view int) (list []there) {
	replaced := func(old there) bool {
		return slices.ContainsFunc(set, func(k int) bool {
			return old.repo >= n.receiver(k, view) &&
				(n.units[k].Pkgbase == old.Base || slices.ContainsFunc(n.packages(k, view), func(p release.Package) bool { return p.Name == old.Name }))
		})
	}
	for _, old := range n.seen(view) {
		if !replaced(old) {
			list = append(list, old)
		}
	}
	for _, k := range set {
		for _, p := range n.shown(k, view) {
			list = append(list, there{Package: p, unit: k})
		}
	}
	return list
}

func mustDep(s string) alpm.Dep {
	d, err := alpm.ParseDep(s)
	if err != nil {
		panic(err)
	}
	return d
}

func provides(p release.Package, d alpm.Dep) bool {
	return slices.ContainsFunc(p.Provides, func(s string) bool {
		provide, err := alpm.ParseProvide(s)
		return err == nil && d.SatisfiedByProvide(provide)
	})
}

// accepts is _alpm_depcmp, finds what resolvedep looks for.
func accepts(p release.Package, d alpm.Dep) bool {
	return p.Name == d.Name && d.SatisfiedBy(p.Version) || provides(p, d)
}

func finds(p release.Package, d alpm.Dep) bool {
	return p.Name == d.Name && d.SatisfiedBy(p.Version) || p.Name != d.Name && provides(p, d)
}

func conflicts(a, b release.Package) bool {
	return a.Name != b.Name && slices.ContainsFunc(a.Conflicts, func(s string) bool { return accepts(b, mustDep(s)) })
}

func unmetIn(list []there) map[string]bool {
	unmet := map[string]bool{}
	for _, p := range list {
		for _, s := range p.Depends {
			d := mustDep(s)
			if !accepts(p.Package, d) && !slices.ContainsFunc(list, func(q there) bool { return finds(q.Package, d) }) {
				unmet[p.Name+" needs "+d.Name] = true
			}
		}
		for _, l := range p.Links {
			if !slices.ContainsFunc(list, func(q there) bool { return slices.Contains(q.Sonames, l) }) {
				unmet[p.Name+" links "+l] = true
			}
		}
	}
	return unmet
}

// installableIn tries every subset.
func installableIn(list []there) map[string]bool {
	able := map[string]bool{}
	needs, against := make([][]uint, len(list)), make([]uint, len(list))
	for i, p := range list {
		for _, s := range p.Depends {
			var by uint
			for j, q := range list {
				if accepts(q.Package, mustDep(s)) {
					by |= 1 << j
				}
			}
			needs[i] = append(needs[i], by)
		}
		for j, q := range list {
			if conflicts(p.Package, q.Package) || conflicts(q.Package, p.Package) {
				against[i] |= 1 << j
			}
		}
	}
	for set := range uint(1) << len(list) {
		good := true
		for i := range list {
			if set&(1<<i) == 0 {
				continue
			}
			good = good && against[i]&set == 0 && !slices.ContainsFunc(needs[i], func(by uint) bool { return by&set == 0 })
		}
		for i := range list {
			if good && set&(1<<i) != 0 {
				able[list[i].Name] = true
			}
		}
	}
	return able
}

func sharingIn(list []there) map[string]bool {
	pairs := map[string]bool{}
	for _, p := range list {
		for _, q := range list {
			if p.Name != q.Name && !conflicts(p.Package, q.Package) && !conflicts(q.Package, p.Package) &&
				slices.ContainsFunc(p.Files, func(f string) bool { return slices.Contains(q.Files, f) }) {
				pairs[p.Name+" and "+q.Name] = true
			}
		}
	}
	return pairs
}

// broken returns a rule that a set breaks; empty when it is safe.
func (n *naive) broken(set []int) string {
	goes := func(pkgbase string) bool {
		return slices.ContainsFunc(set, func(k int) bool { return n.units[k].Pkgbase == pkgbase })
	}
	for v := range n.views {
		before, after := n.after(nil, v), n.after(set, v)
		was := unmetIn(before)
		for unmet := range unmetIn(after) {
			if !was[unmet] {
				return unmet
			}
		}
		able, ableNow := installableIn(before), installableIn(after)
		for _, p := range after {
			if able[p.Name] && !ableNow[p.Name] && !n.superseded(p, before, after) {
				return p.Name + " cannot be installed"
			}
		}
		sharedBefore := map[string]bool{}
		for _, p := range before {
			for _, q := range before {
				if slices.ContainsFunc(p.Files, func(f string) bool { return slices.Contains(q.Files, f) }) {
					sharedBefore[p.Name+" and "+q.Name] = true
				}
			}
		}
		for pair := range sharingIn(after) {
			if !sharedBefore[pair] {
				return pair + " share a file"
			}
		}
		for _, k := range set {
			for _, p := range n.shown(k, v) {
				for _, old := range before {
					if old.Name == p.Name && old.Base != n.units[k].Pkgbase && !goes(old.Base) {
						return p.Name + " moves"
					}
					for _, l := range p.Links {
						if i := slices.IndexFunc(n.units, func(u release.Unit) bool { return u.Pkgbase == old.Base }); i >= 0 && i != k && !goes(old.Base) && slices.Contains(n.candidates, i) && old.repo >= n.receiver(i, v) &&
							slices.Contains(old.Sonames, l) && slices.ContainsFunc(n.shown(i, v), func(q release.Package) bool { return slices.Contains(q.Sonames, l) }) {
							return p.Name + " was built with " + old.Base
						}
					}
				}
			}
		}
	}
	return ""
}

func (n *naive) superseded(p there, before, after []there) bool {
	is := func(q release.Package) bool { return conflicts(q, p.Package) && provides(q, alpm.Dep{Name: p.Name}) }
	return slices.ContainsFunc(after, func(q there) bool {
		return q.unit >= 0 && is(q.Package) && !slices.ContainsFunc(before, func(old there) bool { return old.Name == q.Name && is(old.Package) })
	})
}

// apart returns the pairs of names that conflict once a set is released, and did not before.
func (n *naive) apart(set []int) []string {
	pairs := map[string]bool{}
	for v := range n.views {
		before, after := n.after(nil, v), n.after(set, v)
		able := installableIn(before)
		beside := func(list []there, one, other string) (both, good bool) {
			i := slices.IndexFunc(list, func(p there) bool { return p.Name == one })
			j := slices.IndexFunc(list, func(p there) bool { return p.Name == other })
			if i < 0 || j < 0 {
				return false, false
			}
			return true, !conflicts(list[i].Package, list[j].Package) && !conflicts(list[j].Package, list[i].Package)
		}
		for one := range able {
			for other := range able {
				_, good := beside(before, one, other)
				both, now := beside(after, one, other)
				if one < other && good && both && !now {
					pairs[one+" and "+other] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(pairs))
}

// largest returns the size of the largest safe set, and how many there are.
func (n *naive) largest() (size, many int) {
	for bits := range 1 << len(n.candidates) {
		var set []int
		for i, k := range n.candidates {
			if bits&(1<<i) != 0 {
				set = append(set, k)
			}
		}
		if len(set) < size || n.broken(set) != "" {
			continue
		}
		if len(set) > size {
			size, many = len(set), 0
		}
		many++
	}
	return size, many
}

// randomWorld draws a small world with everything that the rules are about.
func randomWorld(draw func(n int) int) ([]release.View, []release.Unit) {
	architectures := []string{"x86_64", "aarch64"}[:1+draw(5)/4]
	names := []string{"a", "b", "c", "d", "e", "f"}
	chance := func(percent int) bool { return draw(100) < percent }
	pick := func(list ...string) string { return list[draw(len(list))] }
	choices := chance(85) // worlds in which new packages ask for old ones
	fill := func(p *release.Package, generation string) {
		if choices && generation == "2" && chance(85) {
			p.Depends = append(p.Depends, pick(names...)+"<2")
		}
		for range draw(3) {
			if choices && chance(90) {
				continue
			}
			name := pick("a", "b", "c", "d", "e", "f", "v", "w")
			p.Depends = append(p.Depends, name+pick("", "", "="+generation, ">="+generation, "<2"))
		}
		if chance(35) {
			p.Provides = append(p.Provides, pick("v", "w")+pick("", "=1", "="+generation))
		}
		if chance(5) {
			p.Provides = append(p.Provides, pick(names...)+"=1")
		}
		if chance(18) {
			p.Conflicts = append(p.Conflicts, pick("a", "b", "c", "d", "e", "f", "v")+pick("", "<2"))
		}
		p.Sonames, p.Links = []string{}, []string{}
		if chance(20) {
			p.Sonames = append(p.Sonames, "l.so="+pick("1", generation)+"-64")
		}
		if chance(12) {
			p.Links = append(p.Links, "l.so="+generation+"-64")
		}
		if chance(12) {
			p.Files = append(p.Files, pick("usr/x", "usr/y"))
		}
	}
	var views []release.View
	units := make([]release.Unit, 0, len(names))
	for _, name := range names {
		if chance(75) {
			u := release.Unit{Pkgbase: name}
			if !choices && chance(10) {
				u.NotReady = release.Failed
			}
			units = append(units, u)
		}
	}
	for _, arch := range architectures {
		v := release.View{Name: arch, Architecture: arch, Repositories: []release.Repository{{Name: "extra"}}}
		for _, name := range names {
			if !chance(85) {
				continue
			}
			p := release.Package{Name: name, Base: name, Version: "1-1", Architecture: arch}
			if chance(15) {
				p.Base = pick(names...)
			}
			fill(&p, "1")
			v.Repositories[0].Packages = append(v.Repositories[0].Packages, p)
		}
		views = append(views, v)
		for i := range units {
			if units[i].NotReady != "" || chance(5) {
				continue
			}
			p := release.Package{Name: units[i].Pkgbase, Base: units[i].Pkgbase, Version: pick("2-1", "2-1", "2-1", "2-1", "2-1", "2-1", "1-1"), Architecture: arch}
			if chance(12) {
				p.Name = pick(names...)
			}
			fill(&p, "2")
			units[i].Packages = append(units[i].Packages, p)
		}
	}
	return views, units
}

// chained makes of a random world one whose users have a target alone, or another one before it,
// which has some packages of units already, or others in their place.
func chained(r *rand.Rand) ([]release.View, []release.Unit) {
	views, units := randomWorld(r.IntN)
	_, others := randomWorld(r.IntN)
	var all []release.View
	for _, v := range views {
		v.Repositories[0].Name = "stable"
		before := release.Repository{Name: "testing"}
		for _, list := range [][]release.Unit{units, others} {
			for _, u := range list {
				if r.IntN(3) > 0 {
					continue
				}
				for _, p := range u.Packages {
					here := p.Architecture == v.Architecture && !slices.ContainsFunc(before.Packages, func(q release.Package) bool { return q.Name == p.Name })
					if here {
						before.Packages = append(before.Packages, p)
					}
				}
			}
		}
		all = append(all, v, release.View{Name: "testing, " + v.Name, Architecture: v.Architecture, Repositories: []release.Repository{before, v.Repositories[0]}})
	}
	for i := range units {
		units[i].Repository = "stable"
	}
	return all, units
}

// compare compares the answer for a world with every subset. It returns how many largest sets
// there are.
func compare(views []release.View, units []release.Unit) (many int, err error) {
	n := newNaive(views, units)
	size, many := n.largest()
	r := release.NewBase(views).Largest(release.Problem{Units: units})
	var set []int
	for _, pkgbase := range r.Goes {
		k := slices.IndexFunc(units, func(u release.Unit) bool { return u.Pkgbase == pkgbase })
		if !slices.Contains(n.candidates, k) {
			return many, fmt.Errorf("%s is no candidate and goes", pkgbase)
		}
		set = append(set, k)
	}
	if rule := n.broken(set); rule != "" {
		return many, fmt.Errorf("%v go, but then: %s", r.Goes, rule)
	}
	if len(set) != size || r.AtMost != size || !r.Proven {
		return many, fmt.Errorf("%v go, at most %d, proven %v; the largest set has %d units", r.Goes, r.AtMost, r.Proven, size)
	}
	var apart []string
	for _, a := range r.Apart {
		one, _, _ := strings.Cut(a.One, " ")
		other, _, _ := strings.Cut(a.Other, " ")
		apart = append(apart, min(one, other)+" and "+max(one, other))
	}
	slices.Sort(apart)
	if want := n.apart(set); !slices.Equal(apart, want) || r.AllApart != len(want) {
		return many, fmt.Errorf("%v go; apart are %v, want %v", r.Goes, apart, want)
	}
	for _, h := range r.Held {
		if h.Reason() == "" || h.Root == "" || strings.Contains(h.Reason(), "  ") {
			return many, fmt.Errorf("no reason for %+v", h)
		}
	}
	return many, nil
}

func TestLargestSetIsTheLargest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		views, units := randomWorld(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "n") })
		if _, err := compare(views, units); err != nil {
			rt.Fatalf("%v\n%s", err, describe(views, units))
		}
	})
}

func TestThousandsOfWorlds(t *testing.T) {
	t.Parallel()
	worlds := *moreWorlds
	if testing.Short() {
		worlds = min(worlds, 1000)
	}
	several := 0
	for seed := range worlds {
		r := rand.New(rand.NewPCG(uint64(seed), 15))
		views, units := randomWorld(r.IntN)
		many, err := compare(views, units)
		if err != nil {
			t.Fatalf("world %d: %v\n%s", seed, err, describe(views, units))
		}
		if many > 1 {
			several++
		}
	}
	t.Logf("%d of %d worlds have several largest sets", several, worlds)
	if several*10 < worlds {
		t.Errorf("only %d of %d worlds have several largest sets: too few choices are tested", several, worlds)
	}
}

// TestWorldsOfTwoTargets releases to a target that some users have behind another one.
func TestWorldsOfTwoTargets(t *testing.T) {
	t.Parallel()
	worlds := *moreWorlds
	if testing.Short() {
		worlds = min(worlds, 1000)
	}
	went, hidden, there := 0, 0, 0
	for seed := range worlds {
		views, units := chained(rand.New(rand.NewPCG(uint64(seed), 16)))
		if _, err := compare(views, units); err != nil {
			t.Fatalf("world %d: %v\n%s", seed, err, describe(views, units))
		}
		r := release.NewBase(views).Largest(release.Problem{Units: units})
		went += len(r.Goes)
		for _, h := range r.Held {
			if h.Kind == release.Hidden {
				hidden++
			}
		}
		n := newNaive(views, units)
		for k := range units {
			if slices.Contains(r.Goes, units[k].Pkgbase) && len(n.shown(k, 1)) < len(n.packages(k, 1)) {
				there++
			}
		}
	}
	t.Logf("%d units went, %d of them were in testing already; %d were hidden there", went, there, hidden)
	if went < worlds/2 || hidden < worlds/10 || there < worlds/10 {
		t.Error("the worlds test too little")
	}
}

func describe(views []release.View, units []release.Unit) string {
	var b strings.Builder
	write := func(where string, p release.Package) {
		fmt.Fprintf(&b, "%s: %s %s (%s, %s) depends %v provides %v conflicts %v sonames %v links %v files %v\n",
			where, p.Name, p.Version, p.Base, p.Architecture, p.Depends, p.Provides, p.Conflicts, p.Sonames, p.Links, p.Files)
	}
	for _, v := range views {
		for _, r := range v.Repositories {
			for _, p := range r.Packages {
				write(v.Name+"/"+r.Name, p)
			}
		}
	}
	for _, u := range units {
		fmt.Fprintf(&b, "unit %s %s\n", u.Pkgbase, u.NotReady)
		for _, p := range u.Packages {
			write("  new", p)
		}
	}
	return b.String()
}
