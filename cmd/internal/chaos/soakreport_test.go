package chaos

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// series are what a soak measures. A series is flat when what it gains after the first third
// of the time, by a straight line through it, is at most growth of its mean then, and slack.
// One that grows by what it keeps has a bar for its size instead: at most per of each build
// that was begun.
var series = [...]struct {
	name, unitName string
	metric         string // of /metrics
	file           string // of the database, by what its name ends with
	unit           float64
	growth, slack  float64
	perBuild       float64
}{
	{name: "memory", unitName: "MB", metric: "process_resident_memory_bytes", unit: 1e6, growth: 0.15, slack: 15},
	{name: "goroutines", unitName: "", metric: "go_goroutines", unit: 1, growth: 0.1, slack: 10},
	{name: "open files", unitName: "", metric: "process_open_fds", unit: 1, growth: 0.1, slack: 8},
	{name: "write-ahead log", unitName: "MB", file: "-wal", unit: 1e6, growth: 0.1, slack: 4},
	{name: "database", unitName: "MB", file: "", unit: 1e6, perBuild: 0.004},
}

// soakBar is what 99 of 100 answers may take on an idle machine.
func soakBar(route string) time.Duration {
	if strings.HasPrefix(route, "/api/") || strings.HasPrefix(route, "/repo/") {
		return 100 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// trend is how a series went on after the first third.
type trend struct {
	name, unit           string
	first, last, highest float64 // means of the second and the last third, and the highest of all
	gain, bound          float64
	times, values        []float64
}

func (t trend) flat() bool { return t.gain <= t.bound }

// soakResult is what came of a soak.
type soakResult struct {
	took    time.Duration
	load    float64 // the median
	trends  []trend
	answers map[string][]time.Duration
	did     map[string]int64
	stretch float64 // by how much the load stretches the bars
}

// judge puts together what was measured.
func (k *soak) judge() soakResult {
	r := soakResult{took: *soakTime, answers: k.answers, did: k.did.all()}
	slices.Sort(k.load)
	if len(k.load) > 0 {
		r.load = k.load[len(k.load)/2]
	}
	r.stretch = max(1, r.load/float64(runtime.NumCPU()))
	begun, failed, err := k.begun(context.Background())
	if err != nil {
		begun = 0 // then the database's bar is 0, and fails
	}
	r.did["builds begun"], r.did["builds failed"] = begun, failed
	for i, one := range series {
		var times, values []float64
		for _, s := range k.samples {
			times, values = append(times, s.at.Seconds()), append(values, s.values[i])
		}
		bound := func(mean float64) float64 { return one.growth*mean + one.slack }
		if one.perBuild > 0 {
			bound = func(float64) float64 { return one.perBuild * float64(begun) }
		}
		r.trends = append(r.trends, trendOf(one.name, one.unitName, times, values, bound))
	}
	return r
}

// begun returns how many attempts the database has, and how many of them failed.
func (k *soak) begun(ctx context.Context) (all, failed int64, err error) {
	db, err := openReadOnly(k.site.database())
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE outcome = 'failed') FROM attempts").Scan(&all, &failed)
	return all, failed, err
}

// trendOf fits a straight line to what comes after the first third. bound is what may be
// gained then, of the mean.
func trendOf(name, unit string, times, values []float64, bound func(mean float64) float64) trend {
	t := trend{name: name, unit: unit, times: times, values: values, gain: math.Inf(1)}
	from := len(values) / 3
	if len(values)-from < 3 {
		return t // too few to say anything, which is not flat
	}
	x, y := times[from:], values[from:]
	mx, my := mean(x), mean(y)
	var above, below float64
	for i := range x {
		above += (x[i] - mx) * (y[i] - my)
		below += (x[i] - mx) * (x[i] - mx)
	}
	t.gain = above / below * (x[len(x)-1] - x[0])
	t.bound = bound(my)
	t.first, t.last, t.highest = mean(y[:len(y)/2]), mean(y[len(y)/2:]), slices.Max(values)
	return t
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// failures lists what passed a bar.
func (r soakResult) failures() []string {
	var list []string
	for _, t := range r.trends {
		if !t.flat() {
			list = append(list, fmt.Sprintf("%s is not flat: it gains %.1f %s after the first third, and may gain %.1f", t.name, t.gain, t.unit, t.bound))
		}
	}
	for _, route := range slices.Sorted(maps.Keys(r.answers)) {
		if p99, bar := quantile(r.answers[route], 0.99), r.bar(route); p99 > bar {
			list = append(list, fmt.Sprintf("%s: 99 of 100 answers took up to %s, the bar is %s", route, p99, bar))
		}
	}
	return list
}

// bar is a route's on this machine.
func (r soakResult) bar(route string) time.Duration {
	return time.Duration(float64(soakBar(route)) * r.stretch).Round(time.Millisecond)
}

// markdown is the page.
func (r soakResult) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak\n\nMade by `make soak`: a server with %d sources, %d buildspaces and %d workers of %d slots (runner `fake`, tiny packages) for %s while\n"+
		"sources are pushed to, builds fail, people retry and cancel, workers end (half of them by `kill -9`), pages, API, repositories and a stream of\n"+
		"events are read, and the database is backed up, each copy checked for every invariant.\n\n"+
		"%s, %d processors at a load of %.0f (median), so bars for answers are %.1f times those of an idle machine. Seed %d.\n\n",
		soakSources, soakSpaces, workers, slots, r.took, time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), r.load, r.stretch, *seed)
	var did []string
	for _, name := range slices.Sorted(maps.Keys(r.did)) {
		did = append(did, fmt.Sprintf("%s %d", name, r.did[name]))
	}
	fmt.Fprintf(&b, "What happened: %s.\n\n![What the server uses over time](pictures/soak.svg)\n\n", strings.Join(did, ", "))
	b.WriteString("## What it uses\n\n\"Gain\" is that of a straight line through what comes after the first third. The database keeps what happened, so its bar is per build begun.\n\n" +
		"| | second third | last third | highest | gain | bar | |\n|---|---|---|---|---|---|---|\n")
	for _, t := range r.trends {
		fmt.Fprintf(&b, "| %s | %.1f %s | %.1f | %.1f | %.1f | %.1f | %s |\n", t.name, t.first, t.unit, t.last, t.highest, t.gain, t.bound, verdict(t.flat()))
	}
	b.WriteString("\n## Answers\n\n| route | answers | median | p99 | bar | |\n|---|---|---|---|---|---|\n")
	for _, route := range slices.Sorted(maps.Keys(r.answers)) {
		took := r.answers[route]
		p99 := quantile(took, 0.99)
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s | %s |\n", strings.ReplaceAll(strings.ReplaceAll(route, "%s", "NAME"), "%d", "ID"), len(took),
			quantile(took, 0.5).Round(100*time.Microsecond), p99.Round(100*time.Microsecond), r.bar(route), verdict(p99 <= r.bar(route)))
	}
	return b.String()
}

