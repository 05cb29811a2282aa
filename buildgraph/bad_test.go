package buildgraph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

func TestWrongRequestsAreRefused(t *testing.T) {
	t.Parallel()
	lib, app := source(t, "lib"), source(t, "app", "depends=lib")
	broken := buildgraph.Source{Slug: "bad", Ref: "next", Err: errors.New(".SRCINFO: line 3: not of the form key = value: \"x\"")}
	cases := []struct {
		name     string
		request  buildgraph.Request
		contains string
	}{
		{"no changeset", buildgraph.Request{}, "no changeset"},
		{"a changeset that cannot be read", buildgraph.Request{Changesets: []buildgraph.Source{broken}}, "bad/next cannot be built: .SRCINFO: line 3"},
		{"a changeset without .SRCINFO", buildgraph.Request{Changesets: []buildgraph.Source{{Slug: "x"}}}, "no .SRCINFO"},
		{"a changeset twice", buildgraph.Request{Changesets: []buildgraph.Source{lib, lib}}, "named twice"},
		{"an excluded changeset", buildgraph.Request{Changesets: []buildgraph.Source{lib}, Settings: buildbtw.Settings{Exclude: buildbtw.Names{"lib"}}}, "lib is a changeset and excluded"},
		{"added and excluded", buildgraph.Request{Changesets: []buildgraph.Source{lib}, Settings: buildbtw.Settings{Exclude: buildbtw.Names{"app"}, Add: buildbtw.Names{"app"}}}, "both added and excluded"},
	}
	ix := buildgraph.NewIndex([]buildgraph.Source{lib, app}, buildgraph.Options{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.request.Architectures = []string{"x86_64"}
			_, err := ix.Plan(t.Context(), c.request)
			if buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), c.contains) {
				t.Errorf("error %v, want an invalid one with %q", err, c.contains)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	twin := source(t, "zz", "pkgname=lib")
	twin.Slug = "other"
	fork := source(t, "fork", "pkgname=fork")
	fork.Info.Pkgbase = "lib"
	cases := []struct {
		name     string
		sources  []buildgraph.Source
		settings buildbtw.Settings
		kind     buildgraph.WarningKind
		want     []string
	}{
		{
			"an unreadable source is named with its reason",
			[]buildgraph.Source{source(t, "lib"), {Slug: "bad", Ref: "main", Err: errors.New(".SRCINFO: line 3: second pkgbase")}},
			buildbtw.Settings{},
			buildgraph.WarnUnreadable,
			[]string{"bad/main: .SRCINFO: line 3: second pkgbase; the plan does not know its dependencies"},
		},
		{
			"a source without .SRCINFO is named",
			[]buildgraph.Source{source(t, "lib"), {Slug: "bad", Ref: "main"}},
			buildbtw.Settings{},
			buildgraph.WarnUnreadable,
			[]string{"bad/main: .SRCINFO: it is missing; the plan does not know its dependencies"},
		},
		{
			"a name that no source provides is the base's",
			[]buildgraph.Source{source(t, "lib", "depends=glibc>=2"), source(t, "app", "depends=lib", "makedepends=glibc>=2")},
			buildbtw.Settings{},
			buildgraph.WarnUnresolved,
			[]string{"no source provides glibc>=2 (needed by app, lib); the base must"},
		},
		{
			"a constraint that nothing meets is said with what there is",
			[]buildgraph.Source{source(t, "lib"), source(t, "app", "depends=lib>=2")},
			buildbtw.Settings{},
			buildgraph.WarnUnmet,
			[]string{"no candidate meets lib>=2 (needed by app); there is lib 1-1"},
		},
		{
			"a pkgname of two sources names both",
			[]buildgraph.Source{source(t, "lib"), twin},
			buildbtw.Settings{},
			buildgraph.WarnDuplicate,
			[]string{"pkgname lib is defined by lib/main (1-1) and by other/main (1-1); dependencies on it mean the first, because it is named like the pkgbase"},
		},
		{
			"a pkgbase of two sources names both",
			[]buildgraph.Source{fork, source(t, "lib")},
			buildbtw.Settings{},
			buildgraph.WarnDuplicate,
			[]string{"pkgbase lib is defined by lib/main (1-1) and by fork/main (1-1); only the first is used, because it is named like the pkgbase"},
		},
		{
			"names that no source has are said",
			[]buildgraph.Source{source(t, "lib")},
			buildbtw.Settings{Exclude: buildbtw.Names{"ghost"}, Add: buildbtw.Names{"spook"}},
			buildgraph.WarnUnknown,
			[]string{"no source has a package ghost; it was named to be added or excluded", "no source has a package spook; it was named to be added or excluded"},
		},
		{
			"an architecture that is not offered is said",
			[]buildgraph.Source{source(t, "lib")},
			buildbtw.Settings{Architectures: buildbtw.Names{"x86_64", "riscv64"}},
			buildgraph.WarnArchitecture,
			[]string{"the architecture riscv64 is not offered here"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.sources...)
			w.settings = c.settings
			if diff := cmp.Diff(c.want, messages(w.plan("lib"), c.kind)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArchitectures(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "lib", "arch=x86_64", "arch=aarch64"), source(t, "py", "arch=any", "depends=lib"),
		source(t, "intel", "depends=lib"), source(t, "mixed", "arch=any", "pkgname=mixed", "pkgname=mixed-bin", "arch=x86_64", "depends=lib"),
	)
	w.archs = []string{"x86_64", "aarch64", "riscv64"}
	p := w.plan("lib")
	if len(p.Architectures) != 2 {
		t.Fatalf("%d architectures are planned, want x86_64 and aarch64: nothing can be built for riscv64", len(p.Architectures))
	}
	if diff := cmp.Diff([]string{"intel", "lib", "mixed", "py"}, keys(p.Architectures["x86_64"])); diff != "" {
		t.Errorf("x86_64 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"lib", "py"}, keys(p.Architectures["aarch64"])); diff != "" {
		t.Errorf("aarch64 (-want +got):\n%s", diff)
	}
	if !build(t, p.Architectures["aarch64"], "py").Any || build(t, p.Architectures["x86_64"], "mixed").Any {
		t.Error("any must be set where every package is for any architecture, and only there")
	}
	// lib twice, intel, mixed, and py once for both.
	if p.Scopes["all"] != 5 {
		t.Errorf("scope all counts %d builds, want 5", p.Scopes["all"])
	}
}

func TestNothingToPlan(t *testing.T) {
	t.Parallel()
	lib := source(t, "lib", "arch=aarch64")
	for name, ix := range map[string]*buildgraph.Index{
		"no sources at all":              buildgraph.NewIndex(nil, buildgraph.Options{}),
		"no package of the architecture": buildgraph.NewIndex([]buildgraph.Source{lib}, buildgraph.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ix.Plan(t.Context(), buildgraph.Request{Changesets: []buildgraph.Source{lib}, Architectures: []string{"x86_64"}})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Architectures) != 0 {
				t.Errorf("architectures %v, want none", p.Architectures)
			}
			if got := messages(p, buildgraph.WarnArchitecture); len(got) != 1 {
				t.Errorf("warnings %q, want one that says so", got)
			}
		})
	}
}

func TestOneSingleCycle(t *testing.T) {
	t.Parallel()
	const n = 5000
	sources := make([]buildgraph.Source, 0, n)
	for i := range n {
		sources = append(sources, source(t, fmt.Sprintf("p%d", i), fmt.Sprintf("depends=p%d", (i+1)%n)))
	}
	a := arch(t, newWorld(t, sources...).plan("p0"))
	if len(a.Builds) != n || len(a.Cuts) != 1 || len(a.Edges) != n-1 || len(a.Cuts[0].Cycle) != n {
		t.Errorf("%d builds, %d cuts, %d edges; want %d, 1, %d", len(a.Builds), len(a.Cuts), len(a.Edges), n, n-1)
	}
}

func TestHundredThousandEdgesIntoOneNode(t *testing.T) {
	t.Parallel()
	const n = 100_000
	sources := []buildgraph.Source{source(t, "lib")}
	one := source(t, "one", "depends=lib")
	for i := range n {
		info := *one.Info
		info.Pkgbase = fmt.Sprintf("p%d", i)
		info.Packages = append(info.Packages[:0:0], info.Packages...)
		info.Packages[0].Name = info.Pkgbase
		sources = append(sources, buildgraph.Source{Slug: info.Pkgbase, Commit: "c", Info: &info})
	}
	a := arch(t, newWorld(t, sources...).plan("lib"))
	if len(a.Builds) != n+1 || len(a.Edges) != n {
		t.Errorf("%d builds and %d edges, want %d and %d", len(a.Builds), len(a.Edges), n+1, n)
	}
}

// A name that very many provide and very many need is no reason for a graph with the
// square of them as edges; the plan says what it leaves out.
func TestANameOfManyProvidersAndManyUsers(t *testing.T) {
	t.Parallel()
	crowd := func(providers, users int) []buildgraph.Source {
		var sources []buildgraph.Source
		for i := range providers {
			sources = append(sources, source(t, fmt.Sprintf("font%05d", i), "provides=font=1"))
		}
		for i := range users {
			sources = append(sources, source(t, fmt.Sprintf("user%05d", i), fmt.Sprintf("depends=font>=0.%d", i), "depends=font00001"))
		}
		return sources
	}
	const bound = 256
	p := newWorld(t, crowd(bound, 2)...).plan("font00000")
	if n := len(arch(t, p).Edges); n != 2 || len(messages(p, buildgraph.WarnUnresolved)) != 0 {
		t.Errorf("of %d providers: %d edges, warnings %v", bound, n, p.Warnings)
	}
	const many = 8000
	sources := crowd(many, many)
	began := time.Now()
	p = newWorld(t, sources...).plan("font00001", "user00000")
	t.Logf("%d providers and %d users: indexed and planned in %v", many, many, time.Since(began))
	if n := len(arch(t, p).Edges); n != many {
		t.Errorf("%d edges, want %d", n, many)
	}
	want := "more than 256 sources provide font>=0.0 (needed by user00000): which of them are meant cannot be told, so no build waits for one or follows from one"
	if got := messages(p, buildgraph.WarnUnresolved); !slices.Contains(got, want) {
		t.Errorf("%d warnings, not %q", len(got), want)
	}
}

// As texlive packages have them: one package provides 18,000 others.
func TestAPackageWithVeryManyProvides(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 18_000 {
		lines = append(lines, fmt.Sprintf("provides=texlive-%d=2026", i))
	}
	w := newWorld(t, source(t, "texlive", lines...), source(t, "doc", "makedepends=texlive-17999>=2025"), source(t, "app", "depends=texlive-0"))
	if diff := cmp.Diff([]string{"texlive>app:depends", "texlive>doc:makedepends"}, edges(arch(t, w.plan("texlive", "doc")))); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
}

func TestEveryLegalCharacterInNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source(t, "lib@x.y_z+1-2", "pkgver=1.0+r3"), source(t, "app", "depends=lib@x.y_z+1-2>=1.0"))
	if diff := cmp.Diff([]string{"app", "lib@x.y_z+1-2"}, keys(arch(t, w.plan("lib@x.y_z+1-2")))); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
}

func TestPlanIsTheSameBytesInAnyOrderOfSources(t *testing.T) {
	t.Parallel()
	sources := fixture(t)
	w := newWorld(t, sources...)
	first, _ := json.Marshal(w.plan("curl"))
	for i, j := 0, len(sources)-1; i < j; i, j = i+1, j-1 {
		sources[i], sources[j] = sources[j], sources[i]
	}
	second, _ := json.Marshal(newWorld(t, sources...).plan("curl"))
	if string(first) != string(second) {
		t.Error("the plan depends on the order in which sources are given")
	}
}
