package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestClaimsByManyWorkersNeverDouble(t *testing.T) {
	t.Parallel()
	const builds, workers = 200, 16
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "rush"), storetest.Synthetic(builds, 0, 1))
	var mu sync.Mutex
	owner := map[int64]string{}
	leases := map[string]bool{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for slot := 0; ; slot++ {
				ask := storetest.Ask(fmt.Sprintf("w%d", w))
				ask.Slot = slot
				c, err := db.ClaimBuild(t.Context(), ask)
				if err != nil || c == nil {
					if err != nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if other, taken := owner[c.Build.ID]; taken || leases[c.Attempt.Lease] {
					t.Errorf("build %d went to %s and to %s", c.Build.ID, other, ask.Worker.Name)
				}
				owner[c.Build.ID], leases[c.Attempt.Lease] = ask.Worker.Name, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(owner) != builds {
		t.Errorf("%d builds were handed out, want %d", len(owner), builds)
	}
	db.Check(t)
}

func TestSameSlotGetsItsBuildAgain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "again"), storetest.Plan("a", "b"))
	first := db.Claim(t, "w1")
	db.Clock.Advance(30 * time.Second)
	db.Reopen(t) // the answer was lost because the server died
	again := db.Claim(t, "w1")
	if again.Attempt.ID != first.Attempt.ID || again.Attempt.Lease != first.Attempt.Lease {
		t.Errorf("got attempt %d, want %d again", again.Attempt.ID, first.Attempt.ID)
	}
	if want := db.Clock.Now().Add(storetest.Lease); !again.Attempt.Deadline.Equal(want) {
		t.Errorf("deadline %v, want %v", again.Attempt.Deadline, want)
	}
	other := storetest.Ask("w1")
	other.Slot = 1
	c, err := db.ClaimBuild(t.Context(), other)
	if err != nil || c == nil || c.Build.ID == first.Build.ID {
		t.Errorf("the second slot got %+v, %v; want the other build", c, err)
	}
	db.Check(t)
}

func TestSlotWhoseBuildWasCancelledGetsAnother(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "next"), storetest.Plan("a", "b"))
	first := db.Claim(t, "w1")
	if _, err := db.CancelBuild(t.Context(), "alice", first.Build.ID); err != nil {
		t.Fatal(err)
	}
	db.Check(t)
	second := db.Claim(t, "w1")
	if second == nil || second.Build.Pkgbase != "b" {
		t.Fatalf("got %+v, want b", second)
	}
	attempts, err := db.Attempts(t.Context(), first.Build.ID)
	if err != nil || len(attempts) != 1 || attempts[0].Outcome != buildbtw.OutcomeCancelled {
		t.Errorf("attempts of the cancelled build: %+v, %v", attempts, err)
	}
	db.Check(t)
}

