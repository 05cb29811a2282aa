package buildgraph_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/srcinfo"
)

// durationsOf gives every package a log-normal duration (median 75 s, sigma
// 1.3), always the same for a pkgbase and a salt.
func durationsOf(sources []buildgraph.Source, salt string) map[string]float64 {
	out := map[string]float64{}
	for _, s := range sources {
		h := fnv.New64a()
		fmt.Fprint(h, s.Info.Pkgbase, salt)
		r := rand.New(rand.NewPCG(h.Sum64(), 1))
		out[s.Info.Pkgbase] = 75 * math.Exp(1.3*r.NormFloat64())
	}
	return out
}

func requestFor(sources []buildgraph.Source, scope buildbtw.Scope, slugs ...string) buildgraph.Request {
	r := buildgraph.Request{Settings: buildbtw.Settings{Scope: scope}, Architectures: []string{"x86_64"}}
	for _, slug := range slugs {
		i := slices.IndexFunc(sources, func(s buildgraph.Source) bool { return s.Slug == slug })
		r.Changesets = append(r.Changesets, sources[i])
	}
	return r
}

// timed runs f as often as the benchmark wants and reports, beside the mean,
// the median and the least, and the processor time of a run, with that of the
// garbage collector: other work on the machine spoils means.
func timed(b *testing.B, f func()) {
	b.Helper()
	var runs []float64
	busy := cpuTime(b)
	for b.Loop() {
		runs = append(runs, took(f))
	}
	busy = cpuTime(b) - busy
	slices.Sort(runs)
	b.ReportMetric(float64(busy.Microseconds())/1000/float64(len(runs)), "ms-cpu")
	b.ReportMetric(runs[len(runs)/2], "ms-median")
	b.ReportMetric(runs[0], "ms-least")
}

// cpuTime is what all threads of the process have used: other work on the
// machine spoils it least of all.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func mustPlan(b testing.TB, ix *buildgraph.Index, r buildgraph.Request) *buildgraph.Plan {
	b.Helper()
	p, err := ix.Plan(b.Context(), r)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// The bar is 60 ms, and no more than tsort needs for the same edges
// (BenchmarkPlanAgainstTsort).
func BenchmarkPlanOfGlibcFromParsedSources(b *testing.B) {
	sources := distribution(b)
	r := requestFor(sources, buildbtw.ScopeAll, "glibc")
	timed(b, func() { mustPlan(b, buildgraph.NewIndex(sources, buildgraph.Options{}), r) })
}

// tsort gets the plan's own edges, ready made and without cycles, from a file,
// and neither cuts nor explains anything. With the cut edges among them it takes
// minutes. Both run in turn, so that their ratio says something on a busy
// machine too. tsort is measured as a whole process, as it cannot be had otherwise.
func BenchmarkPlanAgainstTsort(b *testing.B) {
	needProgram(b, "tsort")
	sources := distribution(b)
	r := requestFor(sources, buildbtw.ScopeAll, "glibc")
	edges := edgeFile(b, mustPlan(b, buildgraph.NewIndex(sources, buildgraph.Options{}), r))
	var ours, theirs []float64
	for b.Loop() {
		ours = append(ours, took(func() { mustPlan(b, buildgraph.NewIndex(sources, buildgraph.Options{}), r) }))
		theirs = append(theirs, took(func() {
			if out, err := exec.CommandContext(b.Context(), "tsort", edges).Output(); err != nil || len(out) == 0 {
				b.Fatal(err)
			}
		}))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(ours[len(ours)/2], "ms-plan")
	b.ReportMetric(theirs[len(theirs)/2], "ms-tsort")
	b.ReportMetric(ours[len(ours)/2]/theirs[len(theirs)/2], "times-tsort")
	b.ReportMetric(ours[0]/theirs[0], "times-tsort-least")
}

func edgeFile(b *testing.B, p *buildgraph.Plan) string {
	b.Helper()
	var text bytes.Buffer
	for _, e := range p.Architectures["x86_64"].Edges {
		fmt.Fprintln(&text, e.From, e.To)
	}
	name := filepath.Join(b.TempDir(), "edges")
	if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	return name
}

// took measures in milliseconds.
func took(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start).Microseconds()) / 1000
}

