package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store/storetest"
)

// scrape returns the lines of /metrics.
func (f *frame) scrape(t testing.TB) []string {
	t.Helper()
	answer, text := f.fetch(t, "/metrics", nil)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", answer.Status, text)
	}
	return strings.Split(text, "\n")
}

// fetch asks for a path with further headers.
func (f *frame) fetch(t testing.TB, path string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
	must(t, err)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer, string(text)
}

// valueOf returns what stands behind a sample.
func valueOf(lines []string, sample string) string {
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			return value
		}
	}
	return "none"
}

func TestMetricsTellHowTheServerStands(t *testing.T) {
	t.Parallel()
	began := time.Now()
	loops := []buildbtw.LoopState{
		{Name: "sync", Period: time.Second, Limit: time.Hour, Ended: began, Took: 3 * time.Second, Succeeded: began.Add(-time.Minute), Failed: 2, FailedEver: 7},
		{Name: "rescue", Period: time.Second, Limit: time.Hour, Began: began.Add(-2 * time.Hour)},
	}
	var mended atomic.Bool
	f := newFrame(t, func(d *handlers.Deps) {
		d.Loops = func() []buildbtw.LoopState {
			if mended.Load() {
				return loops[:1]
			}
			return loops
		}
		d.Disks = func() []handlers.Disk { return []handlers.Disk{{Directory: "repos", Free: 5, Size: 9}} }
	})
	lines := f.scrape(t)
	for sample, want := range map[string]string{
		`buildbtw_loop_last_pass_duration_seconds{loop="sync"}`: "3", `buildbtw_loop_failing_passes{loop="sync"}`: "2",
		`buildbtw_loop_failed_passes_total{loop="sync"}`: "7", `buildbtw_loop_hangs{loop="sync"}`: "0", `buildbtw_loop_hangs{loop="rescue"}`: "1",
		`buildbtw_loop_last_pass_timestamp_seconds{loop="rescue"}`: "none", `buildbtw_disk_free_bytes{directory="repos"}`: "5",
		`buildbtw_disk_size_bytes{directory="repos"}`: "9", `buildbtw_ready`: "0", `buildbtw_build_info{version="test"}`: "1",
		`buildbtw_workers{state="offline"}`: "0", `buildbtw_scrape_failed`: "0", `buildbtw_builds{status="failed"}`: "0", `buildbtw_retries_total{cause="lost"}`: "0",
	} {
		if got := valueOf(lines, sample); got != want {
			t.Errorf("%s is %s, want %s", sample, got, want)
		}
	}
	if got := valueOf(lines, `buildbtw_mirror_age_seconds{loop="sync"}`); got < "60" || len(got) < 2 {
		t.Errorf("the mirror's age is %s, want a minute", got)
	}
	answer, text := f.fetch(t, "/api/v1/ready", nil)
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "loop rescue hangs: its pass has taken 2h") {
		t.Errorf("ready: %s %s", answer.Status, text)
	}
	mended.Store(true)
	if answer, text := f.fetch(t, "/api/v1/ready", nil); answer.StatusCode != http.StatusOK {
		t.Errorf("ready: %s %s", answer.Status, text)
	}
	if got := valueOf(f.scrape(t), "buildbtw_ready"); got != "1" {
		t.Errorf("buildbtw_ready is %s", got)
	}
}

// Whatever is asked for, the labels are few: a path is none.
func TestMetricsHaveNoLabelForEachPath(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for i := range 40 {
		for _, path := range []string{"/nothing-%d", "/builds/%d", "/api/v1/builds/%d", "/repo/x_%d/os/x86_64/x.db", "/static/x%d.css", "/sources/a%d/commits", "/metrics/%d"} {
			f.fetch(t, fmt.Sprintf(path, i), nil)
		}
		for _, method := range []string{"BREW", "DELETE", "PATCH"} {
			r, err := http.NewRequestWithContext(t.Context(), method, f.url+fmt.Sprintf("/x/%d", i), nil)
			must(t, err)
			answer, err := http.DefaultClient.Do(r)
			must(t, err)
			must(t, answer.Body.Close())
		}
	}
	routes := map[string]bool{}
	for _, line := range f.scrape(t) {
		if m := regexp.MustCompile(`^buildbtw_http_requests_total\{method="(\w+)",route="([^"]*)"`).FindStringSubmatch(line); m != nil {
			routes[m[1]+" "+m[2]] = true
		}
	}
	if len(routes) == 0 || len(routes) > 12 {
		t.Errorf("%d routes: %v", len(routes), routes)
	}
	for route := range routes {
		if regexp.MustCompile(`\d`).MatchString(strings.ReplaceAll(route, "/v1/", "/")) {
			t.Errorf("route %s has a part of an address", route)
		}
	}
}

func TestRequestIDsOfTrustedProxiesAreTaken(t *testing.T) {
	t.Parallel()
	const uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	ask := func(f *frame, id string) string {
		answer, _ := f.fetch(t, "/api/v1/health", map[string]string{"X-Request-Id": id})
		return answer.Header.Get("X-Request-Id")
	}
	f := newFrame(t)
	if got := ask(f, uuid); got == uuid || got == "" {
		t.Errorf("somebody's own id: %q", got)
	}
	behind := newFrame(t, func(d *handlers.Deps) {
		proxies, err := handlers.ParseProxies([]string{"127.0.0.1"})
		must(t, err)
		d.Proxies = proxies
	})
	if got := ask(behind, uuid); got != uuid || !strings.Contains(behind.log.String(), "id="+uuid) {
		t.Errorf("a proxy's id: %q; log:\n%s", got, behind.log.String())
	}
	for _, wrong := range []string{"", "short", strings.Repeat("x", 65), "level=ERROR msg=x", "a\"b=cccccc", "äääääääää"} {
		if got := ask(behind, wrong); got == wrong || got == "" {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// BenchmarkMetrics is a scrape of a server with a whole distribution.
func BenchmarkMetrics(b *testing.B) {
	benchSite(b).benchWhole(b, "/metrics")
}

// Who may look at the metrics learns how much there is, and nothing by name; and profiles of
// --debug-listen are nowhere here.
func TestMetricsNameNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "hidden-space"), storetest.Plan("hidden-lib", "hidden-app: hidden-lib"))
	s.db.Finish(t, s.db.Claim(t, "hidden-machine"))
	s.db.End(t, s.db.Claim(t, "hidden-machine"), buildbtw.OutcomeFailed)
	for _, path := range []string{"/buildspaces/hidden-space", "/packages/hidden-lib", "/hidden?q=hidden", "/search?q=hidden"} {
		s.fetch(t, path, map[string]string{"User-Agent": "hidden", "X-Request-Id": "hidden-request"})
	}
	lines := s.scrape(t)
	if valueOf(lines, `buildbtw_builds{status="failed"}`) != "1" {
		t.Errorf("the failed build is not counted:\n%s", strings.Join(lines, "\n"))
	}
	for _, line := range lines {
		if strings.Contains(line, "hidden") || strings.Contains(line, "127.0.0.1") {
			t.Errorf("the metrics tell %s", line)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap"} {
		if answer, _ := s.fetch(t, path, nil); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}
