package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"buildbtw/handlers"
)

// Open pages ask from another process, so that what this one uses is what the
// server costs.
var (
	openPages   = flag.String("live.pages", "", "be the open pages of the server at this `URL`")
	openSeconds = flag.Int("live.seconds", 20, "how long pages stay open, and are measured")
)

const (
	livePages  = 200
	liveEvery  = 15 * time.Second // as static/src/live.js asks while hints come
	perChange  = 200 * time.Millisecond
	liveTarget = "/buildspaces/bench"
)

// watched is what open pages have seen.
type watched struct {
	Asked, Unchanged, Failed, Hints int
	Bytes                           int
	P95                             float64 // of an answer, in milliseconds
}

// BenchmarkLive measures the share of one processor that 200 open pages of a
// buildspace with 7,885 builds take, each with a stream of hints of its own, as
// those of 200 people: while nothing happens, and while five builds a second end.
func BenchmarkLive(b *testing.B) {
	b.Run("quiet", func(b *testing.B) { benchLive(b, false) })
	b.Run("busy", func(b *testing.B) { benchLive(b, true) })
}

func benchLive(b *testing.B, busy bool) {
	s := benchSite(b, func(d *handlers.Deps) { d.Now = time.Now })
	for b.Loop() {
		alone := processorTime(b)
		if busy {
			s.endBuilds(b) // the same work with nobody looking
		}
		alone = processorTime(b) - alone
		before := processorTime(b)
		seen := s.watch(b, busy)
		share := float64(processorTime(b)-before-alone) / float64(*openSeconds)
		b.ReportMetric(100*share/float64(time.Second), "%-of-a-core")
		b.ReportMetric(seen.P95, "p95-ms")
		b.ReportMetric(float64(seen.Asked)/float64(*openSeconds), "polls/s")
		b.ReportMetric(float64(seen.Hints)/float64(*openSeconds), "hints/s")
		b.ReportMetric(float64(seen.Bytes)/1024/max(1, float64(seen.Asked-seen.Unchanged)), "KiB/change")
		if seen.Failed > 0 {
			b.Fatalf("%d polls failed", seen.Failed)
		}
	}
}

// endBuilds takes and ends builds at an even pace until the time is over.
func (s *site) endBuilds(b *testing.B) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Duration(*openSeconds)*time.Second)
	defer cancel()
	tick := time.NewTicker(perChange)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.change(b, 2)
		}
	}
}

// watch opens the pages and, if asked to, ends builds meanwhile.
func (s *site) watch(b *testing.B, busy bool) watched {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestOpenPages$", "-live.pages", s.url+liveTarget,
		"-live.seconds", fmt.Sprint(*openSeconds))
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	if busy {
		s.endBuilds(b)
	}
	var seen watched
	must(b, json.NewDecoder(out).Decode(&seen))
	_, err = io.Copy(io.Discard, out)
	must(b, err)
	must(b, cmd.Wait())
	return seen
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestOpenPages is the other process of BenchmarkLive.
func TestOpenPages(t *testing.T) {
	t.Parallel()
	if *openPages == "" {
		t.Skip("only BenchmarkLive runs this")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*openSeconds)*time.Second)
	defer cancel()
	var all openPage
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range livePages {
		wg.Go(func() {
			page := openPage{client: &http.Client{Transport: &http.Transport{DisableCompression: true}}, hints: make(chan struct{}, 1)}
			go page.listen(ctx)
			page.stay(ctx, time.Duration(i)*liveEvery/livePages)
			mu.Lock()
			defer mu.Unlock()
			all.add(page)
		})
	}
	wg.Wait()
	slices.Sort(all.took)
	if len(all.took) > 0 {
		all.P95 = float64(all.took[len(all.took)*95/100].Microseconds()) / 1000
	}
	must(t, json.NewEncoder(os.Stdout).Encode(all.watched))
}

// openPage is a tab that asks again and again, with the tag of what it shows.
type openPage struct {
	watched
	client *http.Client
	tag    string
	hints  chan struct{}
	took   []time.Duration
}

func (p *openPage) add(o openPage) {
	p.Asked += o.Asked
	p.Unchanged += o.Unchanged
	p.Failed += o.Failed
	p.Hints += o.Hints
	p.Bytes += o.Bytes
	p.took = append(p.took, o.took...)
}

// listen passes hints on as long as ctx lasts.
func (p *openPage) listen(ctx context.Context) {
	at, err := url.Parse(*openPages)
	if err != nil {
		panic(err)
	}
	at.RawQuery = "topic=" + strings.TrimPrefix(strings.Replace(at.Path, "/buildspaces", "buildspace", 1), "/")
	at.Path = "/hints"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		panic(err)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return // the polls tell
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			select {
			case p.hints <- struct{}{}:
			default:
			}
		}
	}
}

// stay asks from its phase on, at every hint and once every few seconds, as long
// as ctx lasts.
func (p *openPage) stay(ctx context.Context, phase time.Duration) {
	defer p.client.CloseIdleConnections()
	next := time.NewTimer(phase)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-p.hints:
			p.Hints++
		}
		next.Reset(liveEvery)
		p.ask(ctx)
	}
}

func (p *openPage) ask(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, *openPages, nil)
	if err != nil {
		p.Failed++
		return
	}
	r.Header.Set("HX-Request", "true")
	r.Header.Set("Accept-Encoding", "gzip")
	if p.tag != "" {
		r.Header.Set("If-None-Match", p.tag)
	}
	began := time.Now()
	answer, err := p.client.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			p.Failed++
		}
		return
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	p.took = append(p.took, time.Since(began))
	p.Asked++
	p.Bytes += int(n)
	p.tag = answer.Header.Get("ETag")
	switch {
	case err != nil || answer.StatusCode >= http.StatusBadRequest:
		p.Failed++
	case answer.StatusCode == http.StatusNotModified:
		p.Unchanged++
	}
}

// BenchmarkHint measures how long it takes from a commit until an open page has
// the parts that it changed: commit, hint, poll, answer.
func BenchmarkHint(b *testing.B) {
	s := benchSite(b, func(d *handlers.Deps) { d.Now = time.Now })
	saved := *openPages
	*openPages = s.url + liveTarget
	defer func() { *openPages = saved }()
	page := openPage{client: &http.Client{}, hints: make(chan struct{}, 1)}
	go page.listen(b.Context())
	<-page.hints // everything is news at first
	page.ask(b.Context())
	var all time.Duration
	for b.Loop() {
		time.Sleep(1100 * time.Millisecond) // hints have a pause, and parts may be a second old
		s.change(b, 2)
		began := time.Now()
		<-page.hints
		page.ask(b.Context())
		all += time.Since(began)
	}
	b.ReportMetric(float64(all.Microseconds())/1000/float64(b.N), "ms/update")
	if page.Failed > 0 || page.Asked-page.Unchanged < b.N {
		b.Fatalf("%d polls failed; %d of %d brought nothing", page.Failed, page.Unchanged, page.Asked)
	}
}
