package buildgraph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/srcinfo"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// edit is a random state of one source of a small world: sometimes only its
// version, sometimes its dependencies, provides, packages or architectures.
func edit(t *rapid.T, tb testing.TB, names []string, state map[string]buildgraph.Source) buildgraph.Source {
	name := rapid.SampledFrom(names).Draw(t, "source")
	if s, ok := state[name]; ok && rapid.Bool().Draw(t, "version only") {
		info := *s.Info
		info.Pkgver = fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "version"))
		s.Info, s.Commit = &info, s.Commit+"+"
		return s
	}
	lines := []string{fmt.Sprintf("pkgver=%d", rapid.IntRange(1, 4).Draw(t, "version"))}
	some := rapid.SliceOfN(rapid.SampledFrom(names), 0, 3)
	for _, key := range []string{"makedepends", "checkdepends", "depends"} { // a package of its own overrides the last
		for _, to := range some.Draw(t, key) {
			lines = append(lines, key+"="+to)
		}
	}
	lines = append(lines, "arch="+rapid.SampledFrom([]string{"x86_64", "x86_64", "any", "aarch64"}).Draw(t, "arch"), "pkgname="+name)
	for _, to := range some.Draw(t, "depends") {
		lines = append(lines, "depends="+to+rapid.SampledFrom([]string{"", "", ">=2", "<3", "=4"}).Draw(t, "constraint"))
	}
	lines = append(lines, rapid.SampledFrom([]string{"provides=virtual=2", "provides=libx.so=1-64", "depends=virtual>1", "depends=libx.so", "depends=libx.so=2-64", "pkgdesc=x"}).Draw(t, "extra"))
	switch other := rapid.SampledFrom(names).Draw(t, "other"); rapid.IntRange(0, 9).Draw(t, "split") {
	case 0:
		lines = append(lines, "pkgname="+other+"-extra")
	case 1:
		lines = append(lines, "pkgname=lib32-"+name, rapid.SampledFrom([]string{"provides=libx.so", "depends=libx.so"}).Draw(t, "lib32"))
	case 2:
		lines = append(lines, "pkgname="+name+"-doc", "arch=any")
	}
	s := source(tb, name, lines...)
	s.Commit = state[name].Commit + "'" // another content is another commit
	return s
}

// An index that was updated step by step gives the same bytes as a new one, and
// a changeset laid over it the same as one that is part of it.
func TestUpdateGivesWhatANewIndexGives(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	rapid.Check(t, func(rt *rapid.T) {
		state := map[string]buildgraph.Source{}
		for _, name := range names {
			state[name] = source(t, name, "pkgname="+name, "depends=a")
		}
		ix := buildgraph.NewIndex(slices.Collect(maps.Values(state)), buildgraph.Options{})
		for range rapid.IntRange(1, 8).Draw(rt, "edits") {
			r := randomRequest(rt, state)
			comparePlans(rt, "updated", ix, newIndexOf(state), r)
			s := edit(rt, t, names, state)
			overlay := buildgraph.Request{Settings: r.Settings, Architectures: r.Architectures, Changesets: []buildgraph.Source{s}}
			var removed []string
			if other := rapid.SampledFrom(names).Draw(rt, "removed"); other != s.Slug && rapid.IntRange(0, 5).Draw(rt, "remove") == 0 {
				removed = append(removed, other)
				delete(state, other)
			} else {
				state[s.Slug] = s
				comparePlans(rt, "laid over", ix, newIndexOf(state), overlay)
			}
			state[s.Slug] = s
			ix = ix.Update([]buildgraph.Source{s}, removed)
		}
	})
}

func newIndexOf(state map[string]buildgraph.Source) *buildgraph.Index {
	return buildgraph.NewIndex(slices.Collect(maps.Values(state)), buildgraph.Options{})
}

func randomRequest(t *rapid.T, state map[string]buildgraph.Source) buildgraph.Request {
	slug := rapid.SampledFrom(slices.Sorted(maps.Keys(state))).Draw(t, "changeset")
	s := buildbtw.DefaultSettings()
	s.Scope = rapid.SampledFrom(buildbtw.Scopes()).Draw(t, "scope")
	s.Cycles = rapid.SampledFrom([]buildbtw.Cycles{buildbtw.CyclesOnce, buildbtw.CyclesTwice}).Draw(t, "cycles")
	s.Makedepends = rapid.Bool().Draw(t, "makedepends")
	return buildgraph.Request{Settings: s, Architectures: []string{"x86_64", "aarch64"}, Changesets: []buildgraph.Source{state[slug]}}
}

func comparePlans(t *rapid.T, what string, got, want *buildgraph.Index, r buildgraph.Request) {
	t.Helper()
	a, b := planBytes(t, got, r), planBytes(t, want, r)
	if diff := cmp.Diff(b, a); diff != "" {
		t.Fatalf("%s (-new +%s):\n%s", what, what, diff)
	}
}

