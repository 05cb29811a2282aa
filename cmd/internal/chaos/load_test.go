package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/store/storetest"
)

// crowd is how many workers there are.
const crowd = 500

// BenchmarkWorkers has the crowd claim, heartbeat, log and finish as fast as the
// server answers: to one claim 4 heartbeats, 20 pieces of log and 1 finish. The
// load comes from this machine too.
func BenchmarkWorkers(b *testing.B) {
	s := newLoadSite(b, filling{"work", buildbtw.PriorityNormal, storetest.Synthetic(20_000, 0, 1)})
	load := &load{site: s, builds: map[string]string{}, transport: newTransport(b, crowd)}
	const seconds = 10
	before := s.processorTime(b)
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), seconds*time.Second)
		load.crowd(ctx, b, func(w *loadWorker) error { return w.work(ctx) })
		cancel()
	}
	requests, all := load.quantiles()
	b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(len(load.builds))/b.Elapsed().Seconds(), "builds/s")
	b.ReportMetric(milliseconds(s.processorTime(b)-before)/float64(requests), "server-cpu-ms/request")
	b.ReportMetric(milliseconds(all(0.5)), "p50-ms")
	b.ReportMetric(milliseconds(all(0.99)), "p99-ms")
}

// BenchmarkFinishUnblocks3000OverHTTP has half of the crowd report from running
// builds, each once a second, and the other half wait for work, when a build is
// finished that 3,000 others wait for.
func BenchmarkFinishUnblocks3000OverHTTP(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := newFan(b)
		f.begin(b)
		b.StartTimer()
		f.finish(b)
		b.StopTimer()
		f.end(b)
		b.StartTimer()
	}
}

// load is what a crowd of workers asks of a server.
type load struct {
	site      *loadSite
	transport *http.Transport

	mu     sync.Mutex
	builds map[string]string // build to worker
	took   []time.Duration   // of every request but claims that wait
}

// loadWorker is one of the crowd.
type loadWorker struct {
	*load
	name   string
	client *api.Client // with the worker's own token: one of all would be asking too often
	took   []time.Duration
}

func (l *load) worker(b *testing.B, name string) *loadWorker {
	b.Helper()
	return &loadWorker{load: l, name: name, client: l.site.newClient(b, l.transport, name)}
}

