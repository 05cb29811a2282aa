package buildgraph_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

func TestCyclesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "lib", "checkdepends=tool"),
		source(t, "tool", "depends=lib"),
		source(t, "app", "depends=lib"),
	)
	w.settings.Cycles = buildbtw.CyclesTwice
	a := arch(t, w.plan("lib"))
	want := []string{"app", "lib", "lib@2", "tool"}
	if diff := cmp.Diff(want, keys(a)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	// tool lies on the cycle and takes lib's first stage; app waits for the second.
	wantEdges := []string{"lib>lib@2:checkdepends", "lib>tool:depends", "lib@2>app:depends", "tool>lib@2:checkdepends"}
	if diff := cmp.Diff(wantEdges, edges(a)); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	if first, second := build(t, a, "lib"), build(t, a, "lib@2"); !first.NoCheck || second.NoCheck {
		t.Errorf("no_check of the stages: %v, %v; want true, false", first.NoCheck, second.NoCheck)
	}
	if got := build(t, a, "app").Level; got != 3 {
		t.Errorf("app is on level %d, want 3", got)
	}
}

func TestCyclesTwiceKeepsChecksWhenAnotherKindWasCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source(t, "a", "makedepends=b"), source(t, "b", "depends=a"))
	w.settings.Cycles = buildbtw.CyclesTwice
	a := arch(t, w.plan("a"))
	if diff := cmp.Diff([]string{"a", "a@2", "b"}, keys(a)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	if build(t, a, "a").NoCheck {
		t.Error("stage 1 leaves its checks out, though they have all they need")
	}
}

// Whatever the cycles look like: nothing waits for itself, second stages come
// after what was cut, and packages off the cycle only meet second stages.
func TestCyclesTwiceOnFixture(t *testing.T) {
	t.Parallel()
	sources := fixture(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for _, slug := range []string{"glibc", "curl", "python"} {
		t.Run(slug, func(t *testing.T) {
			a := planOf(t, ix, []string{slug}, buildbtw.Settings{Cycles: buildbtw.CyclesTwice})
			checkStages(t, a)
		})
	}
}

func checkStages(t *testing.T, a *buildgraph.ArchPlan) {
	t.Helper()
	o := newOrder(a)
	if o == nil {
		t.Fatal("the stages wait for each other")
	}
	if len(a.Cuts) == 0 {
		t.Fatal("no cuts: nothing is tested")
	}
	second := map[string]bool{}
	for _, b := range a.Builds {
		second[b.Pkgbase] = second[b.Pkgbase] || b.Stage == 2
	}
	last := func(base string) string {
		if second[base] {
			return base + "@2"
		}
		return base
	}
	for _, c := range a.Cuts {
		if !second[c.To] {
			t.Errorf("%s > %s was cut, but %s has no second stage", c.From, c.To, c.To)
		}
		if !o.before(c.From, last(c.To)) || !o.before(c.To, last(c.To)) {
			t.Errorf("the second stage of %s does not wait for %s and its first", c.To, c.From)
		}
	}
	together := cyclesOf(a)
	waited := 0
	for _, e := range a.Edges {
		from, to := e.From, strings.TrimSuffix(e.To, "@2")
		if strings.HasSuffix(from, "@2") || !second[from] || together.together(from, to) {
			continue
		}
		waited++
		if !o.before(last(from), e.To) {
			t.Errorf("%s is built against the first stage of %s", e.To, from)
		}
	}
	for _, e := range a.Edges {
		if strings.HasSuffix(e.From, "@2") && !strings.HasSuffix(e.To, "@2") {
			waited++
		}
	}
	if waited == 0 {
		t.Error("nothing depends on a second stage: nothing is tested")
	}
}

// cyclesOf says which packages lie on cycles together, stages and cuts put
// aside.
func cyclesOf(a *buildgraph.ArchPlan) *loops {
	needs, all := map[string]map[string]string{}, map[string]bool{}
	note := func(from, to string) {
		from, to = strings.TrimSuffix(from, "@2"), strings.TrimSuffix(to, "@2")
		all[from], all[to] = true, true
		if needs[to] == nil {
			needs[to] = map[string]string{}
		}
		needs[to][from] = "depends"
	}
	for _, e := range a.Edges {
		note(e.From, e.To)
	}
	for _, c := range a.Cuts {
		note(c.From, c.To)
	}
	return newLoops(all, func(v string) map[string]string { return needs[v] }, all)
}

func TestStagesOnDistribution(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("run without -short")
	}
	sources := distribution(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	a := planOf(t, ix, []string{"curl"}, buildbtw.Settings{Cycles: buildbtw.CyclesTwice})
	o := newOrder(a)
	if o == nil {
		t.Fatal("the stages wait for each other")
	}
	for _, c := range a.Cuts {
		if !o.before(c.From, c.To+"@2") {
			t.Errorf("the second stage of %s does not wait for %s", c.To, c.From)
		}
	}
}
