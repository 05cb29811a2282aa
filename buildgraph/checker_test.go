package buildgraph_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// checker judges plans by walking the .SRCINFO files itself. It shares nothing
// with the engine: names stay strings, graphs are maps.
type checker struct {
	arch  string
	bases map[string]buildgraph.Source // by pkgbase
	needs map[string]map[string]string // pkgbase: what it needs, with the strongest kind
	users map[string]map[string]string
}

// provider is a provide of a package.
type provider struct{ base, pkgname, text string }

func newChecker(sources []buildgraph.Source, arch string) *checker {
	c := &checker{arch: arch, bases: map[string]buildgraph.Source{}, needs: map[string]map[string]string{}, users: map[string]map[string]string{}}
	for base, list := range candidates(sources) {
		c.bases[base] = list[0]
	}
	for base, s := range c.bases {
		if len(c.packages(s)) == 0 {
			delete(c.bases, base)
		}
	}
	names, provides := c.names()
	for base, s := range c.bases {
		c.needs[base] = map[string]string{}
		for _, kind := range []string{"checkdepends", "makedepends", "depends"} {
			for pkgname, deps := range c.deps(s, kind) {
				for _, dep := range deps {
					for _, to := range c.resolve(base, pkgname, dep, names, provides) {
						if to != base {
							c.needs[base][to] = kind
						}
					}
				}
			}
		}
	}
	for base, list := range c.needs {
		for to, kind := range list {
			if c.users[to] == nil {
				c.users[to] = map[string]string{}
			}
			c.users[to][base] = kind
		}
	}
	return c
}

// packages lists which of a source's packages exist on the architecture: all or
// none, as makepkg has it.
func (c *checker) packages(s buildgraph.Source) (at []int) {
	for i, p := range s.Info.Packages {
		for _, list := range [][]string{s.Info.Base.Arch, p.Arch} {
			if !slices.Contains(list, c.arch) && !slices.Contains(list, "any") {
				return nil
			}
		}
		at = append(at, i)
	}
	return at
}

// deps lists dependencies by the package that has them; those that the pkgbase needs
// to be built are under the empty name.
func (c *checker) deps(s buildgraph.Source, kind string) map[string][]string {
	runtime := map[string][]string{}
	var all []string
	for _, i := range c.packages(s) {
		p := s.Info.Packages[i]
		runtime[p.Name] = p.Depends.For(c.arch)
		all = append(all, runtime[p.Name]...)
	}
	switch kind {
	case "makedepends":
		list := s.Info.Base.MakeDepends.For(c.arch)
		for _, dep := range s.Info.Base.Depends.For(c.arch) {
			if !slices.Contains(all, dep) {
				list = append(list, dep)
			}
		}
		return map[string][]string{"": list}
	case "checkdepends":
		return map[string][]string{"": s.Info.Base.CheckDepends.For(c.arch)}
	}
	return runtime
}

// lib32 reports whether a package, or for the empty name every one of a source, has
// libraries of 32 bits beside the native ones.
func (c *checker) lib32(base, pkgname string) bool {
	for _, p := range c.bases[base].Info.Packages {
		if (pkgname == "" || pkgname == p.Name) && !strings.HasPrefix(p.Name, "lib32-") {
			return false
		}
	}
	return true
}

func (c *checker) names() (names map[string]string, provides map[string][]provider) {
	provides = map[string][]provider{}
	makers := map[string][]buildgraph.Source{}
	order := slices.Sorted(maps.Keys(c.bases))
	var asks []ask
	for _, base := range order {
		s := c.bases[base]
		for _, i := range c.packages(s) {
			p := s.Info.Packages[i]
			makers[p.Name] = append(makers[p.Name], s)
			for _, text := range p.Provides.For(c.arch) {
				key := text
				if d, err := alpm.ParseDep(text); err == nil {
					key = d.Name
				}
				if n, ok := alpm.ParseSoname(text); ok {
					key = n.Library
				}
				provides[key] = append(provides[key], provider{base, p.Name, text})
			}
		}
		asks = append(asks, asksOf(s, c.arch)...)
	}
	names = map[string]string{}
	for name, list := range makers {
		names[name] = best(list, asksOn(asks, list, name))[0].Info.Pkgbase
	}
	return names, provides
}

// ask is a dependency on some versions of a package.
type ask struct {
	dep alpm.Dep
	by  string
}