func verdict(held bool) string {
	if held {
		return "held"
	}
	return "**missed**"
}

// Sizes of the picture, in its own units.
const (
	plotWidth, plotHeight = 640, 90
	plotLeft, plotGap     = 120, 24
)

// svg draws each series over time, the first third grey.
func (r soakResult) svg() string {
	var b strings.Builder
	height := len(r.trends)*(plotHeight+plotGap) + plotGap
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img" aria-label="What the server uses over time">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#fff"/>`+"\n", plotLeft+plotWidth+20, height)
	for i, t := range r.trends {
		if len(t.values) == 0 {
			continue
		}
		top := plotGap/2 + i*(plotHeight+plotGap)
		end, most := t.times[len(t.times)-1], max(t.highest, 1)*1.1
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#f6f6f6" stroke="#999"/><rect x="%d" y="%d" width="%d" height="%d" fill="#e4e4e4"/>`+"\n",
			plotLeft, top, plotWidth, plotHeight, plotLeft, top, plotWidth/3, plotHeight)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><text x="%d" y="%d" text-anchor="end">up to %.0f %s</text>`+"\n",
			plotLeft-8, top+plotHeight/2, t.name, plotLeft-8, top+plotHeight/2+16, t.highest, t.unit)
		b.WriteString(`<polyline fill="none" stroke="#1a5fb4" stroke-width="1.5" points="`)
		for j := range t.values {
			fmt.Fprintf(&b, "%.0f,%.0f ", plotLeft+t.times[j]/end*plotWidth, float64(top)+plotHeight*(1-t.values[j]/most))
		}
		b.WriteString("\"/>\n")
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">0</text><text x="%d" y="%d" text-anchor="end">%s</text>`+"\n</svg>\n", plotLeft, height-8, plotLeft+plotWidth, height-8, r.took)
	return b.String()
}

// write writes page and picture below a directory.
func (r soakResult) write(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "pictures"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "pictures", "soak.svg"), []byte(r.svg()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "soak.md"), []byte(r.markdown()), 0o644)
}

func TestATrendThatGrowsIsNotFlat(t *testing.T) {
	t.Parallel()
	bound := func(mean float64) float64 { return mean/10 + 5 }
	for name, c := range map[string]struct {
		value func(i int) float64
		flat  bool
	}{
		"flat":                           {func(int) float64 { return 100 }, true},
		"noise":                          {func(i int) float64 { return 100 + float64(i%7)*10 }, true},
		"grows at first":                 {func(i int) float64 { return min(float64(i)*10, 300) }, true},
		"shrinks":                        {func(i int) float64 { return 300 - float64(i) }, true},
		"grows by a hundredth each time": {func(i int) float64 { return 100 + float64(i) }, false},
		"grows with noise":               {func(i int) float64 { return 100 + float64(i) + float64(i%7)*10 }, false},
	} {
		var times, values []float64
		for i := range 90 {
			times, values = append(times, float64(i)), append(values, c.value(i))
		}
		if got := trendOf(name, "", times, values, bound); got.flat() != c.flat {
			t.Errorf("%s: gains %.1f, bound %.1f", name, got.gain, got.bound)
		}
	}
	if trendOf("nothing", "", nil, nil, bound).flat() {
		t.Error("nothing measured is flat")
	}
}

func TestASlowRouteFailsTheSoak(t *testing.T) {
	t.Parallel()
	r := soakResult{stretch: 1, answers: map[string][]time.Duration{
		"/fast": slices.Repeat([]time.Duration{time.Millisecond}, 200),
		"/slow": append(slices.Repeat([]time.Duration{time.Millisecond}, 95), slices.Repeat([]time.Duration{time.Second}, 5)...),
	}}
	if got := strings.Join(r.failures(), "\n"); !strings.Contains(got, "/slow") || strings.Contains(got, "/fast") {
		t.Errorf("failures: %q", got)
	}
	if page := r.markdown(); !strings.Contains(page, "| `/slow` | 100 | 1ms | 1s | 200ms | **missed** |") {
		t.Errorf("the page:\n%s", page)
	}
}
