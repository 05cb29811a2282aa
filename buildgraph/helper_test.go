package buildgraph_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/srcinfo"
)

// source writes a .SRCINFO from "key=value" lines and parses it. Lines before
// the first pkgname are the base's; version, arch and pkgname have defaults.
func source(t testing.TB, pkgbase string, lines ...string) buildgraph.Source {
	t.Helper()
	var b strings.Builder
	b.WriteString("pkgbase = " + pkgbase + "\n")
	has := func(key string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+"=") })
	}
	for key, value := range map[string]string{"pkgver": "1", "pkgrel": "1", "arch": "x86_64"} {
		if !has(key) {
			b.WriteString(key + " = " + value + "\n")
		}
	}
	if !has("pkgname") {
		lines = append(slices.Clone(lines), "pkgname="+pkgbase)
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		b.WriteString(key + " = " + value + "\n")
	}
	info, err := srcinfo.Parse([]byte(b.String()))
	if err != nil {
		t.Fatalf("source %s: %v\n%s", pkgbase, err, b.String())
	}
	return buildgraph.Source{Slug: pkgbase, Ref: "main", Commit: "commit-" + pkgbase, Info: info}
}

// world is a list of sources that plans can be asked of.
type world struct {
	t        testing.TB
	sources  []buildgraph.Source
	options  buildgraph.Options
	settings buildbtw.Settings
	archs    []string
	seconds  map[string]float64
}

func newWorld(t testing.TB, sources ...buildgraph.Source) *world {
	return &world{t: t, sources: sources, settings: buildbtw.DefaultSettings(), archs: []string{"x86_64"}}
}

func (w *world) find(slug string) buildgraph.Source {
	w.t.Helper()
	for _, s := range w.sources {
		if s.Slug == slug {
			return s
		}
	}
	w.t.Fatalf("no source %s", slug)
	return buildgraph.Source{}
}

func (w *world) request(slugs ...string) buildgraph.Request {
	w.t.Helper()
	r := buildgraph.Request{Settings: w.settings, Architectures: w.archs, Durations: w.seconds}
	for _, slug := range slugs {
		r.Changesets = append(r.Changesets, w.find(slug))
	}
	return r
}

func (w *world) plan(slugs ...string) *buildgraph.Plan {
	w.t.Helper()
	p, err := buildgraph.NewIndex(w.sources, w.options).Plan(context.Background(), w.request(slugs...))
	if err != nil {
		w.t.Fatalf("plan %v: %v", slugs, err)
	}
	return p
}

// arch gives the only architecture of a plan.
func arch(t testing.TB, p *buildgraph.Plan) *buildgraph.ArchPlan {
	t.Helper()
	if len(p.Architectures) != 1 {
		t.Fatalf("the plan has %d architectures, not 1", len(p.Architectures))
	}
	for _, a := range p.Architectures {
		return a
	}
	return nil
}

// keys lists the builds, sorted.
func keys(a *buildgraph.ArchPlan) []string {
	out := make([]string, 0, len(a.Builds))
	for _, b := range a.Builds {
		out = append(out, b.Key())
	}
	slices.Sort(out)
	return out
}

// edges writes edges as "from>to:kinds", with "(a,b)" for packages outside the
// set.
func edges(a *buildgraph.ArchPlan) []string {
	out := make([]string, 0, len(a.Edges))
	for _, e := range a.Edges {
		s := e.From + ">" + e.To + ":" + strings.Join(e.Kinds, "+")
		if len(e.Through) > 0 {
			s += "(" + strings.Join(e.Through, ",") + ")"
		}
		out = append(out, s)
	}
	return out
}

// cuts writes cuts as "from>to:kinds [cycle]".
func cuts(a *buildgraph.ArchPlan) []string {
	out := []string{}
	for _, c := range a.Cuts {
		out = append(out, c.From+">"+c.To+":"+strings.Join(c.Kinds, "+")+" ["+strings.Join(c.Cycle, " ")+"]")
	}
	return out
}

// messages lists the warnings of a kind.
func messages(p *buildgraph.Plan, kind buildgraph.WarningKind) []string {
	out := []string{}
	for _, w := range p.Warnings {
		if w.Kind == kind {
			out = append(out, w.Message)
		}
	}
	return out
}

func build(t testing.TB, a *buildgraph.ArchPlan, key string) buildgraph.Build {
	t.Helper()
	for _, b := range a.Builds {
		if b.Key() == key {
			return b
		}
	}
	t.Fatalf("no build %s in %v", key, keys(a))
	return buildgraph.Build{}
}