// asksOf lists those of a source, of an architecture or all.
func asksOf(s buildgraph.Source, arch string) (out []ask) {
	lists := []srcinfo.Values{s.Info.Base.Depends, s.Info.Base.MakeDepends, s.Info.Base.CheckDepends}
	for _, p := range s.Info.Packages {
		lists = append(lists, p.Depends)
	}
	seen := map[alpm.Dep]bool{}
	for _, list := range lists {
		for _, v := range list {
			d, err := alpm.ParseDep(v.Text)
			if err == nil && d.Op != "" && !seen[d] && (arch == "" || v.Arch == "" || v.Arch == arch) {
				seen[d] = true
				out = append(out, ask{d, s.Info.Pkgbase})
			}
		}
	}
	return out
}

// asksOn keeps those about some names that others than the candidates have.
func asksOn(asks []ask, candidates []buildgraph.Source, names ...string) []ask {
	return slices.DeleteFunc(slices.Clone(asks), func(a ask) bool {
		return !slices.Contains(names, a.dep.Name) || slices.ContainsFunc(candidates, func(s buildgraph.Source) bool { return s.Info.Pkgbase == a.by })
	})
}

// candidates lists the sources of each pkgbase, the one first that counts: once
// without looking at what others ask for, and then with what those ask for that won.
func candidates(sources []buildgraph.Source) map[string][]buildgraph.Source {
	by := map[string][]buildgraph.Source{}
	for _, s := range sources {
		by[s.Info.Pkgbase] = append(by[s.Info.Pkgbase], s)
	}
	var asks []ask
	for base, list := range by {
		by[base] = best(list, nil)
		asks = append(asks, asksOf(by[base][0], "")...)
	}
	for base, list := range by {
		if len(list) == 1 {
			continue
		}
		var names []string
		for _, s := range list {
			for _, p := range s.Info.Packages {
				names = append(names, p.Name)
			}
		}
		by[base] = best(list, asksOn(asks, list, names...))
	}
	return by
}

// best sorts sources that define the same: first the one that meets most, then the
// newest, the one named like its pkgbase, by slug, as they were given.
func best(list []buildgraph.Source, asks []ask) []buildgraph.Source {
	met := func(s buildgraph.Source) (n int) {
		for _, a := range asks {
			for _, p := range s.Info.Packages {
				ok := p.Name == a.dep.Name && a.dep.SatisfiedBy(s.Info.Version())
				for _, v := range p.Provides {
					provide, err := alpm.ParseProvide(v.Text)
					ok = ok || err == nil && a.dep.SatisfiedByProvide(provide)
				}
				if ok {
					n++
					break
				}
			}
		}
		return n
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b buildgraph.Source) int {
		return cmp.Or(-cmp.Compare(met(a), met(b)), -alpm.Vercmp(a.Info.Version(), b.Info.Version()), compareSources(a, b))
	})
	return list
}

