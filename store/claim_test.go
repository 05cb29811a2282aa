package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestClaimsByManyWorkersNeverDouble(t *testing.T) {
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
			if err := db.SetWorkerAside(t.Context(), "alice", "w1", "bad disk"); err != nil {
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
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	c := db.Claim(t, "w1")
	db.Claim(t, "w0")
	db.Clock.Advance(10 * time.Second)
	if again := db.Claim(t, "w1"); again.Attempt.ID != c.Attempt.ID {
		t.Error("another attempt")
	}
	if err := db.SetWorkerAside(ctx, "alice", "w1", "bad disk"); err != nil {
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
	for _, err := range []error{db.SetWorkerAside(ctx, "alice", "nobody", "x"), db.ResumeWorker(ctx, "alice", "nobody")} {
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
