package buildgraph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	distributions "buildbtw/internal/distribution"
)

// counted is the dependencies of a distribution, found by a program of its own: it
// reads the .SRCINFO files line by line and knows nothing but names and word sizes.
// It shares no code with what it counts for.
type counted struct {
	needs  map[string]map[string]string // pkgbase: what it needs, with the strongest kind
	users  map[string][]string          // pkgbase: who needs it at run time
	linked []string                     // 64-bit packages that link a library of a lib32 package
}

type section map[string][]string

func (s section) get(base section, key string) (out []string) {
	for _, key := range []string{key, key + "_x86_64"} {
		list, own := s[key]
		if !own {
			list = base[key]
		}
		out = append(out, list...)
	}
	return out
}

// count counts. Without words, a library is the same whoever names it.
func count(files []distributions.File, words bool) counted {
	type pkg struct {
		name              string
		depends, provides []string
	}
	bases, packages := map[string]section{}, map[string][]pkg{}
	for _, f := range files {
		var base section
		var own []section
		name := ""
		for line := range strings.Lines(string(f.Text)) {
			key, value, found := strings.Cut(strings.TrimSpace(line), " =")
			value = strings.TrimSpace(value)
			switch {
			case !found || strings.HasPrefix(key, "#"):
				continue
			case key == "pkgbase":
				name, base = value, section{}
				continue
			case key == "pkgname":
				own = append(own, section{"name": {value}})
				continue
			}
			s := base
			if len(own) > 0 {
				s = own[len(own)-1]
			}
			if s[key] = append(s[key], value); value == "" {
				s[key] = []string{}
			}
		}
		if _, taken := bases[name]; taken || name == "" {
			continue
		}
		for _, s := range own {
			if archs := s.get(base, "arch"); slices.Contains(archs, "x86_64") || slices.Contains(archs, "any") {
				packages[name] = append(packages[name], pkg{s["name"][0], s.get(base, "depends"), s.get(base, "provides")})
			}
		}
		if len(packages[name]) > 0 {
			bases[name] = base
		}
	}

	owners, provides := map[string]map[string]bool{}, map[string]map[string]bool{}
	lib32 := func(name string) bool { return words && strings.HasPrefix(name, "lib32-") }
	put := func(to map[string]map[string]bool, key, base string) {
		if to[key] == nil {
			to[key] = map[string]bool{}
		}
		to[key][base] = true
	}
	for base, list := range packages {
		for _, p := range list {
			put(owners, p.name, base)
			for _, text := range p.provides {
				put(provides, nameIn(text, lib32(p.name)), base)
			}
		}
	}
	c := counted{needs: map[string]map[string]string{}, users: map[string][]string{}}
	for base, list := range packages {
		c.needs[base] = map[string]string{}
		all := true // packages are lib32
		for _, p := range list {
			all = all && lib32(p.name)
		}
		need := func(kind, pkgname, text string, lib32 bool) {
			name, _, _ := strings.Cut(strings.NewReplacer("<", "=", ">", "=").Replace(text), "=")
			meant := owners[name]
			if meant == nil {
				meant = provides[nameIn(text, lib32)]
			}
			for to := range meant {
				if to != base {
					c.needs[base][to] = kind
				}
				if strings.Contains(text, ".so") && !strings.HasPrefix(pkgname, "lib32-") && strings.HasPrefix(to, "lib32-") {
					c.linked = append(c.linked, pkgname+" links "+text+" of "+to)
				}
			}
		}
		for _, kind := range []string{"checkdepends", "makedepends"} {
			for _, text := range bases[base].get(nil, kind) {
				need(kind, base, text, all)
			}
		}
		for _, p := range list {
			for _, text := range p.depends {
				need("depends", p.name, text, lib32(p.name))
			}
		}
		for to, kind := range c.needs[base] {
			if kind == "depends" {
				c.users[to] = append(c.users[to], base)
			}
		}
	}
	return c
}

// nameIn is the name that a dependency or a provide is about. A library's is
// libx.so, with its word size in front.
func nameIn(text string, lib32 bool) string {
	size := "lib:"
	if rest, found := strings.CutPrefix(text, "lib32:"); found || lib32 {
		text, size = rest, "lib32:"
	}
	text = strings.TrimPrefix(text, "lib:")
	name, version, _ := strings.Cut(strings.NewReplacer("<", "=", ">", "=").Replace(text), "=")
	stem, _, isLibrary := strings.Cut(name+".", ".so.")
	switch {
	case !isLibrary:
		return name
	case strings.HasSuffix(version, "-32"):
		size = "lib32:"
	case strings.HasSuffix(version, "-64"):
		size = "lib:"
	}
	return size + stem + ".so"
}

// all counts what a change of a package rebuilds, itself included.
func (c counted) all(name string) []string {
	seen := map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, u := range c.users[v] {
			if !seen[u] {
				seen[u] = true
				todo = append(todo, u)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// lib32 packages concern only each other and the few that are made of both sizes.
func TestLib32OfDistribution(t *testing.T) {
	t.Parallel()
	files, sources := distributions.Whole(t), distribution(t)
	c := count(files, true)
	if len(c.linked) > 0 {
		t.Errorf("the counting program finds %d 64-bit packages that link lib32 ones: %s", len(c.linked), c.linked[0])
	}
	if blind := count(files, false); len(blind.linked) < 500 {
		t.Errorf("without word sizes the counting program finds only %d 64-bit packages that link lib32 ones", len(blind.linked))
	}
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for name, want := range map[string]int{"lib32-curl": 25, "lib32-libxml2": 29, "lib32-libpng": 30, "lib32-libva": 2} {
		p := mustPlan(t, ix, requestFor(sources, buildbtw.ScopeAll, name))
		a := arch(t, p)
		if got := c.all(name); len(got) != want || !slices.Equal(got, keys(a)) {
			t.Errorf("a change of %s: %d builds are planned, %d counted, %d are right\nplanned %v\ncounted %v", name, len(a.Builds), len(got), want, keys(a), got)
		}
	}
	for _, e := range arch(t, mustPlan(t, ix, everything(sources))).Edges {
		to, from := c.needs[e.To], e.From
		if strings.HasPrefix(from, "lib32-") && !strings.HasPrefix(e.To, "lib32-") && to[from] == "" {
			t.Errorf("%s waits for %s, which it does not name", e.To, from)
		}
	}
}