func TestOrderOfClaims(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	for _, p := range []buildbtw.Priority{buildbtw.PriorityNormal, buildbtw.PriorityEmergency, buildbtw.PriorityLow, buildbtw.PriorityHigh} {
		b := buildbtw.Buildspace{Name: string(p), Settings: buildbtw.DefaultSettings()}
		b.Priority, b.Reuse = p, false
		row, err := db.CreateBuildspace(t.Context(), "alice", b, []buildbtw.Changeset{{Source: "lib"}})
		if err != nil {
			t.Fatal(err)
		}
		plan := storetest.Plan("short", "long", "same")
		for i, priority := range []float64{1, 5, 1} {
			plan.Architectures["x86_64"].Builds[i].Priority = priority
		}
		db.Iterate(t, row, plan)
	}
	var got []string
	for i := range 12 {
		c := db.Claim(t, fmt.Sprintf("w%d", i))
		got = append(got, c.Build.Buildspace+" "+c.Build.Pkgbase)
	}
	want := []string{
		"emergency long", "emergency short", "emergency same", "high long", "high short", "high same",
		"normal long", "normal short", "normal same", "low long", "low short", "low same",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsNotHandedOut(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, db *storetest.DB, b store.BuildspaceRow){
		"another architecture": func(t *testing.T, db *storetest.DB, b store.BuildspaceRow) {
			db.Iterate(t, b, storetest.PlanFor([]string{"aarch64"}, "lib"))
		},
		"a stopped buildspace": func(t *testing.T, db *storetest.DB, b store.BuildspaceRow) {
			db.Iterate(t, b, storetest.Plan("lib"))
			if _, err := db.StopBuildspace(t.Context(), "alice", b.Name); err != nil {
				t.Fatal(err)
			}
		},
		"a pause": func(t *testing.T, db *storetest.DB, b store.BuildspaceRow) {
			db.Iterate(t, b, storetest.Plan("lib"))
			db.End(t, db.Claim(t, "w2"), buildbtw.OutcomeInfrastructure)
		},
		"a worker set aside": func(t *testing.T, db *storetest.DB, b store.BuildspaceRow) {
			db.Claim(t, "w1")
			if err := db.QuarantineWorker(t.Context(), "alice", "w1", "bad disk"); err != nil {
				t.Fatal(err)
			}
			db.Iterate(t, b, storetest.Plan("lib"))
		},
		"a draining worker": func(t *testing.T, db *storetest.DB, b store.BuildspaceRow) {
			db.Claim(t, "w1")
			if err := db.DrainWorker(t.Context(), "alice", "w1"); err != nil {
				t.Fatal(err)
			}
			db.Iterate(t, b, storetest.Plan("lib"))
		},
		"no builds": func(*testing.T, *storetest.DB, store.BuildspaceRow) {},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			db := storetest.New(t)
			prepare(t, db, db.NewBuildspace(t, "space"))
			if c := db.Claim(t, "w1"); c != nil {
				t.Errorf("handed out %+v", c)
			}
			db.Check(t)
		})
	}
}

func TestInvalidIterationDoesNotStopTheOneBefore(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Plan("a", "b"))
	running := db.Claim(t, "w1")
	bad, err := db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: b.ID, Reason: buildbtw.IterationPushed, Err: buildbtw.Invalid("curl: .SRCINFO line 3: no pkgver"),
	})
	if err != nil || bad.Status() != buildbtw.IterationStatusInvalid || bad.Error != "curl: .SRCINFO line 3: no pkgver" {
		t.Fatalf("got %+v, %v", bad, err)
	}
	db.Finish(t, running)
	if c := db.Claim(t, "w1"); c == nil || c.Build.Iteration != 1 {
		t.Errorf("got %+v, want the other build of iteration 1", c)
	}
	db.Check(t)
}