func planBytes(t *rapid.T, ix *buildgraph.Index, r buildgraph.Request) string {
	t.Helper()
	p, err := ix.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The same on real packages: one after the other loses a dependency, gets it
// back, and has a new version.
func TestUpdateOnFixture(t *testing.T) {
	t.Parallel()
	sources := fixture(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	requests := []buildgraph.Request{}
	for _, slug := range []string{"curl", "boost", "jq", "glibc"} {
		w := newWorld(t, sources...)
		requests = append(requests, w.request(slug))
	}
	for i := 0; i < len(sources); i += 23 {
		s := sources[i]
		info := *s.Info
		info.Pkgver += ".1"
		info.Base.MakeDepends = nil
		s.Info, s.Commit = &info, s.Commit+"-next"
		for _, r := range requests {
			planJSON(t, ix, r)
		}
		ix = ix.Update([]buildgraph.Source{s}, nil)
		sources[i] = s
		full := buildgraph.NewIndex(sources, buildgraph.Options{})
		for _, r := range requests {
			for c := range r.Changesets {
				if r.Changesets[c].Slug == s.Slug {
					r.Changesets[c] = s
				}
			}
			if diff := cmp.Diff(planJSON(t, full, r), planJSON(t, ix, r)); diff != "" {
				t.Fatalf("after %s moved, plan of %s (-new +updated):\n%s", s.Slug, r.Changesets[0].Slug, diff)
			}
		}
	}
}

func planJSON(t *testing.T, ix *buildgraph.Index, r buildgraph.Request) string {
	t.Helper()
	p, err := ix.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rewired is a source with other dependencies, and nothing else that differs.
func rewired(t *rapid.T, s buildgraph.Source, names []string) buildgraph.Source {
	some := func(what string) (out srcinfo.Values) {
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID).Draw(t, what) {
			out = append(out, srcinfo.Value{Text: name})
		}
		return out
	}
	info := *s.Info
	info.Packages = slices.Clone(info.Packages)
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		info.Packages[0].Depends = some("depends")
	case 1:
		info.Base.CheckDepends = some("checkdepends")
	default: // as tools are what most orders over packages outside a set come from
		info.Base.MakeDepends = some("makedepends")
	}
	s.Info, s.Commit = &info, s.Commit+"+"
	return s
}

// Plans that are asked for before and after every push of a dependency take over
// what the push leaves alone, and only that: whichever source is pushed, a leaf
// or a library, of the set or not, on cycles, or on ways over packages that are
// not built.
func TestPlansFollowEveryPush(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	rapid.Check(t, func(rt *rapid.T) {
		state := map[string]buildgraph.Source{}
		for _, name := range names {
			state[name] = rewired(rt, rewired(rt, source(t, name, "pkgname="+name), names), names)
		}
		var requests []buildgraph.Request
		for range 6 {
			r := randomRequest(rt, state)
			r.Architectures = []string{"x86_64"}
			requests = append(requests, r)
		}
		ix := newIndexOf(state)
		for range rapid.IntRange(1, 6).Draw(rt, "pushes") {
			for _, r := range requests {
				planBytes(rt, ix, r)
			}
			s := rewired(rt, state[rapid.SampledFrom(names).Draw(rt, "pushed")], names)
			state[s.Slug] = s
			ix = ix.Update([]buildgraph.Source{s}, nil)
			fresh := newIndexOf(state)
			for i := range requests {
				requests[i].Changesets = []buildgraph.Source{state[requests[i].Changesets[0].Slug]}
				comparePlans(rt, "updated", ix, fresh, requests[i])
			}
		}
	})
}

// A push that orders nothing by itself can make the next one matter: first
// somebody outside needs the set, then the set needs them.
func TestPushesAddUp(t *testing.T) {
	t.Parallel()
	before := []buildgraph.Source{source(t, "lib"), source(t, "app", "depends=lib"), source(t, "tool")}
	first := source(t, "tool", "checkdepends=app")
	then := source(t, "lib", "makedepends=tool")
	w := newWorld(t, before...)
	ix := buildgraph.NewIndex(before, buildgraph.Options{})
	r := w.request("lib")
	planJSON(t, ix, r)
	ix = ix.Update([]buildgraph.Source{first}, nil)
	planJSON(t, ix, r)
	ix = ix.Update([]buildgraph.Source{then}, nil)
	r.Changesets = []buildgraph.Source{then}
	after := buildgraph.NewIndex([]buildgraph.Source{then, before[1], first}, buildgraph.Options{})
	if diff := cmp.Diff(planJSON(t, after, r), planJSON(t, ix, r)); diff != "" {
		t.Errorf("plan (-new +updated):\n%s", diff)
	}
}