// compareSources puts the source first that wins a name that both define: one
// named like its pkgbase, then by slug.
func compareSources(a, b buildgraph.Source) int {
	named := func(s buildgraph.Source) int {
		if s.Slug == s.Info.Pkgbase {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(a.Slug, b.Slug))
}

func (c *checker) resolve(base, pkgname, text string, names map[string]string, provides map[string][]provider) []string {
	dep, err := alpm.ParseDep(text)
	if err != nil {
		dep = alpm.Dep{Name: text}
	}
	soname, isLib := alpm.ParseSoname(text)
	owner, owned := names[dep.Name]
	if owned && dep.SatisfiedBy(c.bases[owner].Info.Version()) {
		return []string{owner}
	}
	key := dep.Name
	if isLib {
		key = soname.Library
	}
	var all, met []string
	for _, p := range provides[key] {
		other, otherLib := alpm.ParseSoname(p.text)
		if strings.HasSuffix(key, ".so") && c.lib32(base, pkgname) != c.lib32(p.base, p.pkgname) {
			continue
		}
		all = append(all, p.base)
		provide, err := alpm.ParseProvide(p.text)
		fits := err == nil && dep.SatisfiedByProvide(provide)
		if isLib && otherLib {
			fits = soname.Matches(other)
		}
		if fits {
			met = append(met, p.base)
		}
	}
	switch {
	case len(met) > 0:
		return met
	case owned:
		return []string{owner}
	}
	return all
}

// set walks from the changesets over runtime dependents.
func (c *checker) set(changes []string, scope buildbtw.Scope) map[string]bool {
	set := map[string]bool{}
	front := changes
	for _, v := range changes {
		set[v] = true
	}
	for depth := 0; len(front) > 0; depth++ {
		if scope == buildbtw.ScopeNone || scope == buildbtw.ScopeDirect && depth == 1 {
			break
		}
		var next []string
		for _, v := range front {
			for u, kind := range c.users[v] {
				if kind == "depends" && !set[u] {
					set[u] = true
					next = append(next, u)
				}
			}
		}
		front = next
	}
	return set
}

// check returns everything that is wrong with a plan.
func (c *checker) check(a *buildgraph.ArchPlan, changes []string, scope buildbtw.Scope) (wrong []string) {
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	want := c.set(changes, scope)
	built := map[string]bool{}
	for _, b := range a.Builds {
		if built[b.Pkgbase] {
			fail("%s is built twice", b.Pkgbase)
		}
		if !want[b.Pkgbase] {
			fail("%s is in the set without need", b.Pkgbase)
		}
		built[b.Pkgbase] = true
	}
	for base := range want {
		if !built[base] {
			fail("%s is missing", base)
		}
	}
	cut := map[[2]string]bool{}
	loops := newLoops(built, func(v string) map[string]string { return c.needs[v] }, built)
	for _, x := range a.Cuts {
		cut[[2]string{x.From, x.To}] = true
		if c.needs[x.To][x.From] == "" || !loops.together(x.From, x.To) {
			fail("%s > %s was cut and lies on no cycle", x.From, x.To)
		}
		if !c.isCycle(x.Cycle, built) || len(x.Cycle) < 2 || x.Cycle[0] != x.From || x.Cycle[1] != x.To {
			fail("%v is no cycle over %s > %s", x.Cycle, x.From, x.To)
		}
	}
	order := newOrder(a)
	if order == nil {
		fail("the edges have a cycle")
		return wrong
	}
	for v := range built {
		for u := range c.needs[v] {
			if built[u] && !cut[[2]string{u, v}] && !order.before(u, v) {
				fail("nothing makes %s wait for %s", v, u)
			}
		}
	}
	c.checkThrough(built, order, fail)
	return wrong
}

func (c *checker) isCycle(names []string, in map[string]bool) bool {
	for i, v := range names {
		next := names[(i+1)%len(names)]
		if !in[v] || c.needs[next][v] == "" {
			return false
		}
	}
	return true
}

// checkThrough wants order between two builds when one needs the other over
// packages that are not built, unless both lie on one cycle of the whole.
func (c *checker) checkThrough(built map[string]bool, order *order, fail func(string, ...any)) {
	everything := map[string]bool{}
	for v := range c.bases {
		everything[v] = true
	}
	whole := newLoops(everything, func(v string) map[string]string { return c.needs[v] }, everything)
	for v := range built {
		seen := map[string]bool{}
		todo := []string{}
		for u := range c.needs[v] {
			if !built[u] {
				seen[u] = true
				todo = append(todo, u)
			}
		}
		for len(todo) > 0 {
			x := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for u := range c.needs[x] {
				switch {
				case seen[u]:
				case !built[u]:
					seen[u] = true
					todo = append(todo, u)
				case u != v && !whole.together(u, v) && !order.before(u, v):
					seen[u] = true
					fail("nothing makes %s wait for %s over %s, which is not built", v, u, x)
				}
			}
		}
	}
}

// loops says which nodes lie on a cycle together (Kosaraju's algorithm).
type loops struct{ of map[string]int }

func newLoops(nodes map[string]bool, needs func(string) map[string]string, in map[string]bool) *loops {
	back := map[string][]string{}
	var finished []string
	seen := map[string]bool{}
	type frame struct {
		node string
		rest []string
	}
	open := func(v string) frame {
		f := frame{node: v}
		for u := range needs(v) {
			if in[u] {
				f.rest = append(f.rest, u)
				back[u] = append(back[u], v)
			}
		}
		return f
	}
	for v := range nodes {
		if seen[v] {
			continue
		}
		seen[v] = true
		stack := []frame{open(v)}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if len(f.rest) == 0 {
				finished = append(finished, f.node)
				stack = stack[:len(stack)-1]
				continue
			}
			u := f.rest[0]
			f.rest = f.rest[1:]
			if !seen[u] {
				seen[u] = true
				stack = append(stack, open(u))
			}
		}
	}
	l := &loops{of: map[string]int{}}
	for i, v := range slices.Backward(finished) {
		if _, done := l.of[v]; done {
			continue
		}
		todo := []string{v}
		l.of[v] = i
		for len(todo) > 0 {
			x := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, u := range back[x] {
				if _, done := l.of[u]; !done {
					l.of[u] = i
					todo = append(todo, u)
				}
			}
		}
	}
	return l
}