func BenchmarkIndex(b *testing.B) {
	sources := distribution(b)
	timed(b, func() { buildgraph.NewIndex(sources, buildgraph.Options{}).Package("x86_64", "jq") })
}

// The bar is 300 ms for both.
func BenchmarkCutsOfEverything(b *testing.B) {
	sources := distribution(b)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for name, durations := range map[string]map[string]float64{"durations unknown": nil, "durations known": durationsOf(sources, "")} {
		b.Run(name, func(b *testing.B) {
			timed(b, func() { ix.CutAll("x86_64", durations) })
		})
	}
}

// The bar is 2 ms for a plan that nobody asked for before.
func BenchmarkPlanOfLeaf(b *testing.B) {
	sources := distribution(b)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	r := requestFor(sources, buildbtw.ScopeAll, "jq")
	b.Run("asked for the first time", func(b *testing.B) {
		timed(b, func() {
			ix.Forget("x86_64")
			mustPlan(b, ix, r)
		})
	})
	b.Run("asked for again", func(b *testing.B) {
		timed(b, func() { mustPlan(b, ix, r) })
	})
}

// fiftyRequests are open buildspaces of all sizes: every fifth of a core
// library with thousands of builds, the others smaller.
func fiftyRequests(sources []buildgraph.Source) []buildgraph.Request {
	core := []string{"glibc", "curl", "openssl", "python", "icu", "zlib", "sqlite", "ncurses", "libxml2", "glib2"}
	leaves := []string{"jq", "boost", "nodejs", "rust", "hugin", "mpv", "git", "cmake"}
	scopes := buildbtw.Scopes()
	var out []buildgraph.Request
	has := func(slug string) bool {
		return slices.ContainsFunc(sources, func(s buildgraph.Source) bool { return s.Slug == slug })
	}
	for i := 0; len(out) < 50; i++ {
		slug := leaves[i%len(leaves)]
		if i%5 == 0 {
			slug = core[i/5%len(core)]
		}
		if has(slug) {
			r := requestFor(sources, scopes[(i/len(leaves))%len(scopes)], slug)
			if i%5 == 0 {
				r.Settings.Scope = buildbtw.ScopeAll
			}
			out = append(out, r)
		}
	}
	return out
}

// push is what one source's new commit changes, differently each time.
type push struct {
	name, slug string
	change     func(info *srcinfo.Info, n int)
}

func pushes() []push {
	return []push{
		{"new version", "hugin", func(info *srcinfo.Info, n int) { info.Pkgver = fmt.Sprint(info.Pkgver, ".", n) }},
		{"leaf needs another tool", "hugin", makedepends("linux-api-headers", "xorgproto")},
		{"leaf needs another library", "hugin", makedepends("ffmpeg", "imagemagick")},
		{"library on cycles needs another", "ffmpeg", makedepends("boost", "jq")},
	}
}

// makedepends adds one of several dependencies, in turn.
func makedepends(names ...string) func(info *srcinfo.Info, n int) {
	return func(info *srcinfo.Info, n int) {
		info.Base.MakeDepends = append(slices.Clone(info.Base.MakeDepends), srcinfo.Value{Text: names[n%len(names)]})
	}
}

// The bar is 150 ms from a push to 50 plans that are up to date.
func BenchmarkPushWithFiftyPlans(b *testing.B) {
	sources := distribution(b)
	for _, push := range pushes() {
		b.Run(push.name, func(b *testing.B) { push.run(b, sources, fiftyRequests(sources)) })
	}
	// Without a bar: changesets at commits that the index does not have, and
	// durations, which make the search for cuts longer.
	requests := fiftyRequests(sources)
	for i := range requests {
		c := requests[i].Changesets[0]
		info := *c.Info
		info.Pkgver += ".1"
		requests[i].Changesets = []buildgraph.Source{{Slug: c.Slug, Ref: "branch", Commit: "branch", Info: &info}}
	}
	b.Run("new version, changesets on branches", func(b *testing.B) { pushes()[0].run(b, sources, requests) })
	requests = fiftyRequests(sources)
	for i := range requests {
		requests[i].Durations = durationsOf(sources, "")
	}
	b.Run("library on cycles needs another, durations known", func(b *testing.B) { pushes()[3].run(b, sources, requests) })
}

