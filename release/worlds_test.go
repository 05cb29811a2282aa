package release_test

import (
	"slices"
	"strings"
	"testing"

	"buildbtw/release"
)

// pkg writes a package as "name version key:value …": d: depends, p: provides, c: conflicts,
// r: replaces, l: links, s: sonames, f: files, b: its pkgbase.
func pkg(text string) release.Package {
	words := strings.Fields(text)
	p := release.Package{Name: words[0], Version: words[1], Base: words[0], Architecture: "x86_64", Sonames: []string{}, Links: []string{}}
	lists := map[string]*[]string{
		"d": &p.Depends, "p": &p.Provides, "c": &p.Conflicts, "r": &p.Replaces, "l": &p.Links, "s": &p.Sonames, "f": &p.Files,
	}
	for _, w := range words[2:] {
		switch key, value, _ := strings.Cut(w, ":"); key {
		case "b":
			p.Base = value
		case "a":
			p.Architecture = value
		case "x":
			soname, digest, _ := strings.Cut(value, "@")
			p.Exports = map[string]string{soname: digest}
		default:
			*lists[key] = append(*lists[key], value)
		}
	}
	return p
}

func pkgs(texts ...string) []release.Package {
	list := make([]release.Package, len(texts))
	for i, text := range texts {
		list[i] = pkg(text)
	}
	return list
}

// view is one repository.
func view(texts ...string) []release.View {
	return []release.View{{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs(texts...)}}}}
}

// units makes a unit of all packages of one pkgbase.
func units(texts ...string) (list []release.Unit) {
	for _, p := range pkgs(texts...) {
		i := slices.IndexFunc(list, func(u release.Unit) bool { return u.Pkgbase == p.Base })
		if i < 0 {
			i = len(list)
			list = append(list, release.Unit{Pkgbase: p.Base})
		}
		list[i].Packages = append(list[i].Packages, p)
	}
	return list
}

// twoTargets are the views of users of stable, and of those who have testing before it.
func twoTargets(testing []release.Package, stable ...string) []release.View {
	list := []release.Repository{{Name: "testing", Packages: testing}, {Name: "stable", Packages: pkgs(stable...)}}
	return []release.View{
		{Name: "stable", Architecture: "x86_64", Repositories: list[1:]}, {Name: "testing", Architecture: "x86_64", Repositories: list},
	}
}

func toStable(texts ...string) []release.Unit {
	list := units(texts...)
	for i := range list {
		list[i].Repository = "stable"
	}
	return list
}

func failed(pkgbase string) release.Unit {
	return release.Unit{Pkgbase: pkgbase, NotReady: release.Failed}
}

type world struct {
	name  string
	views []release.View
	units []release.Unit
	waive release.Waivers
	goes  string
	drops string
	why   map[string]string // by pkgbase: its reason
	roots map[string]string
}