func (l *loops) together(a, b string) bool { return l.of[a] == l.of[b] }

// order answers whether the edges of a plan put one build before another.
type order struct {
	place map[string]int
	bits  [][]uint64
}

// newOrder is nil when the edges have a cycle.
func newOrder(a *buildgraph.ArchPlan) *order {
	o := &order{place: map[string]int{}}
	waits, users := map[string]int{}, map[string][]string{}
	deps := map[string][]string{}
	for _, e := range a.Edges {
		waits[e.To]++
		users[e.From] = append(users[e.From], e.To)
		deps[e.To] = append(deps[e.To], e.From)
	}
	var queue []string
	for _, b := range a.Builds {
		if waits[b.Key()] == 0 {
			queue = append(queue, b.Key())
		}
	}
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		o.place[v] = head
		set := make([]uint64, (len(a.Builds)+63)/64)
		for _, u := range deps[v] {
			p := o.place[u]
			set[p/64] |= 1 << (p % 64)
			for i, w := range o.bits[p] {
				set[i] |= w
			}
		}
		o.bits = append(o.bits, set)
		for _, u := range users[v] {
			if waits[u]--; waits[u] == 0 {
				queue = append(queue, u)
			}
		}
	}
	if len(queue) != len(a.Builds) {
		return nil
	}
	return o
}

// before reports whether v can only begin when u is done.
func (o *order) before(u, v string) bool {
	p := o.place[u]
	return o.bits[o.place[v]][p/64]&(1<<(p%64)) != 0
}

var checkedChangesets = [][]string{
	{"glibc"}, {"curl"}, {"openssl"}, {"boost"}, {"jq"}, {"nodejs"}, {"python"}, {"rust"}, {"qt6-base", "kconfig"}, {"icu", "elogind", "perl"},
}

func TestCheckerAgreesOnDistribution(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute; run without -short")
	}
	checkAll(t, distribution(t), checkedChangesets)
}

func TestCheckerAgreesOnFixture(t *testing.T) {
	t.Parallel()
	checkAll(t, fixture(t), [][]string{{"glibc"}, {"curl"}, {"openssl"}, {"boost"}, {"jq"}, {"python"}, {"cmake"}, {"git", "krb5"}, {"cmake", "python"}, {"glibc", "git"}})
}

func checkAll(t *testing.T, sources []buildgraph.Source, changesets [][]string) {
	t.Helper()
	c := newChecker(sources, "x86_64")
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for _, slugs := range changesets {
		for _, scope := range buildbtw.Scopes() {
			t.Run(fmt.Sprint(slugs, scope), func(t *testing.T) {
				a := planOf(t, ix, slugs, buildbtw.Settings{Scope: scope})
				for i, wrong := range c.check(a, slugs, scope) {
					if t.Error(wrong); i > 10 {
						t.Fatal("and more")
					}
				}
			})
		}
	}
}

func planOf(t testing.TB, ix *buildgraph.Index, slugs []string, s buildbtw.Settings) *buildgraph.ArchPlan {
	t.Helper()
	r := buildgraph.Request{Settings: s, Architectures: []string{"x86_64"}}
	for _, slug := range slugs {
		one, ok := ix.Source(slug) // of several the one that counts
		if !ok {
			t.Fatalf("no source %s", slug)
		}
		r.Changesets = append(r.Changesets, one)
	}
	p, err := ix.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return arch(t, p)
}

// The checker must see every single edge that the engine leaves out.
func TestCheckerMissesNoEdge(t *testing.T) {
	t.Parallel()
	sources := fixture(t)
	c := newChecker(sources, "x86_64")
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for _, scope := range []buildbtw.Scope{buildbtw.ScopeDirect, buildbtw.ScopeAll} {
		slugs := []string{"boost"}
		a := planOf(t, ix, slugs, buildbtw.Settings{Scope: scope})
		if len(a.Edges) == 0 {
			t.Fatal("no edges to remove")
		}
		found, implied := 0, 0
		for i := range a.Edges {
			less := *a
			less.Edges = slices.Delete(slices.Clone(a.Edges), i, i+1)
			if newOrder(&less).before(a.Edges[i].From, a.Edges[i].To) {
				implied++ // other edges keep the order
				continue
			}
			if len(c.check(&less, slugs, scope)) == 0 {
				t.Errorf("scope %s: the checker did not miss %s > %s", scope, a.Edges[i].From, a.Edges[i].To)
			}
			found++
		}
		if found == 0 {
			t.Errorf("scope %s: all %d edges were implied by others", scope, implied)
		}
	}
}