func TestWorkersAreKnownAndCanBeSetAside(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	c := db.Claim(t, "w1")
	db.Claim(t, "w0")
	db.Clock.Advance(10 * time.Second)
	if again := db.Claim(t, "w1"); again.Attempt.ID != c.Attempt.ID {
		t.Error("another attempt")
	}
	if err := db.QuarantineWorker(ctx, "alice", "w1", "bad disk"); err != nil {
		t.Fatal(err)
	}
	workers, err := db.Workers(ctx)
	if err != nil || len(workers) != 2 {
		t.Fatalf("%d workers, %v", len(workers), err)
	}
	w := workers[1]
	if w.Name != "w1" || w.SetAside != "bad disk" || len(w.Running) != 1 || w.Running[0].Pkgbase != "lib" ||
		!w.LastSeen.Equal(storetest.Start().Add(10*time.Second)) || !w.FirstSeen.Equal(storetest.Start()) {
		t.Errorf("got %+v", w)
	}
	if c := db.Claim(t, "w1"); c == nil {
		t.Error("a worker set aside lost the build that it has")
	}
	if err := db.ResumeWorker(ctx, "alice", "w1"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{db.QuarantineWorker(ctx, "alice", "nobody", "x"), db.ResumeWorker(ctx, "alice", "nobody")} {
		if buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("an unknown worker: %v", err)
		}
	}
	events, err := db.Events(ctx, store.EventFilter{Newest: true, Limit: 2})
	if err != nil || len(events) != 2 || events[0].Message != "w1: Resumed." || events[1].Message != "w1: Set aside: bad disk" {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestBadClaimsAreRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	for name, spoil := range map[string]func(*store.Claim){
		"no name":      func(c *store.Claim) { c.Worker.Name = "" },
		"bad name":     func(c *store.Claim) { c.Worker.Name = "../w" },
		"no arch":      func(c *store.Claim) { c.Worker.Architectures = nil },
		"any":          func(c *store.Claim) { c.Worker.Architectures = buildbtw.Names{"any"} },
		"no runner":    func(c *store.Claim) { c.Worker.Runners = nil },
		"minus 1 slot": func(c *store.Claim) { c.Slot = -1 },
	} {
		ask := storetest.Ask("w1")
		spoil(&ask)
		if _, err := db.ClaimBuild(t.Context(), ask); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	ask := storetest.Ask("w1")
	ask.Lease = 0
	if _, err := db.ClaimBuild(t.Context(), ask); err == nil {
		t.Error("a lease of no time was given")
	}
}

// spaceWith makes a buildspace of a priority with so many builds to hand out.
func spaceWith(t testing.TB, db *storetest.DB, name string, p buildbtw.Priority, builds int) {
	t.Helper()
	b := buildbtw.Buildspace{Name: name, Settings: buildbtw.DefaultSettings()}
	b.Priority, b.Reuse = p, false // all have the same builds
	row, err := db.CreateBuildspace(context.Background(), "alice", b, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, builds)
	for i := range lines {
		lines[i] = fmt.Sprintf("p%d", i)
	}
	db.Iterate(t, row, storetest.Plan(lines...))
}

func TestBuildspacesOfOnePriorityShareTheWorkers(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	spaceWith(t, db, "large", buildbtw.PriorityNormal, 20)
	for w := range 4 {
		db.Claim(t, fmt.Sprintf("w%d", w))
	}
	spaceWith(t, db, "small", buildbtw.PriorityNormal, 20)
	var got []string
	for w := 4; w < 10; w++ {
		db.Clock.Advance(time.Second)
		got = append(got, db.Claim(t, fmt.Sprintf("w%d", w)).Build.Buildspace)
	}
	want := []string{"small", "small", "small", "small", "large", "small"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWaitingRaisesThePriority(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	spaceWith(t, db, "low", buildbtw.PriorityLow, 2)
	spaceWith(t, db, "emergency", buildbtw.PriorityEmergency, 40)
	var served []time.Duration
	for w := range 30 {
		db.Clock.Advance(10 * time.Minute)
		if c := db.Claim(t, fmt.Sprintf("w%d", w)); c.Build.Buildspace == "low" {
			served = append(served, db.Clock.Now().Sub(storetest.Start()))
		}
	}
	if d := cmp.Diff([]time.Duration{90 * time.Minute, 180 * time.Minute}, served); d != "" {
		t.Error(d)
	}
}

// TestNobodyStarves keeps workers busy with a stream of urgent work that never
// ends: old buildspaces always have more builds, and new ones come. A low one
// gets a worker within four aging steps and one claim for each other one there
// was by then.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		db := storetest.New(t)
		defer db.Close() // storetest closes it again and tells of errors
		spaceWith(t, db, "low", buildbtw.PriorityLow, 1)
		others := rapid.IntRange(1, 4).Draw(r, "others")
		for i := range others {
			spaceWith(t, db, fmt.Sprintf("other%d", i), rapid.SampledFrom(buildbtw.Priorities()[1:]).Draw(r, "priority"), 60)
		}
		longest := rapid.IntRange(5, 30).Draw(r, "minutes between claims")
		limit := 2*time.Hour + time.Duration((others+4)*longest)*time.Minute
		for n := 0; ; n++ {
			c := db.Claim(t, fmt.Sprintf("w%d", n%3))
			waited := db.Clock.Now().Sub(storetest.Start())
			if c.Build.Buildspace == "low" {
				return
			}
			if waited > limit {
				r.Fatalf("the low buildspace has waited for %v; at most %v among %d others", waited, limit, others)
			}
			db.Finish(t, c)
			if n%40 == 20 && n < 140 { // they come before four steps are over
				spaceWith(t, db, fmt.Sprintf("new%d", n), buildbtw.PriorityEmergency, 60)
			}
			db.Clock.Advance(time.Duration(longest) * time.Minute)
		}
	})
}

func TestCapsBoundWhatRuns(t *testing.T) {
	t.Parallel()
	db := storetest.NewWith(t, func(o *store.Options) { o.MaxRunning, o.LabelCaps = 3, map[string]int{"big": 1} })
	spaceWith(t, db, "first", buildbtw.PriorityHigh, 9)
	spaceWith(t, db, "second", buildbtw.PriorityNormal, 9)
	claim := func(worker string, labels ...string) string {
		t.Helper()
		ask := storetest.Ask(worker)
		ask.Worker.Labels = labels
		c, err := db.ClaimBuild(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return ""
		}
		return c.Build.Buildspace
	}
	got := []string{
		claim("w0", "big"), claim("w1", "big"), claim("w2"), claim("w3", "small"),
		claim("w4"), claim("w5"), claim("w6"), claim("w7"),
	}
	if d := cmp.Diff([]string{"first", "", "first", "first", "second", "second", "second", ""}, got); d != "" {
		t.Error(d)
	}
}

// told says whether there is a token, and takes it.
func told(changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	default:
		return false
	}
}