func worlds() []world {
	soname := view("lib 1-1 p:lib.so=1-64", "a 1-1 d:lib.so=1-64", "b 1-1 d:lib.so=1-64", "c 1-1 d:lib.so=1-64", "other 1-1")
	rebuilt := []string{"lib 2-1 p:lib.so=2-64", "a 1-2 d:lib.so=2-64", "b 1-2 d:lib.so=2-64", "c 1-2 d:lib.so=2-64"}
	return []world{
		{name: "soname changes, all users rebuilt", views: soname, units: units(rebuilt...), goes: "a b c lib"},
		{
			name: "a user failed, one package unrelated", views: soname, units: append(units(append(rebuilt[:3:3], "other 1-2")...), failed("c")), goes: "other",
			why: map[string]string{
				"lib": "c 1-1 in the repositories needs lib.so=1-64, which would be gone; c would help, but is held, too",
				"a":   "its a 1-2 needs lib.so=2-64, which only the new lib has", "c": "its build failed",
			},
			roots: map[string]string{"lib": "c", "a": "c", "b": "c"},
		},
		{
			name: "no interface change, one user failed", views: view("lib 1-1", "a 1-1 d:lib", "b 1-1 d:lib", "c 1-1 d:lib"),
			units: append(units("lib 1-2", "a 1-2 d:lib", "b 1-2 d:lib"), failed("c")), goes: "a b lib",
		},
		{
			name: "a user outside the set", views: soname, units: units(rebuilt[:3]...), goes: "",
			why:   map[string]string{"lib": "c 1-1 in the repositories needs lib.so=1-64, which would be gone, and was not rebuilt"},
			roots: map[string]string{"lib": "c", "a": "c"},
		},
		{
			name:  "two libraries share a user",
			views: view("l 1-1 p:l.so=1-64", "m 1-1 p:m.so=1-64", "a 1-1 d:l.so=1-64", "b 1-1 d:m.so=1-64", "s 1-1 d:l.so=1-64 d:m.so=1-64"),
			units: units("l 2-1 p:l.so=2-64", "m 2-1 p:m.so=2-64", "a 1-2 d:l.so=2-64", "b 1-2 d:m.so=2-64", "s 1-2 d:l.so=2-64 d:m.so=2-64"), goes: "a b l m s",
		},
		{
			name:  "either of two providers may go, the second brings five",
			views: view("one 1-1 p:virtual", "two 1-1 p:virtual", "user 1-1 d:virtual", "f1 1-1", "f2 1-1", "f3 1-1", "f4 1-1", "f5 1-1"),
			units: units("one 2-1", "two 2-1", "f1 2-1 d:two>=2", "f2 2-1 d:two>=2", "f3 2-1 d:two>=2", "f4 2-1 d:two>=2", "f5 2-1 d:two>=2"),
			goes:  "f1 f2 f3 f4 f5 two", why: map[string]string{"one": "either it goes or two (user 1-1 needs virtual)"},
		},
		{
			name:  "new a needs old b; five need new b",
			views: view("a 1-1", "b 1-1", "f1 1-1", "f2 1-1", "f3 1-1", "f4 1-1", "f5 1-1"),
			units: units("a 2-1 d:b<2", "b 2-1", "f1 2-1 d:b>=2", "f2 2-1 d:b>=2", "f3 2-1 d:b>=2", "f4 2-1 d:b>=2", "f5 2-1 d:b>=2"), goes: "b f1 f2 f3 f4 f5",
		},
		{
			name: "chain of four", views: view("a 1-1", "b 1-1 d:a=1-1", "c 1-1 d:b=1-1", "d 1-1 d:c=1-1"),
			units: units("a 2-1", "b 2-1 d:a=2-1", "c 2-1 d:b=2-1", "d 2-1 d:c=2-1"), goes: "a b c d",
		},
		{name: "cycle of two", views: view("a 1-1 d:b=1-1", "b 1-1 d:a=1-1"), units: units("a 2-1 d:b=2-1", "b 2-1 d:a=2-1"), goes: "a b"},
		{
			name: "new conflict inside a closure", views: view("app 1-1 d:x d:y", "x 1-1", "y 1-1", "z 1-1"),
			units: units("x 2-1 c:y", "y 2-1", "z 2-1"), goes: "y z",
			why: map[string]string{"x": "app 1-1 could not be installed any more"},
		},
		{
			name: "a name moves to another pkgbase: both", views: view("tool 1-1 b:old", "old 1-1"), units: units("old 2-1", "tool 2-1 b:new"), goes: "new old",
		},
		{
			name: "or neither", views: view("tool 1-1 b:old", "old 1-1 p:old.so=1-64", "user 1-1 d:old.so=1-64"), units: units("old 2-1 p:old.so=2-64", "tool 2-1 b:new"), goes: "",
			why: map[string]string{"new": "tool moves here from old, which stays"}, roots: map[string]string{"new": "user"},
		},
		{
			name:  "a provide of the own name in another version is not found",
			views: view("ghc 1-1", "user 1-1 d:ghc=1"), units: units("ghc 2-1 p:ghc=1"), goes: "",
		},
		{
			name:  "what conflicts with a package and provides it supersedes it",
			views: view("foo 1-1 d:bar", "bar 1-1", "ng 1-1"), units: units("bar 2-1 d:ng", "ng 2-1 c:foo p:foo"), goes: "bar ng",
		},
		{
			name:  "a dependency unmet before is tolerated",
			views: view("lib 1-1", "user 1-1 d:lib d:gone"), units: units("lib 2-1", "user 2-1 d:lib d:gone>=3"), goes: "lib user",
		},
		{
			name:  "links count where no dependency is named",
			views: view("lib 1-1 s:lib.so=1-64", "user 1-1 d:lib l:lib.so=1-64"), units: units("lib 2-1 s:lib.so=2-64"), goes: "",
			why: map[string]string{"lib": "user 1-1 in the repositories links with lib.so=1-64, which would be gone, and was not rebuilt"},
		},
		{
			name:  "built against a library that is held",
			views: view("lib 1-1 s:lib.so=1-64 p:api=1", "user 1-1 l:lib.so=1-64", "other 1-1 d:api=1"),
			units: units("lib 1-2 s:lib.so=1-64 p:api=2", "user 1-2 l:lib.so=1-64"), goes: "",
			why: map[string]string{"user": "its user 1-2 was built with the lib.so=1-64 of lib, which is held"}, roots: map[string]string{"user": "other"},
		},
		{
			name:  "built against one with the same symbols",
			views: view("lib 1-1 s:lib.so=1-64 p:api=1 x:lib.so=1-64@0", "user 1-1 l:lib.so=1-64", "other 1-1 d:api=1"),
			units: units("lib 1-2 s:lib.so=1-64 p:api=2 x:lib.so=1-64@0", "user 1-2 l:lib.so=1-64"), goes: "user",
		},
		{
			name: "a file gets a second owner", views: view("a 1-1 f:usr/bin/a", "b 1-1 f:usr/bin/b"),
			units: units("b 2-1 f:usr/bin/a"), goes: "", why: map[string]string{"b": "a 1-1 has /usr/bin/a, too"},
		},
		{
			name: "a file moves", views: view("a 1-1 f:usr/bin/a", "b 1-1 f:usr/bin/b"),
			units: units("b 2-1 f:usr/bin/a", "a 2-1 f:usr/bin/c"), goes: "a b",
		},
		{name: "owners that conflict", views: view("a 1-1 f:usr/bin/a"), units: units("b 2-1 f:usr/bin/a c:a"), goes: "b"},
		{
			name: "not newer; an epoch", views: view("a 1:1-1", "b 1-1", "c 2-1"), units: units("a 2-1", "b 1:0-1", "c 2-1"), goes: "b",
			why: map[string]string{"a": "a 2-1 is not newer: in x86_64 extra has 1:1-1", "c": "c 2-1 is not newer: in x86_64 extra has 2-1"},
		},
		{
			name: "two units, one pkgname", views: view("a 1-1"), units: units("a 2-1", "x 1-1 b:b", "x 1-1 b:c"), goes: "a",
			why: map[string]string{"b": "x is built by c, too", "c": "x is built by b, too"},
		},
		{
			name: "a split package goes whole", views: view("a 1-1 b:s", "b 1-1 b:s d:a=1-1", "user 1-1 d:a=1"),
			units: units("a 2-1 b:s", "b 2-1 b:s d:a=2-1"), goes: "",
		},
		{name: "a pkgname is dropped", views: view("a 1-1 b:s", "b 1-1 b:s"), units: units("a 2-1 b:s"), goes: "s"},
		{
			name: "a pkgname is dropped that somebody needs", views: view("a 1-1 b:s", "b 1-1 b:s", "user 1-1 d:b"), units: units("a 2-1 b:s"), goes: "",
		},
		{
			name: "break", views: soname, units: append(units(rebuilt[:3]...), failed("c")), waive: release.Waivers{Break: []string{"c"}}, goes: "a b lib",
		},
		{
			name: "drop", views: soname, units: append(units(rebuilt[:3]...), failed("c")), waive: release.Waivers{Drop: []string{"c"}}, goes: "a b lib",
		},
		{
			name:  "what somebody needs is not dropped",
			views: view("lib 1-1 p:lib.so=1-64", "c 1-1 d:lib.so=1-64", "user 1-1 d:c"), units: units("lib 2-1 p:lib.so=2-64"), waive: release.Waivers{Drop: []string{"c"}}, goes: "",
		},
		{
			name: "hold", views: soname, units: units(append(rebuilt, "other 1-2")...), waive: release.Waivers{Hold: []string{"a"}}, goes: "other",
			why: map[string]string{"a": "somebody holds it"}, roots: map[string]string{"lib": "a"},
		},
		{
			name: "together", views: view("a 1-1", "b 1-1"), units: append(units("a 2-1"), failed("b")), waive: release.Waivers{Together: [][2]string{{"a", "b"}}}, goes: "",
			why: map[string]string{"a": "it goes only together with b, which is held"},
		},
		{
			name: "built with, strictly", views: view("a 1-1", "b 1-1"), goes: "",
			units: []release.Unit{{Pkgbase: "a", Packages: pkgs("a 2-1"), BuiltWith: []string{"b", "glibc"}}, failed("b")},
			why:   map[string]string{"a": "it was built with b, which is held"},
		},
		{
			name: "testing hides stable", goes: "b",
			views: []release.View{
				{Name: "stable", Architecture: "x86_64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs("a 1-1", "b 1-1")}}},
				{Name: "testing", Architecture: "x86_64", Repositories: []release.Repository{
					{Name: "testing", Packages: pkgs("a 2-1")}, {Name: "extra", Packages: pkgs("a 1-1", "b 1-1")},
				}},
			},
			units: []release.Unit{
				{Pkgbase: "a", Packages: pkgs("a 3-1"), Repository: "extra"}, {Pkgbase: "b", Packages: pkgs("b 2-1"), Repository: "extra"},
			},
			why: map[string]string{"a": "a 3-1 would be hidden: testing has 2-1, and comes first (testing)"},
		},
		{
			name: "testing has it already, built otherwise", goes: "a", // its users keep theirs
			views: twoTargets(pkgs("a 2-1 d:b<2", "v 1-1 d:a"), "a 1-1", "b 1-1"), units: toStable("a 2-1", "b 2-1"),
			why: map[string]string{"b": "a 2-1 of testing needs b<2, which would be gone; release what replaces it to testing first"},
		},
		{
			name: "it would break users of testing only", goes: "ok",
			views: twoTargets(pkgs("u 2-1 d:lib.so=1-64"), "lib 1-1 p:lib.so=1-64", "ok 1-1"), units: toStable("lib 2-1 p:lib.so=2-64", "ok 2-1"),
			why: map[string]string{"lib": "u 2-1 of testing needs lib.so=1-64, which would be gone; release what replaces it to testing first"}, roots: map[string]string{"lib": "u"},
		},
		{
			name: "what only testing has does not help users of stable", goes: "",
			views: twoTargets(pkgs("lib 2-1 p:lib.so=2-64"), "lib 1-1 p:lib.so=1-64"), units: toStable("u 1-1 d:lib.so=2-64"),
			why: map[string]string{"u": "its u 1-1 needs lib.so=2-64, which nothing in stable has"},
		},
		{
			name: "a package of a split pkgbase that testing has, and one that it has not", goes: "s",
			views: twoTargets(pkgs("a 2-1 b:s"), "a 1-1 b:s", "b 1-1 b:s"), units: toStable("a 2-1 b:s", "b 2-1 b:s"),
		},
		{
			name: "a package is dropped from stable, and testing has its own", goes: "", waive: release.Waivers{Drop: []string{"a"}}, drops: "a",
			views: twoTargets(pkgs("a 2-1", "u 1-1 d:a"), "a 1-1"),
		},
		{
			name: "one architecture is missing; any is in every view", goes: "c",
			views: []release.View{
				{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs("a 1-1", "c 1-1 a:any")}}},
				{Name: "aarch64", Architecture: "aarch64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs("a 1-1 a:aarch64", "c 1-1 a:any")}}},
			},
			units: units("a 2-1", "c 2-1 a:any"), why: map[string]string{"a": "it is not built for aarch64"},
		},
		{
			name: "held in one view, held everywhere", goes: "",
			views: []release.View{
				{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs("a 1-1")}}},
				{Name: "aarch64", Architecture: "aarch64", Repositories: []release.Repository{{Name: "extra", Packages: pkgs("a 1-1 a:aarch64", "u 1-1 d:a=1 a:aarch64")}}},
			},
			units: units("a 2-1", "a 2-1 a:aarch64"),
		},
	}
}