// crowd runs fn for every worker at the same time.
func (l *load) crowd(ctx context.Context, b *testing.B, fn func(*loadWorker) error) {
	b.Helper()
	group := &errgroup.Group{}
	for i := range crowd {
		w := l.worker(b, fmt.Sprintf("worker%d", i))
		group.Go(func() error {
			err := fn(w)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took = append(l.took, w.took...)
			if ctx.Err() != nil {
				return nil // what is under way at the end is cut off
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// work goes through builds until ctx ends.
func (w *loadWorker) work(ctx context.Context) error {
	for ctx.Err() == nil {
		job, err := w.claim(ctx, 0)
		if err != nil || job == nil {
			return err
		}
		if err := w.build(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

// claim asks for a build and wants that nobody else has got it.
func (w *loadWorker) claim(ctx context.Context, wait int) (*api.Job, error) {
	var job *api.Job
	ask := func() (err error) {
		job, _, err = w.client.Claim(ctx, api.ClaimRequest{
			Worker: w.name, Architectures: []string{"x86_64"}, Runners: []string{"fake"}, Wait: wait,
		})
		return err
	}
	if wait > 0 {
		if err := ask(); err != nil || job == nil {
			return nil, err
		}
	} else if err := w.timed(ask); err != nil || job == nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if other, taken := w.builds[job.BuildID]; taken {
		return nil, fmt.Errorf("build %s was given to %s and to %s", job.BuildID, other, w.name)
	}
	w.builds[job.BuildID] = w.name
	return job, nil
}

// build reports four times and gives up: a failure is a finish without the
// cost of packages, which others measure.
func (w *loadWorker) build(ctx context.Context, job *api.Job) error {
	offset := int64(0)
	for range 4 {
		if err := w.report(ctx, job, &offset); err != nil {
			return err
		}
	}
	return w.timed(func() error {
		_, err := w.client.Finish(ctx, job.Lease, api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "build() failed"})
		return err
	})
}

// report is a heartbeat and five pieces of log.
func (w *loadWorker) report(ctx context.Context, job *api.Job, offset *int64) error {
	err := w.timed(func() error {
		_, err := w.client.Heartbeat(ctx, job.Lease, api.HeartbeatRequest{})
		return err
	})
	for range 5 {
		if err == nil {
			err = w.log(ctx, job, offset)
		}
	}
	return err
}

func (w *loadWorker) log(ctx context.Context, job *api.Job, offset *int64) error {
	chunk := slices.Repeat([]byte("gcc -O2 -c file.c -o file.o\n"), 20)
	return w.timed(func() (err error) {
		*offset, err = w.client.AppendLog(ctx, job.Lease, *offset, chunk)
		return err
	})
}

func (w *loadWorker) timed(call func() error) error {
	begin := time.Now()
	err := call()
	w.took = append(w.took, time.Since(begin))
	return err
}

// quantiles gives how many requests there were, and how long they took.
func (l *load) quantiles() (n int, at func(q float64) time.Duration) {
	slices.Sort(l.took)
	return len(l.took), func(q float64) time.Duration {
		return l.took[min(int(q*float64(len(l.took))), len(l.took)-1)]
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fan is a server on which everything waits for one build, which is done.
type fan struct {
	*load
	client *api.Client // of the worker that finishes
	job    *api.Job
	files  []api.File
	stop   context.CancelFunc
	ended  chan struct{}
	begun  time.Time
	got    []time.Duration // from the finish to a waiting worker's claim
	noted  []noted
	waited sync.WaitGroup
}

// noted is a request and when it began.
type noted struct {
	at   time.Time
	took time.Duration
}

const busy = crowd / 2 // workers that build while the others wait

func newFan(b *testing.B) *fan {
	b.Helper()
	s := newLoadSite(b,
		filling{"fan", buildbtw.PriorityEmergency, storetest.Fan(3000)},
		filling{"work", buildbtw.PriorityLow, storetest.Synthetic(busy, 0, 1)})
	f := &fan{load: &load{site: s, builds: map[string]string{}, transport: newTransport(b, crowd)}, ended: make(chan struct{})}
	first := f.worker(b, "first")
	f.client = first.client
	var err error
	if f.job, err = first.claim(b.Context(), 0); err != nil || f.job == nil || f.job.Pkgbase != "lib" {
		b.Fatalf("claimed %+v, error %v", f.job, err)
	}
	f.upload(b)
	return f
}

// upload makes the packages of the job and brings them to the server.
func (f *fan) upload(b *testing.B) {
	b.Helper()
	dir := b.TempDir()
	if r := (fake.Runner{}).Build(b.Context(), runners.Job{Job: *f.job, Tree: dir, Output: dir, Work: dir}, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		b.Fatalf("%+v", r)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256(text)
		_, err = f.client.UploadPackage(b.Context(), api.Upload{
			Lease: f.job.Lease, Name: e.Name(), SHA256: sum, Size: int64(len(text)),
			Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, e.Name())) },
		})
		if err != nil {
			b.Fatal(err)
		}
		f.files = append(f.files, api.File{Name: e.Name(), SHA256: hex.EncodeToString(sum[:])})
	}
}

// begin has the busy workers claim all other work and report, and the others
// wait.
func (f *fan) begin(b *testing.B) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	f.stop = stop
	group, _ := errgroup.WithContext(ctx)
	ready := make(chan struct{}, crowd)
	for i := range crowd {
		if i >= busy {
			break
		}
		w := f.worker(b, fmt.Sprintf("worker%d", i))
		job, err := w.claim(ctx, 0)
		if err != nil || job == nil {
			b.Fatalf("claim: %v, error %v", job, err)
		}
		group.Go(func() error { ready <- struct{}{}; return f.reportUntil(ctx, w, job) })
	}
	for i := range crowd - busy {
		w := f.worker(b, fmt.Sprintf("waiter%d", i))
		f.waited.Go(func() { f.waitForWork(ctx, b, w) })
	}
	for range busy {
		<-ready
	}
	wait(ctx, 3*time.Second) // until all wait and the reports are spread
	go func() {
		defer close(f.ended)
		if err := group.Wait(); err != nil {
			b.Error(err)
		}
	}()
}

// reportUntil reports once a second, each worker at its own moment.
func (f *fan) reportUntil(ctx context.Context, w *loadWorker, job *api.Job) error {
	offset := int64(0)
	wait(ctx, time.Duration(sha256.Sum256([]byte(w.name))[0])*time.Second/256)
	for n := 0; ; n++ {
		begin := time.Now()
		err := w.timed(func() (err error) {
			if n%4 == 0 {
				_, err = w.client.Heartbeat(ctx, job.Lease, api.HeartbeatRequest{})
			} else {
				offset, err = w.client.AppendLog(ctx, job.Lease, offset, []byte("gcc -O2 -c file.c -o file.o\n"))
			}
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.noted = append(f.noted, noted{begin, time.Since(begin)})
		f.mu.Unlock()
		wait(ctx, time.Second-time.Since(begin))
	}
}

func (f *fan) waitForWork(ctx context.Context, b *testing.B, w *loadWorker) {
	job, err := w.claim(ctx, api.MaxWait)
	if err != nil || job == nil {
		if ctx.Err() == nil {
			b.Errorf("%s waited for nothing: %v", w.name, err)
		}
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, time.Since(f.begun))
}

func (f *fan) finish(b *testing.B) {
	b.Helper()
	f.mu.Lock()
	f.begun = time.Now()
	f.mu.Unlock()
	answer, err := f.client.Finish(b.Context(), f.job.Lease, api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: f.files})
	if err != nil || answer.Status != buildbtw.StatusBuilt {
		b.Fatalf("%+v, error %v", answer, err)
	}
}

// end reports what the others met from the finish on, for two seconds.
func (f *fan) end(b *testing.B) {
	b.Helper()
	f.waited.Wait()
	wait(b.Context(), time.Until(f.begun.Add(2*time.Second)))
	f.stop()
	<-f.ended
	f.took = nil
	for _, n := range f.noted {
		if n.at.Add(n.took).After(f.begun) {
			f.took = append(f.took, n.took)
		}
	}
	requests, all := f.quantiles()
	b.ReportMetric(float64(requests), "others")
	b.ReportMetric(milliseconds(all(0.99)), "others-p99-ms")
	b.ReportMetric(milliseconds(slices.Max(f.got)), "last-claim-ms")
}
