package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store/invariants"
)

// space is the buildspace of the run.
const space = "chaos"

// patience bounds the time without progress. A build that machines have lost
// four times waits 270 s before it is tried again.
const patience = 6 * time.Minute

// TestChaosLosesNothing has everything built while a schedule disturbs, and
// checks what is left on the disk.
func TestChaosLosesNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real processes for half a minute; not with -short")
	}
	r := startRun(t)
	begin := time.Now()
	if err := r.disturb(t.Context()); err != nil {
		r.explain(t)
		t.Fatalf("seed %d: %v", *seed, err)
	}
	took := time.Since(begin)
	if err := r.site.stop(); err != nil {
		t.Error(err)
	}
	r.report(t, took)
	checkAll(t, r)
}

// run is one run of chaos.
type run struct {
	site     *site
	sources  []source
	schedule []strike
	client   *api.Client // past the proxy
	look     observer
	checker  *invariants.Checker
	noDisk   error // why the disk is never full

	done    map[kind]int
	late    int // strikes that came when all was built
	resumed int // workers that were set aside and trusted again
	checks  int // of the invariants while it went on
}

func startRun(t *testing.T) *run {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 0))
	r := &run{sources: drawSources(random, *builds), schedule: drawSchedule(random, *builds, *kills), done: map[kind]int{}}
	t.Logf("seed %d: %d builds, %d workers with %d slots, %d strikes", *seed, *builds, workers, slots, len(r.schedule))
	dir := t.TempDir()
	s := &site{dir: dir}
	if err := writeSources(s.sources(), r.sources); err != nil {
		t.Fatal(err)
	}
	if r.noDisk = mountSmall(t, s.data(), "768m"); r.noDisk != nil {
		t.Logf("the disk is never full: %v", r.noDisk)
	}
	r.site = startSite(t, dir)
	r.look = newObserver(t, r.site.database())
	var err error
	if r.checker, err = invariants.New(t.Context(), r.site.database()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.checker.Close() }) // it only read
	r.createBuildspace(t)
	return r
}

func (r *run) createBuildspace(t *testing.T) {
	t.Helper()
	var err error
	r.client, err = r.site.server.Client(api.Options{Backoff: api.Backoff{Patience: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	scope, yes := buildbtw.ScopeAll, true
	_, err = r.client.CreateBuildspace(t.Context(), api.NewBuildspace{
		Name: space, Changesets: []string{root}, Confirm: true, Settings: api.Settings{Scope: &scope, Makedepends: &yes},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// disturb strikes by the schedule until all is built.
func (r *run) disturb(ctx context.Context) error {
	for i, k := range r.schedule {
		if err := r.waitFor(ctx, k.due); err != nil {
			return err
		}
		wait(ctx, k.delay)
		if n, err := r.look.built(ctx); err == nil && n == len(r.sources) {
			r.late++
		}
		if err := r.strike(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.kind, err)
		}
		if i%20 == 0 {
			if err := r.check(ctx); err != nil {
				return err
			}
		}
	}
	return r.waitFor(ctx, len(r.sources))
}

func (r *run) strike(ctx context.Context, k strike) error {
	if k.kind == fillDisk && r.noDisk != nil {
		return nil
	}
	r.done[k.kind]++
	switch k.kind {
	case killWorker:
		return r.site.restartWorker(ctx, k)
	case killServer:
		return r.site.restartServer(ctx, k.down)
	case tearAndKill:
		return r.site.killInUpload(ctx, k)
	case pauseWorker:
		return r.site.pauseWorker(ctx, k)
	case pauseServer:
		return r.site.pauseServer(ctx, k.down)
	case fillDisk:
		return r.site.fillDisk(ctx)
	case tear:
		r.site.proxy.arm(k.bytes)
	}
	return nil
}

// waitFor waits until so many builds are built.
func (r *run) waitFor(ctx context.Context, n int) error {
	most, at := -1, time.Now()
	for looks := 0; ; looks++ {
		built, err := r.look.built(ctx)
		switch {
		case err == nil && built >= n:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case built > most:
			most, at = built, time.Now()
		case time.Since(at) > patience:
			return fmt.Errorf("%d of %d builds are built, and no other for %s: %w", built, len(r.sources), patience, err)
		}
		if looks%50 == 49 {
			if err := r.care(ctx); err != nil {
				return err
			}
		}
		wait(ctx, 20*time.Millisecond)
	}
}

// care does what a person does who looks at the pages now and then: trust
// machines again that the server has set aside. The error says that a build has
// failed, which nothing here is a reason for.
func (r *run) care(ctx context.Context) error {
	names, err := r.look.aside(ctx)
	if err != nil {
		return nil // the disk may be full; the next look tells
	}
	for _, name := range names {
		if _, err := r.client.ResumeWorker(ctx, name); err == nil {
			r.resumed++
		}
	}
	lost, err := r.look.lost(ctx)
	if err == nil && len(lost) > 0 {
		return fmt.Errorf("%d builds will never be built: %s", len(lost), strings.Join(lost, "\n"))
	}
	return nil
}

// check looks at the invariants while everything goes on.
func (r *run) check(ctx context.Context) error {
	found, err := r.checker.Violations(ctx)
	if err != nil {
		return err
	}
	r.checks++
	if len(found) > 0 {
		return fmt.Errorf("%d violations: %s", len(found), strings.Join(found, "\n"))
	}
	return nil
}

// report says what happened.
func (r *run) report(t *testing.T, took time.Duration) {
	t.Helper()
	n, err := r.site.executed()
	if err != nil {
		t.Error(err)
	}
	var struck []string
	for _, k := range slices.Sorted(maps.Keys(r.done)) {
		struck = append(struck, fmt.Sprintf("%s %d", k, r.done[k]))
	}
	t.Logf("seed %d: %d builds in %.1f s; %s; %d uploads really torn; %d workers trusted again; %d checks meanwhile; %d strikes came too late",
		*seed, len(r.sources), took.Seconds(), strings.Join(struck, ", "), r.site.proxy.torn.Load(), r.resumed, r.checks, r.late)
	t.Logf("seed %d: %d builds were needed, workers began %d", *seed, len(r.sources), n)
}

// explain shows what is left when it went wrong.
func (r *run) explain(t *testing.T) {
	t.Helper()
	left, err := r.look.unfinished(t.Context())
	t.Logf("unfinished: %s (%v)", strings.Join(left, "\n"), err)
	for _, name := range []string{"server", "w1"} {
		text, err := os.ReadFile(r.site.dir + "/" + name + ".log")
		t.Logf("%s said at the end (%v):\n%s", name, err, text[max(0, len(text)-6000):])
	}
}
