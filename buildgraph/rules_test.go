package buildgraph_test

import (
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

// Each case is one rule of docs/domain.md, "Which packages are in the graph", in its
// smallest form: the expectation is another when the rule is taken away.
func TestRules(t *testing.T) {
	t.Parallel()
	type sources = []buildgraph.Source
	set := func(change func(*buildbtw.Settings)) func(*buildbtw.Settings) { return change }
	scope := func(s buildbtw.Scope) func(*buildbtw.Settings) {
		return set(func(x *buildbtw.Settings) { x.Scope = s })
	}
	cases := []struct {
		name     string
		sources  sources
		settings func(*buildbtw.Settings)
		change   []string
		builds   []string
		edges    []string
		cuts     []string
	}{
		{
			name:    "an exact pkgname wins over a provide",
			sources: sources{source(t, "lib"), source(t, "fork", "provides=lib"), source(t, "app", "depends=lib")},
			change:  []string{"fork"},
			builds:  []string{"fork"},
			edges:   []string{},
		},
		{
			name:    "a provide stands in for a name that is no pkgname, every provider is a dependency",
			sources: sources{source(t, "jdk", "provides=java"), source(t, "openjdk", "provides=java"), source(t, "app", "depends=java")},
			change:  []string{"jdk", "openjdk"},
			builds:  []string{"app", "jdk", "openjdk"},
			edges:   []string{"jdk>app:depends", "openjdk>app:depends"},
		},
		{
			name:    "only a provide of the right version will do",
			sources: sources{source(t, "old", "provides=java=8"), source(t, "new", "provides=java=21"), source(t, "app", "depends=java>=17")},
			change:  []string{"old", "new"},
			builds:  []string{"app", "new", "old"},
			edges:   []string{"new>app:depends"},
		},
		{
			name:    "a provide without a version meets no constraint",
			sources: sources{source(t, "old", "provides=java"), source(t, "new", "provides=java=21"), source(t, "app", "depends=java>=17")},
			change:  []string{"old", "new"},
			builds:  []string{"app", "new", "old"},
			edges:   []string{"new>app:depends"},
		},
		{
			name:    "a pkgname of the wrong version gives way to a provide of the right one",
			sources: sources{source(t, "lib", "pkgver=1"), source(t, "lib2", "provides=lib=2"), source(t, "app", "depends=lib>=2")},
			change:  []string{"lib", "lib2"},
			builds:  []string{"app", "lib", "lib2"},
			edges:   []string{"lib2>app:depends"},
		},
		{
			name:    "versions are compared with their epoch",
			sources: sources{source(t, "lib", "epoch=1", "pkgver=1"), source(t, "lib2", "provides=lib=3"), source(t, "app", "depends=lib>2")},
			change:  []string{"lib", "lib2"},
			builds:  []string{"app", "lib", "lib2"},
			edges:   []string{"lib>app:depends"},
		},
		{
			name:    "a soname is found in whichever form it is written",
			sources: sources{source(t, "lib", "provides=libx.so=5-64"), source(t, "a", "depends=libx.so"), source(t, "b", "depends=libx.so=5-64"), source(t, "c", "depends=lib:libx.so.5")},
			change:  []string{"lib"},
			builds:  []string{"a", "b", "c", "lib"},
			edges:   []string{"lib>a:depends", "lib>b:depends", "lib>c:depends"},
		},
		{
			name:    "a soname that is provided without a version meets every version",
			sources: sources{source(t, "lib", "provides=libx.so"), source(t, "a", "depends=libx.so=5-64")},
			change:  []string{"lib"},
			builds:  []string{"a", "lib"},
			edges:   []string{"lib>a:depends"},
		},
		{
			name:    "of two sonames the one with the right version will do",
			sources: sources{source(t, "x5", "provides=libx.so=5-64"), source(t, "x6", "provides=libx.so=6-64"), source(t, "a", "depends=libx.so=6-64")},
			change:  []string{"x5", "x6"},
			builds:  []string{"a", "x5", "x6"},
			edges:   []string{"x6>a:depends"},
		},
		{
			name:    "a provide that is written >= has no version, as in libalpm",
			sources: sources{source(t, "old", "provides=java>=21"), source(t, "new", "provides=java=21"), source(t, "app", "depends=java>=17")},
			change:  []string{"old", "new"},
			builds:  []string{"app", "new", "old"},
			edges:   []string{"new>app:depends"},
		},
		{
			name:    "a package that is called like a library is the package",
			sources: sources{source(t, "libx.so"), source(t, "x", "provides=libx.so=1-64"), source(t, "app", "depends=libx.so")},
			change:  []string{"libx.so", "x"},
			builds:  []string{"app", "libx.so", "x"},
			edges:   []string{"libx.so>app:depends"},
		},
		{
			name:    "a dependency on a version is lost to no provide without one",
			sources: sources{source(t, "ffmpeg", "provides=libav.so"), source(t, "player", "depends=libav.so=58-64"), source(t, "other", "depends=lib:libav.so.58")},
			change:  []string{"ffmpeg"},
			builds:  []string{"ffmpeg", "other", "player"},
			edges:   []string{"ffmpeg>other:depends", "ffmpeg>player:depends"},
		},
		{
			name:    "a name that only the version does not fit is a dependency still",
			sources: sources{source(t, "lib", "provides=libx.so=6-64"), source(t, "a", "depends=libx.so=5-64"), source(t, "b", "depends=lib>=9")},
			change:  []string{"lib"},
			builds:  []string{"a", "b", "lib"},
			edges:   []string{"lib>a:depends", "lib>b:depends"},
		},
		{
			name:    "dependencies of another architecture do not count, those of this one do",
			sources: sources{source(t, "lib"), source(t, "a", "depends_x86_64=lib"), source(t, "b", "arch=aarch64", "arch=x86_64", "depends_aarch64=lib")},
			change:  []string{"lib"},
			builds:  []string{"a", "lib"},
			edges:   []string{"lib>a:depends"},
		},
		{
			name:    "any packages are nodes of the architecture",
			sources: sources{source(t, "lib"), source(t, "py", "arch=any", "depends=lib")},
			change:  []string{"lib"},
			builds:  []string{"lib", "py"},
			edges:   []string{"lib>py:depends"},
		},
		{
			name:    "packages of another architecture are no nodes",
			sources: sources{source(t, "lib"), source(t, "arm", "arch=aarch64", "depends=lib")},
			change:  []string{"lib"},
			builds:  []string{"lib"},
			edges:   []string{},
		},
		{
			name: "a split package is one node, edges inside it do not count",
			sources: sources{
				source(t, "lib", "pkgname=lib", "pkgname=lib-tools", "depends=lib"),
				source(t, "app", "depends=lib-tools"),
			},
			change: []string{"lib"},
			builds: []string{"app", "lib"},
			edges:  []string{"lib>app:depends"},
		},
		{
			name: "depends of the pkgbase that every package overrides are needed to build, and make nobody a runtime dependent",
			sources: sources{
				source(t, "liba"), source(t, "libb"),
				source(t, "gui", "depends=liba", "depends=libb", "depends_x86_64=libc", "depends_aarch64=libd", "pkgname=gui-qt", "depends=libb", "depends_x86_64=", "pkgname=gui-cli", "depends=", "depends_x86_64="),
				source(t, "libc"), source(t, "libd"), source(t, "app", "depends=gui-cli"),
			},
			change: []string{"liba", "libb", "libc", "libd"},
			builds: []string{"app", "gui", "liba", "libb", "libc", "libd"},
			edges:  []string{"gui>app:depends", "liba>gui:makedepends", "libb>gui:depends", "libc>gui:makedepends"},
		},
		{
			name:    "what is only needed to build brings nothing in",
			sources: sources{source(t, "liba"), source(t, "gui", "depends=liba", "pkgname=gui", "depends=")},
			change:  []string{"liba"},
			builds:  []string{"liba"},
			edges:   []string{},
		},
		{
			name:     "what is needed to build brings dependents in when the buildspace says so, also by depends of the pkgbase",
			sources:  sources{source(t, "liba"), source(t, "gui", "depends=liba", "pkgname=gui", "depends=")},
			settings: func(s *buildbtw.Settings) { s.Makedepends = true },
			change:   []string{"liba"},
			builds:   []string{"gui", "liba"},
			edges:    []string{"liba>gui:makedepends"},
		},
		{
			name:    "order over a package outside the set holds over depends of its pkgbase, too",
			sources: sources{source(t, "lib"), source(t, "tool", "depends=lib", "pkgname=tool", "depends="), source(t, "app", "makedepends=tool")},
			change:  []string{"lib", "app"},
			builds:  []string{"app", "lib"},
			edges:   []string{"lib>app:makedepends(tool)"},
		},
		{
			name:    "a dependency on itself is none",
			sources: sources{source(t, "gcc", "makedepends=gcc")},
			change:  []string{"gcc"},
			builds:  []string{"gcc"},
			edges:   []string{},
		},
		{
			name:     "scope none is the changesets alone, with the order among them",
			sources:  sources{source(t, "lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid")},
			settings: scope(buildbtw.ScopeNone),
			change:   []string{"mid", "lib"},
			builds:   []string{"lib", "mid"},
			edges:    []string{"lib>mid:depends"},
		},
		{
			name:     "scope direct goes one level out",
			sources:  sources{source(t, "lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid")},
			settings: scope(buildbtw.ScopeDirect),
			change:   []string{"lib"},
			builds:   []string{"lib", "mid"},
			edges:    []string{"lib>mid:depends"},
		},
		{
			name:     "scope all goes to the end",
			sources:  sources{source(t, "lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid")},
			settings: scope(buildbtw.ScopeAll),
			change:   []string{"lib"},
			builds:   []string{"app", "lib", "mid"},
			edges:    []string{"lib>mid:depends", "mid>app:depends"},
		},
		{
			name:     "scope auto has the set of all",
			sources:  sources{source(t, "lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid")},
			settings: scope(buildbtw.ScopeAuto),
			change:   []string{"lib"},
			builds:   []string{"app", "lib", "mid"},
			edges:    []string{"lib>mid:depends", "mid>app:depends"},
		},
		{
			name:    "make and check dependencies bring nothing in",
			sources: sources{source(t, "lib"), source(t, "a", "makedepends=lib"), source(t, "b", "checkdepends=lib")},
			change:  []string{"lib"},
			builds:  []string{"lib"},
			edges:   []string{},
		},
		{
			name:     "make dependencies bring dependents in when the buildspace says so",
			sources:  sources{source(t, "lib"), source(t, "a", "makedepends=lib"), source(t, "b", "checkdepends=lib")},
			settings: func(s *buildbtw.Settings) { s.Makedepends = true },
			change:   []string{"lib"},
			builds:   []string{"a", "lib"},
			edges:    []string{"lib>a:makedepends"},
		},
		{
			name:     "an excluded package is left out, and what only follows from it",
			sources:  sources{source(t, "lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid"), source(t, "other", "depends=lib")},
			settings: func(s *buildbtw.Settings) { s.Exclude = buildbtw.Names{"mid"} },
			change:   []string{"lib"},
			builds:   []string{"lib", "other"},
			edges:    []string{"lib>other:depends"},
		},
		{
			name:     "an added package is built in order, what depends on it is not",
			sources:  sources{source(t, "lib"), source(t, "tool", "makedepends=lib"), source(t, "app", "depends=tool")},
			settings: func(s *buildbtw.Settings) { s.Add = buildbtw.Names{"tool"} },
			change:   []string{"lib"},
			builds:   []string{"lib", "tool"},
			edges:    []string{"lib>tool:makedepends"},
		},
		{
			name: "all three kinds order builds, and one edge carries them all",
			sources: sources{
				source(t, "lib"), source(t, "a", "depends=lib", "makedepends=lib", "checkdepends=lib"),
				source(t, "b", "depends=lib", "makedepends=a"), source(t, "c", "depends=lib", "checkdepends=b"),
			},
			change: []string{"lib"},
			builds: []string{"a", "b", "c", "lib"},
			edges:  []string{"a>b:makedepends", "b>c:checkdepends", "lib>a:depends+makedepends+checkdepends", "lib>b:depends", "lib>c:depends"},
		},
		{
			name:    "a diamond keeps both its sides",
			sources: sources{source(t, "lib"), source(t, "l", "depends=lib"), source(t, "r", "depends=lib"), source(t, "app", "depends=l", "depends=r")},
			change:  []string{"lib"},
			builds:  []string{"app", "l", "lib", "r"},
			edges:   []string{"l>app:depends", "lib>l:depends", "lib>r:depends", "r>app:depends"},
		},
		{
			name:     "order holds through a package outside the set",
			sources:  sources{source(t, "lib"), source(t, "tool", "depends=lib"), source(t, "app", "makedepends=tool")},
			settings: scope(buildbtw.ScopeNone),
			change:   []string{"lib", "app"},
			builds:   []string{"app", "lib"},
			edges:    []string{"lib>app:makedepends(tool)"},
		},
		{
			name:    "order holds through several packages outside the set, over every kind",
			sources: sources{source(t, "lib"), source(t, "gen", "makedepends=lib"), source(t, "tool", "checkdepends=gen"), source(t, "app", "depends=tool")},
			change:  []string{"lib", "app"},
			builds:  []string{"app", "lib"},
			edges:   []string{"lib>app:depends(gen,tool)"},
		},
		{
			name:     "order through a package outside the set that the set implies is not said twice",
			sources:  sources{source(t, "lib"), source(t, "tool", "makedepends=lib"), source(t, "mid", "depends=lib"), source(t, "app", "depends=mid", "makedepends=tool")},
			change:   []string{"lib"},
			settings: scope(buildbtw.ScopeAll),
			builds:   []string{"app", "lib", "mid"},
			edges:    []string{"lib>mid:depends", "mid>app:depends"},
		},
		{
			name:    "a cycle is cut at the check dependency before the others",
			sources: sources{source(t, "a", "depends=c"), source(t, "b", "makedepends=a"), source(t, "c", "checkdepends=b")},
			change:  []string{"a", "b", "c"},
			builds:  []string{"a", "b", "c"},
			edges:   []string{"a>b:makedepends", "c>a:depends"},
			cuts:    []string{"b>c:checkdepends [b c a]"},
		},
		{
			name:    "a cycle is cut at the make dependency before the runtime one",
			sources: sources{source(t, "a", "depends=b"), source(t, "b", "makedepends=a")},
			change:  []string{"a"},
			settings: func(s *buildbtw.Settings) {
				s.Makedepends = true
			},
			builds: []string{"a", "b"},
			edges:  []string{"b>a:depends"},
			cuts:   []string{"a>b:makedepends [a b]"},
		},
		{
			name:    "one cheap edge is cut rather than two",
			sources: sources{source(t, "a", "depends=c"), source(t, "b", "depends=a"), source(t, "c", "depends=b", "depends=d"), source(t, "d", "depends=a")},
			change:  []string{"a"},
			builds:  []string{"a", "b", "c", "d"},
			edges:   []string{"a>b:depends", "a>d:depends", "b>c:depends", "d>c:depends"},
			cuts:    []string{"c>a:depends [c a b]"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.sources...)
			if c.settings != nil {
				c.settings(&w.settings)
			}
			a := arch(t, w.plan(c.change...))
			if diff := cmp.Diff(c.builds, keys(a)); diff != "" {
				t.Errorf("builds (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.edges, edges(a)); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
			if c.cuts == nil {
				c.cuts = []string{}
			}
			if diff := cmp.Diff(c.cuts, cuts(a)); diff != "" {
				t.Errorf("cuts (-want +got):\n%s", diff)
			}
		})
	}
}
