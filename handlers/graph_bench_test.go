package handlers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/distribution"
	"buildbtw/pacman/srcinfo"
	"buildbtw/store/storetest"
)

// BenchmarkGraphPage opens graph pages in Chromium: from navigation to the first
// complete drawing as the page opens ("first-ms") and with everything
// ("all-ms"), and the frames while everything is panned at four zooms. The first
// run of each lays the graph out; medians are of the others as well.
func BenchmarkGraphPage(b *testing.B) {
	chromium := needBrowser(b)
	for _, n := range []int{300, 3000, fullBuilds} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			benchGraphPage(b, chromium, storetest.Synthetic(n, n*fullEdges/fullBuilds, 1))
		})
	}
	b.Run("distribution", func(b *testing.B) { benchGraphPage(b, chromium, distributionPlan(b)) })
}

func needBrowser(b *testing.B) string {
	b.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		b.Skip("node is not installed; `make setup` installs it")
	}
	if _, err := os.Stat("../node_modules/playwright-core"); err != nil {
		b.Skip("playwright-core is not installed; `npm ci --ignore-scripts` installs it")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		b.Skip("chromium is not installed; `make setup` installs it")
	}
	return chromium
}

// pageFigures is what graph-page.mjs prints.
type pageFigures struct{ First, All, Pan, PanMedian float64 }

func benchGraphPage(b *testing.B, chromium string, plan *buildgraph.Plan) {
	s := newSite(b)
	s.db.Iterate(b, s.db.NewBuildspace(b, "bench"), plan)
	for i := range 60 {
		c := s.db.Claim(b, "w1")
		if c == nil {
			break
		}
		if i%10 == 9 {
			s.db.End(b, c, buildbtw.OutcomeFailed)
		} else {
			s.db.Finish(b, c)
		}
	}
	var runs []pageFigures
	for b.Loop() {
		args := []string{"testdata/graph-page.mjs", s.url + "/buildspaces/bench/1/x86_64/graph"}
		if dir := os.Getenv("BUILDBTW_PICTURES"); dir != "" {
			args = append(args, path.Join(dir, strings.ReplaceAll(b.Name(), "/", "-")+".png"))
		}
		cmd := exec.CommandContext(b.Context(), "node", args...)
		cmd.Env = append(os.Environ(), "CHROMIUM="+chromium)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		must(b, err)
		var f pageFigures
		must(b, json.Unmarshal(out, &f))
		runs = append(runs, f)
	}
	for unit, of := range map[string]func(pageFigures) float64{
		"first-ms": func(f pageFigures) float64 { return f.First },
		"all-ms":   func(f pageFigures) float64 { return f.All },
		"pan-p95":  func(f pageFigures) float64 { return f.Pan },
		"pan-p50":  func(f pageFigures) float64 { return f.PanMedian },
	} {
		values := make([]float64, len(runs))
		for i, f := range runs {
			values[i] = of(f)
		}
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
}

// distributionPlan is glibc with everything that needs it, in the data set of a
// whole distribution.
func distributionPlan(b *testing.B) *buildgraph.Plan {
	b.Helper()
	var sources []buildgraph.Source
	for _, f := range distribution.Whole(b) {
		info, err := srcinfo.Parse(f.Text)
		sources = append(sources, buildgraph.Source{Slug: f.Source, Ref: "main", Commit: strings.Repeat("a", 40), Info: info, Err: err})
	}
	slices.SortStableFunc(sources, func(a, b buildgraph.Source) int { return strings.Compare(a.Slug, b.Slug) })
	i := slices.IndexFunc(sources, func(s buildgraph.Source) bool { return s.Slug == "glibc" })
	plan, err := buildgraph.NewIndex(sources, buildgraph.Options{}).Plan(b.Context(), buildgraph.Request{
		Changesets: sources[i : i+1], Settings: buildbtw.Settings{Scope: buildbtw.ScopeAll}, Architectures: []string{"x86_64"},
	})
	must(b, err)
	return plan
}