func TestWaitingClaimsAreToldOfWorkOnly(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	changed, cancel := db.SubscribeWork()
	defer cancel()
	db.Iterate(t, db.NewBuildspace(t, "tell"), storetest.Plan("lib", "app: lib", "other"))
	if !told(changed) {
		t.Error("nobody was told of a new iteration")
	}
	lib := db.Claim(t, "w1")
	if told(changed) {
		t.Error("a build that was handed out woke who waits for one")
	}
	db.Finish(t, lib)
	if !told(changed) {
		t.Error("nobody was told of the build that became pending")
	}
	other := db.Claim(t, "w1")
	db.End(t, other, buildbtw.OutcomeReleased)
	if !told(changed) {
		t.Error("nobody was told of the build that was handed back")
	}
	if _, err := db.CancelBuild(t.Context(), "alice", db.Claim(t, "w1").Build.ID); err != nil {
		t.Fatal(err)
	}
	if !told(changed) {
		t.Error("nobody was told that fewer builds run")
	}
}

// again is a claim that has waited and was woken.
func again(t *testing.T, db *storetest.DB, worker string, archs ...string) *store.Claimed {
	t.Helper()
	ask := storetest.Ask(worker, archs...)
	ask.Again = true
	c, err := db.ClaimBuild(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// looked says whether a claim of the worker has come as far as the database.
func looked(t *testing.T, db *storetest.DB, worker string) bool {
	t.Helper()
	workers, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		if w.Name == worker {
			return true
		}
	}
	return false
}

func TestOneClaimOfAKindLooksInVain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "vain"), storetest.Plan("lib", "app: lib"))
	lib := db.Claim(t, "w1")
	if c := again(t, db, "w2"); c != nil || !looked(t, db, "w2") {
		t.Fatalf("the first of a kind got %v without looking, or at all", c)
	}
	if c := again(t, db, "w3"); c != nil || looked(t, db, "w3") {
		t.Errorf("the second of a kind got %v, or looked", c)
	}
	if again(t, db, "arm", "aarch64"); !looked(t, db, "arm") {
		t.Error("one of another kind did not look")
	}
	if db.Claim(t, "w4"); !looked(t, db, "w4") {
		t.Error("a new claim did not look")
	}
	db.Finish(t, lib)
	if c := again(t, db, "w3"); c == nil || c.Build.Pkgbase != "app" {
		t.Errorf("after a change it got %v", c)
	}
}

func TestNextDueIsTheNextPostponedBuild(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	due := func() (time.Time, bool) {
		at, ok, err := db.NextDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at, ok
	}
	db.Iterate(t, db.NewBuildspace(t, "due"), storetest.Plan("lib", "app"))
	first := db.Claim(t, "w1")
	if at, ok := due(); ok {
		t.Errorf("due at %v with nothing postponed; a deadline is no reason to claim", at)
	}
	db.End(t, first, buildbtw.OutcomeInfrastructure)
	want := db.Clock.Now().Add(10 * time.Second)
	for range 2 {
		if at, ok := due(); !ok || !at.Equal(want) {
			t.Errorf("due at %v (%v), want %v", at, ok, want)
		}
	}
	db.Clock.Advance(10 * time.Second)
	if at, ok := due(); ok {
		t.Errorf("due at %v, which is now or was before", at)
	}
}
