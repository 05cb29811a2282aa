package chaos

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store/invariants"
)

// What make soak chooses.
var (
	soakTime   = flag.Duration("soak.time", 0, "how long TestSoak goes on; without it, it is left out")
	soakReport = flag.String("soak.report", "", "directory into which TestSoak writes soak.md and pictures/soak.svg")
)

// What the soak has.
const (
	soakSources = 40
	soakSpaces  = 4
	soakReaders = 6
	leastSoak   = 30 * time.Second // shorter, no trend can be told from the beginning
)

// TestSoak has a server build, be read, pushed to, backed up, and lose workers for
// -soak.time, and fails when what it uses goes on growing after the first third, or when
// answers are slow.
func TestSoak(t *testing.T) {
	t.Parallel()
	if *soakTime == 0 {
		t.Skip("minutes of load; make soak")
	}
	if *soakTime < leastSoak {
		t.Fatalf("-soak.time is at least %s", leastSoak)
	}
	k := startSoak(t)
	ctx, cancel := context.WithTimeout(t.Context(), *soakTime)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for i := range soakReaders {
		group.Go(func() error { return k.read(ctx, rand.New(rand.NewPCG(*seed, uint64(i)))) })
	}
	group.Go(func() error { return k.follow(ctx) })
	group.Go(func() error { return k.every(ctx, 7*time.Second, k.push) })
	group.Go(func() error { return k.every(ctx, 11*time.Second, k.meddle) })
	group.Go(func() error { return k.every(ctx, 20*time.Second, k.restart) })
	group.Go(func() error { return k.every(ctx, 30*time.Second, k.backUp) })
	group.Go(func() error { return k.every(ctx, max(*soakTime/200, 500*time.Millisecond), k.sample) })
	err := group.Wait()
	for name, n := range k.did.all() {
		t.Logf("%s: %d", name, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := k.site.stop(); err != nil {
		t.Error(err)
	}
	if found := k.violations(t.Context(), k.site.database()); len(found) > 0 {
		t.Errorf("%d violations at the end: %s", len(found), strings.Join(found, "\n"))
	}
	report := k.judge()
	for _, line := range report.failures() {
		t.Error(line)
	}
	t.Log("\n" + report.markdown())
	if *soakReport != "" {
		if err := report.write(*soakReport); err != nil {
			t.Error(err)
		}
	}
}

// soak is a site under load, and what was measured of it.
type soak struct {
	site    *site
	client  *api.Client
	sources []source
	random  *rand.Rand // of the one that pushes, retries and restarts
	turn    sync.Mutex // for random
	did     counts
	begin   time.Time

	mu      sync.Mutex
	answers map[string][]time.Duration
	samples []sample
	load    []float64
}

// counts are things that happened, by name.
type counts struct{ m sync.Map }

func (c *counts) add(name string, n int64) {
	v, _ := c.m.LoadOrStore(name, new(atomic.Int64))
	v.(*atomic.Int64).Add(n)
}

func (c *counts) all() map[string]int64 {
	all := map[string]int64{}
	c.m.Range(func(k, v any) bool {
		all[k.(string)] = v.(*atomic.Int64).Load()
		return true
	})
	return all
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 1))
	k := &soak{sources: drawSources(random, soakSources), random: random, answers: map[string][]time.Duration{}, begin: time.Now()}
	dir := t.TempDir()
	s := &site{dir: dir}
	for i := range k.sources {
		k.sources[i].sleep /= 10 // much happens, little is computed
		k.sources[i].size = min(k.sources[i].size, 1<<14)
	}
	if err := writeSources(s.sources(), k.sources); err != nil {
		t.Fatal(err)
	}
	k.site = startSite(t, dir)
	var err error
	if k.client, err = k.site.server.Client(api.Options{Backoff: api.Backoff{Patience: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	scope := buildbtw.ScopeAll
	for i := range soakSpaces {
		_, err := k.client.CreateBuildspace(t.Context(), api.NewBuildspace{
			Name: spaceName(i), Changesets: []string{k.sources[i].slug}, Confirm: true, Settings: api.Settings{Scope: &scope},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func spaceName(i int) string { return fmt.Sprintf("soak%d", i+1) }

// every calls do at this pace until ctx ends; what ctx cuts off is no error.
func (k *soak) every(ctx context.Context, pause time.Duration, do func(context.Context) error) error {
	for {
		wait(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// draw returns a number below n, for those who share the random numbers.
func (k *soak) draw(n int) int {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.random.IntN(n)
}

// push commits to a source: mostly to one that is a changeset, which makes a new
// iteration. One push in four makes its build fail until the next.
func (k *soak) push(context.Context) error {
	s := k.sources[k.draw(soakSpaces+2)]
	outcome := "built"
	if k.draw(4) == 0 {
		outcome = "failed"
	}
	_, err := writeRepository(filepath.Join(k.site.sources(), s.slug+".git"), []gitFile{
		{".SRCINFO", s.srcinfo()},
		{".fake", fmt.Sprintf("sleep=%dms\nsize=%d\nlog-lines=%d\noutcome=%s\n", s.sleep, s.size, s.sleep, outcome)},
		{"PKGBUILD", fmt.Sprintf("pkgname=%s\n# push at %s\n", s.slug, time.Since(k.begin))},
	})
	k.did.add("pushes", 1)
	return err
}

// meddle does what people do: retry, cancel, stop a buildspace and start it again. That
// something cannot be done at the moment is no error.
func (k *soak) meddle(ctx context.Context) error {
	name := spaceName(k.draw(soakSpaces))
	var err error
	switch k.draw(3) {
	case 0:
		_, err = k.client.RetryFailed(ctx, name)
	case 1:
		_, err = k.client.NewIteration(ctx, name, "")
	case 2:
		var builds []api.Build
		if builds, err = k.client.Builds(ctx, api.BuildFilter{Buildspace: name}); err == nil && len(builds) > 0 {
			_, err = k.client.CancelBuild(ctx, builds[k.draw(len(builds))].ID)
		}
	}
	k.did.add("requests of people", 1)
	switch buildbtw.KindOf(err) {
	case buildbtw.KindConflict, buildbtw.KindInvalid, buildbtw.KindNotFound:
		return nil
	}
	workers, err := k.client.Workers(ctx)
	if err != nil {
		return err
	}
	for _, w := range workers { // restarts count against a machine: a person trusts it again
		if _, err := k.client.ResumeWorker(ctx, w.Name); err != nil && buildbtw.KindOf(err) != buildbtw.KindConflict {
			return err
		}
	}
	return nil
}

// restart ends a worker, one time in two by kill -9, and starts it again.
func (k *soak) restart(context.Context) error {
	m := k.site.machines[k.draw(len(k.site.machines))]
	if k.draw(2) == 0 {
		m.Kill()
		k.did.add("workers killed", 1)
	} else {
		m.awaitReady()
		if code, err := m.Stop(time.Minute); err != nil || code != 0 {
			return fmt.Errorf("worker %s ended with exit code %d: %w", m.name, code, err)
		}
		k.did.add("workers restarted", 1)
	}
	return k.site.startWorker(m)
}

// backUp backs the data directory up as an administrator does, reads the backup again, and
// wants every invariant to hold in what is restored from it.
func (k *soak) backUp(ctx context.Context) error {
	backups, restored := filepath.Join(k.site.dir, "backups"), filepath.Join(k.site.dir, "restored")
	for _, args := range [][]string{
		{"backup", "--data-dir", k.site.data(), "--keep", "2", backups},
		{"backup", "--verify", backups},
		{"restore", "--data-dir", restored, backups},
	} {
		if out, err := exec.CommandContext(ctx, "buildbtw", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("buildbtw %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	k.did.add("backups", 1)
	if found := k.violations(ctx, filepath.Join(restored, "buildbtw.sqlite")); len(found) > 0 && ctx.Err() == nil {
		return fmt.Errorf("%d violations in a backup: %s", len(found), strings.Join(found, "\n"))
	}
	return os.RemoveAll(restored)
}

func (k *soak) violations(ctx context.Context, database string) []string {
	checker, err := invariants.New(ctx, database)
	if err != nil {
		return []string{err.Error()}
	}
	defer checker.Close()
	found, err := checker.Violations(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	return found
}

// soakRoutes are the pages and routes of the API that readers ask for; %s is a buildspace, %d
// the number of a build.
func soakRoutes() []string {
	return []string{
		"/", "/activity", "/buildspaces", "/buildspaces/%s", "/buildspaces/%s/1", "/buildspaces/%s/1/x86_64/graph", "/builds/%d", "/builds/%d/log",
		"/sources", "/search?q=p0", "/workers", "/workers/time", "/packages/p000", "/feed.atom",
		"/api/v1/ready", "/api/v1/buildspaces", "/api/v1/builds?buildspace=%s", "/api/v1/builds/%d", "/api/v1/builds/%d/log", "/api/v1/workers", "/api/v1/sources",
		"/repo/latest/%s/os/x86_64/%s.db",
	}
}

// read asks for one route after the other, as a browser does.
func (k *soak) read(ctx context.Context, random *rand.Rand) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	routes := soakRoutes()
	for ctx.Err() == nil {
		route := routes[random.IntN(len(routes))]
		name := spaceName(random.IntN(soakSpaces))
		path := strings.ReplaceAll(strings.ReplaceAll(route, "%s", name), "%d", fmt.Sprint(1+random.IntN(soakSources)))
		begin := time.Now()
		status, err := get(ctx, client, k.site.server.URL+path)
		took := time.Since(begin)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		// A build may have no log yet, and a buildspace no complete iteration.
		if status >= 500 || status >= 400 && status != http.StatusNotFound && status != http.StatusConflict {
			return fmt.Errorf("%s answered %d", path, status)
		}
		k.mu.Lock()
		k.answers[route] = append(k.answers[route], took)
		k.mu.Unlock()
		wait(ctx, time.Duration(100+random.IntN(200))*time.Millisecond)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// follow has a stream of events open for half a minute at a time, and counts what comes.
func (k *soak) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := k.followOnce(ctx, 30*time.Second); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (k *soak) followOnce(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.site.server.URL+api.Prefix+"/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	begin := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream of events answered %d", answer.StatusCode)
	}
	k.mu.Lock()
	k.answers["/api/v1/events, until the stream begins"] = append(k.answers["/api/v1/events, until the stream begins"], time.Since(begin))
	k.mu.Unlock()
	k.did.add("streams followed", 1)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data:") {
			k.did.add("events from streams", 1)
		}
	}
	return nil
}

// sample is what the server uses at a moment.
type sample struct {
	at     time.Duration
	values [len(series)]float64
}

// sample measures.
func (k *soak) sample(ctx context.Context) error {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.site.server.URL+"/metrics", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	s := sample{at: time.Since(k.begin)}
	for i, one := range series {
		switch {
		case one.metric != "":
			if s.values[i], err = metric(string(text), one.metric); err != nil {
				return err
			}
		default:
			info, err := os.Stat(k.site.database() + one.file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if err == nil {
				s.values[i] = float64(info.Size())
			}
		}
		s.values[i] /= one.unit
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	var now float64
	if _, err := fmt.Sscan(string(load), &now); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.samples, k.load = append(k.samples, s), append(k.load, now)
	return nil
}

// metric reads a value of Prometheus' text format.
func metric(text, name string) (v float64, err error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			_, err := fmt.Sscan(value, &v)
			return v, err
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

// quantile returns how long a share of the answers took at most. It sorts them.
func quantile(took []time.Duration, share float64) time.Duration {
	slices.Sort(took)
	return took[min(int(share*float64(len(took))), len(took)-1)]
}
