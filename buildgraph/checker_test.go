package buildgraph_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
)

// checker judges plans by walking the .SRCINFO files itself. It shares nothing
// with the engine: names stay strings, graphs are maps.
type checker struct {
	arch  string
	bases map[string]buildgraph.Source // by pkgbase
	needs map[string]map[string]string // pkgbase: what it needs, with the strongest kind
	users map[string]map[string]string
}

type provider struct{ base, text string }

func newChecker(sources []buildgraph.Source, arch string) *checker {
	c := &checker{arch: arch, bases: map[string]buildgraph.Source{}, needs: map[string]map[string]string{}, users: map[string]map[string]string{}}
	order := slices.Clone(sources)
	slices.SortStableFunc(order, func(a, b buildgraph.Source) int {
		return compareSources(a, b)
	})
	for _, s := range order {
		if _, taken := c.bases[s.Info.Pkgbase]; !taken {
			c.bases[s.Info.Pkgbase] = s
		}
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
			for _, dep := range c.deps(s, kind) {
				for _, to := range c.resolve(dep, names, provides) {
					if to != base {
						c.needs[base][to] = kind
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

// packages lists which of a source's packages exist on the architecture.
func (c *checker) packages(s buildgraph.Source) (at []int) {
	for i, p := range s.Info.Packages {
		if slices.Contains(p.Arch, c.arch) || slices.Contains(p.Arch, "any") {
			at = append(at, i)
		}
	}
	return at
}

func (c *checker) deps(s buildgraph.Source, kind string) (out []string) {
	switch kind {
	case "makedepends":
		return s.Info.Base.MakeDepends.For(c.arch)
	case "checkdepends":
		return s.Info.Base.CheckDepends.For(c.arch)
	}
	for _, i := range c.packages(s) {
		out = append(out, s.Info.Packages[i].Depends.For(c.arch)...)
	}
	return out
}

func (c *checker) names() (names map[string]string, provides map[string][]provider) {
	names, provides = map[string]string{}, map[string][]provider{}
	order := make([]string, 0, len(c.bases))
	for base := range c.bases {
		order = append(order, base)
	}
	slices.SortFunc(order, func(a, b string) int {
		return cmp.Or(compareSources(c.bases[a], c.bases[b]), cmp.Compare(a, b))
	})
	for _, base := range order {
		s := c.bases[base]
		for _, i := range c.packages(s) {
			p := s.Info.Packages[i]
			if _, taken := names[p.Name]; !taken {
				names[p.Name] = base
			}
			for _, text := range p.Provides.For(c.arch) {
				key := text
				if d, err := alpm.ParseDep(text); err == nil {
					key = d.Name
				}
				if n, ok := alpm.ParseSoname(text); ok {
					key = n.Library
				}
				provides[key] = append(provides[key], provider{base, text})
			}
		}
	}
	return names, provides
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

func (c *checker) resolve(text string, names map[string]string, provides map[string][]provider) []string {
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
		all = append(all, p.base)
		other, otherLib := alpm.ParseSoname(p.text)
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
				a := planOf(t, ix, sources, slugs, buildbtw.Settings{Scope: scope})
				for i, wrong := range c.check(a, slugs, scope) {
					if t.Error(wrong); i > 10 {
						t.Fatal("and more")
					}
				}
			})
		}
	}
}

func planOf(t testing.TB, ix *buildgraph.Index, sources []buildgraph.Source, slugs []string, s buildbtw.Settings) *buildgraph.ArchPlan {
	t.Helper()
	w := newWorld(t, sources...)
	w.settings = s
	p, err := ix.Plan(t.Context(), w.request(slugs...))
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
		a := planOf(t, ix, sources, slugs, buildbtw.Settings{Scope: scope})
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