func (p push) run(b *testing.B, sources []buildgraph.Source, requests []buildgraph.Request) {
	b.Helper()
	at := slices.IndexFunc(sources, func(s buildgraph.Source) bool { return s.Slug == p.slug })
	if at < 0 {
		b.Skipf("the data set has no %s", p.slug)
	}
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	mustPlans(b, ix, requests)
	n := 0
	timed(b, func() {
		n++
		s := sources[at]
		info := *s.Info
		p.change(&info, n)
		s.Info, s.Commit = &info, fmt.Sprint("commit", n)
		ix = ix.Update([]buildgraph.Source{s}, nil)
		for i := range requests {
			if c := requests[i].Changesets[0]; c.Slug == s.Slug && c.Ref == s.Ref {
				requests[i].Changesets = []buildgraph.Source{s}
			}
		}
		mustPlans(b, ix, requests)
	})
}

func mustPlans(b *testing.B, ix *buildgraph.Index, requests []buildgraph.Request) {
	b.Helper()
	for _, p := range ix.Plans(b.Context(), requests) {
		if p.Err != nil {
			b.Fatal(p.Err)
		}
	}
}

// copies gives the sources several times over, renamed and linked: every
// package of a later copy also depends on its original.
func copies(sources []buildgraph.Source, times int) []buildgraph.Source {
	out := slices.Clone(sources)
	for k := 2; k <= times; k++ {
		ours := map[string]bool{}
		for _, s := range sources {
			for _, p := range s.Info.Packages {
				ours[p.Name] = true
				for _, v := range p.Provides {
					ours[nameOf(v.Text)] = true
				}
			}
		}
		for _, s := range sources {
			out = append(out, renamed(s, fmt.Sprintf("-x%d", k), ours))
		}
	}
	return out
}

func nameOf(dep string) string {
	return strings.FieldsFunc(dep+"=", func(r rune) bool { return strings.ContainsRune("<>=", r) })[0]
}

func renamed(s buildgraph.Source, suffix string, ours map[string]bool) buildgraph.Source {
	rename := func(values srcinfo.Values) srcinfo.Values {
		out := slices.Clone(values)
		for i, v := range out {
			name := nameOf(v.Text)
			if ours[name] {
				out[i].Text = mark(name, suffix) + v.Text[len(name):]
			}
		}
		return out
	}
	info := *s.Info
	info.Pkgbase += suffix
	info.Base.MakeDepends, info.Base.CheckDepends = rename(info.Base.MakeDepends), rename(info.Base.CheckDepends)
	info.Packages = slices.Clone(info.Packages)
	for i := range info.Packages {
		p := &info.Packages[i]
		p.Depends = append(rename(p.Depends), srcinfo.Value{Text: p.Name})
		p.Provides = rename(p.Provides)
		p.Name += suffix
	}
	return buildgraph.Source{Slug: s.Slug + suffix, Ref: s.Ref, Commit: s.Commit + suffix, Info: &info}
}

// mark renames a package or a library so that it stays one.
func mark(name, suffix string) string {
	if rest, ok := strings.CutSuffix(name, ".so"); ok {
		return rest + suffix + ".so"
	}
	return name + suffix
}

// Time and memory may grow 3.5-fold on three times the data.
func BenchmarkThreeTimesTheData(b *testing.B) {
	once := distribution(b)
	for _, times := range []int{1, 3} {
		sources := copies(once, times)
		r := requestFor(sources, buildbtw.ScopeAll, "glibc")
		b.Run(fmt.Sprint(times), func(b *testing.B) {
			b.ReportAllocs()
			timed(b, func() { mustPlan(b, buildgraph.NewIndex(sources, buildgraph.Options{}), r) })
			b.StopTimer()
			before := liveBytes()
			ix := buildgraph.NewIndex(sources, buildgraph.Options{})
			p := mustPlan(b, ix, r)
			b.ReportMetric(float64(liveBytes()-before)/1e6, "MB-live")
			runtime.KeepAlive(ix)
			runtime.KeepAlive(p)
		})
	}
}

func liveBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
