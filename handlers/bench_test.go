package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// The size of a whole distribution's graph.
const (
	fullBuilds = 7885
	fullEdges  = 68000
)

// benchSite is a server with one buildspace of that size: some builds are done,
// some failed, thousands wait for those.
func benchSite(b *testing.B, change ...func(*handlers.Deps)) *site {
	b.Helper()
	s := newSite(b, change...)
	s.begin(b, s.db.NewBuildspace(b, "bench"))
	return s
}

// begin makes a new iteration of the buildspace.
func (s *site) begin(b *testing.B, row store.BuildspaceRow) {
	b.Helper()
	s.db.Iterate(b, row, storetest.Synthetic(fullBuilds, fullEdges, 1))
	for i := range 60 {
		c := s.db.Claim(b, "w1")
		if i%10 == 9 {
			s.db.End(b, c, buildbtw.OutcomeFailed)
		} else {
			s.db.Finish(b, c)
		}
	}
}

// visitor asks for one page over a connection of its own and keeps how long each
// answer took.
type visitor struct {
	*site
	path   string
	header map[string]string
	took   []time.Duration
	cpu    time.Duration // of the process, client and server together
	bytes  int           // of the last answer's body, as it came
}

// ask gives the status and the ETag of the answer.
func (v *visitor) ask(b *testing.B) (status int, tag string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, v.url+v.path, nil)
	must(b, err)
	r.Header.Set("Accept-Encoding", "gzip")
	for name, value := range v.header {
		r.Header.Set(name, value)
	}
	began, used := time.Now(), processorTime(b)
	answer, err := http.DefaultTransport.RoundTrip(r)
	must(b, err)
	body, err := io.ReadAll(answer.Body)
	v.took = append(v.took, time.Since(began))
	v.cpu += processorTime(b) - used
	must(b, err)
	must(b, answer.Body.Close())
	v.bytes = len(body)
	return answer.StatusCode, answer.Header.Get("Etag")
}

// report adds the median, the 95th percentile and the size of an answer to the figures.
func (v *visitor) report(b *testing.B) {
	b.Helper()
	slices.Sort(v.took)
	b.ReportMetric(float64(v.took[len(v.took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(v.took[len(v.took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(v.bytes)/1024, "KiB")
	b.ReportMetric(float64(v.cpu.Microseconds())/1000/float64(len(v.took)), "cpu-ms")
}

// BenchmarkBuildspacePage asks for the page as browsers do: packed, over HTTP.
func BenchmarkBuildspacePage(b *testing.B) {
	s := benchSite(b)
	b.Run("whole", func(b *testing.B) { s.benchWhole(b, "/buildspaces/bench") })
	b.Run("whole-blocked", func(b *testing.B) { s.benchWhole(b, "/buildspaces/bench?status=blocked") })
	b.Run("poll-unchanged", s.benchUnchanged)
	b.Run("poll-100-changed", s.benchChanged)
}

// BenchmarkHomePage is what most tabs show.
func BenchmarkHomePage(b *testing.B) {
	benchSite(b).benchWhole(b, "/")
}

// BenchmarkHomePageOfManyBuildspaces is the home page with 200 active buildspaces of
// 3,000 builds each, of which every second has failures. With "changed" a build of each
// of four buildspaces fails or is finished before every answer.
func BenchmarkHomePageOfManyBuildspaces(b *testing.B) {
	s := newSite(b)
	for i := range 200 {
		s.db.Iterate(b, s.db.NewBuildspace(b, fmt.Sprintf("space-%d", i)), storetest.Synthetic(3000, 27000, uint64(i%4)))
	}
	outcome := []buildbtw.Outcome{buildbtw.OutcomeFailed, buildbtw.OutcomeBuilt}
	work := func(builds int) {
		for i := range builds {
			c := s.db.Claim(b, "w1")
			if o := outcome[i%2]; o == buildbtw.OutcomeBuilt {
				s.db.Finish(b, c)
			} else {
				s.db.End(b, c, o)
			}
		}
	}
	work(400)
	must(b, s.db.CountBlocked(b.Context()))
	b.Run("unchanged", func(b *testing.B) { s.benchWhole(b, "/") })
	b.Run("changed", func(b *testing.B) {
		v := visitor{site: s, path: "/"}
		for b.Loop() {
			b.StopTimer()
			work(4)
			b.StartTimer()
			if status, _ := v.ask(b); status != http.StatusOK {
				b.Fatal(status)
			}
		}
		v.report(b)
	})
}

func (s *site) benchWhole(b *testing.B, path string) {
	v := visitor{site: s, path: path}
	for b.Loop() {
		if status, _ := v.ask(b); status != http.StatusOK {
			b.Fatal(status)
		}
	}
	v.report(b)
}

func (s *site) benchUnchanged(b *testing.B) {
	v := visitor{site: s, path: "/buildspaces/bench", header: map[string]string{"HX-Request": "true"}}
	_, tag := v.ask(b)
	v.header["If-None-Match"], v.took, v.cpu = tag, nil, 0
	for b.Loop() {
		if status, _ := v.ask(b); status != http.StatusNotModified {
			b.Fatal(status)
		}
	}
	v.report(b)
}

func (s *site) benchChanged(b *testing.B) {
	v := visitor{site: s, path: "/buildspaces/bench", header: map[string]string{"HX-Request": "true"}}
	for b.Loop() {
		b.StopTimer()
		s.change(b, 100)
		b.StartTimer()
		status, tag := v.ask(b)
		if status != http.StatusOK || tag == v.header["If-None-Match"] {
			b.Fatal(status, tag)
		}
		v.header["If-None-Match"] = tag
	}
	v.report(b)
}

// change changes builds n times: each is taken and finished, and what waited for
// it may become pending. When all are done, another iteration begins. A hundred
// changes take 1.25 s, so that every fourth or fifth poll needs a new forecast.
func (s *site) change(b *testing.B, n int) {
	b.Helper()
	for range n / 2 {
		s.db.Clock.Advance(25 * time.Millisecond)
		c := s.db.Claim(b, "w1")
		if c == nil {
			row, err := s.db.Buildspace(b.Context(), "bench")
			must(b, err)
			s.begin(b, row)
			c = s.db.Claim(b, "w1")
		}
		s.db.Finish(b, c)
	}
}
