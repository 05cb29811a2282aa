package buildgraph_test

import (
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

// Two packages have a library of one name, for two word sizes. Whoever names it
// means that of its own size; whoever states a size, that one.
func TestLibrariesOfTwoWordSizes(t *testing.T) {
	t.Parallel()
	libxml2, lib32 := source(t, "libxml2", "provides=libxml2.so"), source(t, "lib32-libxml2", "depends=libxml2", "provides=libxml2.so")
	cases := []struct {
		name string
		app  buildgraph.Source
		by   []string // of libxml2 and lib32-libxml2 those whose change concerns it
	}{
		{"a package means its own word size", source(t, "app", "depends=libxml2.so"), []string{"libxml2"}},
		{"a version without a word size is no size", source(t, "app", "depends=libxml2.so=2"), []string{"libxml2"}},
		{"a comparison is no soname, and about a library all the same", source(t, "app", "depends=libxml2.so>=2"), []string{"libxml2"}},
		{"-64 is native", source(t, "app", "depends=libxml2.so=2-64"), []string{"libxml2"}},
		{"lib: is native", source(t, "app", "depends=lib:libxml2.so.2"), []string{"libxml2"}},
		{"-32 is lib32", source(t, "app", "depends=libxml2.so=2-32"), []string{"lib32-libxml2"}},
		{"lib32: is lib32", source(t, "app", "depends=lib32:libxml2.so.2"), []string{"lib32-libxml2"}},
		{"a package lib32-… means lib32", source(t, "lib32-app", "depends=libxml2.so"), []string{"lib32-libxml2"}},
		{"a package lib32-… that states 64 means that", source(t, "lib32-app", "depends=libxml2.so=2-64"), []string{"libxml2"}},
		{"a package on lib32-glibc means lib32", source(t, "game", "depends=lib32-glibc>=2.40", "depends=libxml2.so"), []string{"lib32-libxml2"}},
		{"a package on lib32-gcc-libs means lib32", source(t, "game", "depends=libxml2.so", "depends=lib32-gcc-libs"), []string{"lib32-libxml2"}},
		{"a package on both C libraries may mean either", source(t, "wine", "depends=glibc", "depends=lib32-glibc", "depends=libxml2.so"), []string{"lib32-libxml2", "libxml2"}},
		{
			"each package of a split one means its own",
			source(t, "suite", "pkgname=suite", "pkgname=lib32-suite", "depends=libxml2.so"),
			[]string{"lib32-libxml2"},
		},
		{"a package that only another architecture's name resembles is native", source(t, "mingw-w64-lib32-app", "depends=libxml2.so"), []string{"libxml2"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var by []string
			for _, change := range []string{"lib32-libxml2", "libxml2"} {
				w := newWorld(t, libxml2, lib32, c.app)
				w.settings.Scope, w.settings.Exclude = buildbtw.ScopeAll, buildbtw.Names{"lib32-libxml2", "libxml2"}
				w.settings.Exclude = slices.DeleteFunc(w.settings.Exclude, func(s string) bool { return s == change })
				if slices.Contains(keys(arch(t, w.plan(change))), c.app.Slug) {
					by = append(by, change)
				}
			}
			if diff := cmp.Diff(c.by, by); diff != "" {
				t.Errorf("changes that concern %s (-want +got):\n%s", c.app.Slug, diff)
			}
		})
	}
}

// What is needed to build a lib32 package is of its size, too; and what only lib32
// packages provide nobody else gets.
func TestALibraryThatOnlyLib32PackagesProvideIsTheBases(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "lib32-x", "provides=libx.so"), source(t, "app", "depends=libx.so", "depends=libx.so=1-64"),
		source(t, "lib32-tool", "makedepends=libx.so"),
	)
	w.settings.Makedepends = true
	p := w.plan("lib32-x", "app")
	if diff := cmp.Diff([]string{"lib32-x>lib32-tool:makedepends"}, edges(arch(t, p))); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	want := []string{"no source provides libx.so (needed by app); the base must", "no source provides libx.so=1-64 (needed by app); the base must"}
	if diff := cmp.Diff(want, messages(p, buildgraph.WarnUnresolved)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// On architectures of 32 bits -32 and lib: are native; on one that nobody knows the
// bits exclude nothing but other bits.
func TestWordSizesFollowTheArchitecture(t *testing.T) {
	t.Parallel()
	for arch32, apps := range map[string]map[string]bool{
		"i686":   {"libx.so": true, "libx.so=1-32": true, "lib:libx.so.1": true, "libx.so=1-64": false, "lib32:libx.so.1": false},
		"x86_64": {"libx.so": true, "libx.so=1-32": false, "lib:libx.so.1": true, "libx.so=1-64": true, "lib32:libx.so.1": false},
		"vax":    {"libx.so": true, "libx.so=1-32": true, "lib:libx.so.1": true, "libx.so=1-64": true, "lib32:libx.so.1": false},
	} {
		for dependency, want := range apps {
			w := newWorld(t, source(t, "x", "arch="+arch32, "provides=libx.so"), source(t, "app", "arch="+arch32, "depends="+dependency))
			w.archs = []string{arch32}
			if got := len(arch(t, w.plan("x")).Builds) == 2; got != want {
				t.Errorf("%s on %s: meant is %t, want %t", dependency, arch32, got, want)
			}
		}
	}
}

// What the base or an earlier build has of a package goes before what its source
// looks like.
func TestABuiltPackageSaysItsWordSizes(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "x", "provides=libx.so"), source(t, "lib32-x", "provides=libx.so"),
		source(t, "loader", "depends=libx.so"), source(t, "app", "depends=libx.so"),
	)
	w.options.Built = func(arch, pkgname string) []string {
		if arch == "x86_64" && pkgname == "loader" {
			return []string{"glibc", "libother.so=1-64", "libx.so=1-32"}
		}
		return nil
	}
	if diff := cmp.Diff([]string{"lib32-x", "loader"}, keys(arch(t, w.plan("lib32-x")))); diff != "" {
		t.Errorf("a change of lib32-x (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"app", "x"}, keys(arch(t, w.plan("x")))); diff != "" {
		t.Errorf("a change of x (-want +got):\n%s", diff)
	}
}