func TestMadeUpWorlds(t *testing.T) {
	t.Parallel()
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			r := release.NewBase(w.views).Largest(release.Problem{Units: w.units, Waivers: w.waive})
			if got := strings.Join(r.Goes, " "); got != w.goes {
				t.Errorf("%q goes, want %q; held: %+v", got, w.goes, r.Held)
			}
			if !r.Proven || r.AtMost != len(r.Goes) {
				t.Errorf("proven %v, at most %d", r.Proven, r.AtMost)
			}
			if len(r.Goes)+len(r.Held) != len(w.units) {
				t.Errorf("%d go and %d are held, of %d", len(r.Goes), len(r.Held), len(w.units))
			}
			if w.drops != strings.Join(r.Dropped, " ") && w.drops != "" {
				t.Errorf("%v are dropped, want %s", r.Dropped, w.drops)
			}
			for _, h := range r.Held {
				if want, ok := w.why[h.Pkgbase]; ok && h.Reason() != want {
					t.Errorf("%s: %s\nwant %s", h.Pkgbase, h.Reason(), want)
				}
				if want, ok := w.roots[h.Pkgbase]; ok && h.Root != want {
					t.Errorf("the root of %s is %s, want %s", h.Pkgbase, h.Root, want)
				}
				if h.Root == "" {
					t.Errorf("%s has no root: %+v", h.Pkgbase, h)
				}
			}
		})
	}
}

// A package beside the new one has an old library; it cannot be what something was built with.
func TestNoPackageStandsInForWhatWasBuiltWith(t *testing.T) {
	t.Parallel()
	lib := release.Unit{Pkgbase: "lib", Changeset: true, Packages: pkgs("lib 2-1"), BuiltWith: []string{"tool"}}
	r := release.NewBase(view("lib 1-1", "tool 1-1")).Largest(release.Problem{Units: []release.Unit{lib, failed("tool")}})
	if len(r.WaysOut) == 0 {
		t.Error("no way out")
	}
	for _, w := range r.WaysOut {
		if w.Do == release.Compat || slices.Contains(w.Names, "") {
			t.Errorf("a way out: %+v", w)
		}
	}
}

// TestFilesOfTheRepositoriesMayBeGivenWithTheProblem takes them out of the made-up worlds.
func TestFilesOfTheRepositoriesMayBeGivenWithTheProblem(t *testing.T) {
	t.Parallel()
	moved := 0
	for _, w := range worlds() {
		owned := map[string]map[string][]string{}
		for _, v := range w.views {
			owned[v.Name] = map[string][]string{}
			for _, r := range v.Repositories {
				for i := range r.Packages {
					p := &r.Packages[i]
					moved += len(p.Files)
					owned[v.Name][p.Name], p.Files = p.Files, []string{}
				}
			}
		}
		r := release.NewBase(w.views).Largest(release.Problem{Units: w.units, Waivers: w.waive, Owned: owned})
		if got := strings.Join(r.Goes, " "); got != w.goes {
			t.Errorf("%s: %q goes, want %q", w.name, got, w.goes)
		}
	}
	if moved == 0 {
		t.Error("no world has files")
	}
}
