package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestTheHistoryOfWorkersHasTheNewestAttemptsOfEach(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c", "d", "e", "f"))
	for _, worker := range []string{"w1", "w1", "w2", "w1"} {
		c := db.Claim(t, worker)
		db.Clock.Advance(time.Minute / 2)
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	running := db.Claim(t, "w2")
	h, err := db.WorkerHistory(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range h.Recent {
		names = append(names, a.Worker+" "+a.Pkgbase)
	}
	if len(names) != 3 || names[0] != "w1 d" || names[1] != "w1 b" || names[2] != "w2 c" {
		t.Errorf("recent: %q", names)
	}
	if a := h.Recent[0]; a.Outcome != buildbtw.OutcomeFailed || a.FinishedAt == nil || a.Buildspace != "lib" || a.Iteration != 1 {
		t.Errorf("the newest: %+v", a)
	}
	if len(h.Leases) != 1 || h.Leases[0].BuildID != running.Build.ID || !h.Leases[0].Deadline.Equal(db.Clock.Now().Add(storetest.Lease)) {
		t.Errorf("leases: %+v", h.Leases)
	}
}

// fleet is a store with many builds and workers that take them one after the
// other.
type fleet struct {
	*storetest.DB
	t *testing.T
}

func newFleet(t *testing.T) *fleet {
	db := storetest.New(t)
	lines := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(lines...))
	return &fleet{db, t}
}

// does lets a worker take a build and end it; true when it was given one.
func (f *fleet) does(worker string, o buildbtw.Outcome) bool {
	f.t.Helper()
	f.Clock.Advance(time.Second)
	c := f.Claim(f.t, worker)
	if c == nil {
		return false
	}
	f.Clock.Advance(time.Second)
	switch o {
	case buildbtw.OutcomeBuilt:
		f.Finish(f.t, c)
	case buildbtw.OutcomeLost:
		if _, err := f.Heartbeat(f.t.Context(), c.Attempt.Lease, storetest.Lease); err != nil {
			f.t.Fatal(err)
		}
		f.Clock.Advance(storetest.Lease)
		if _, err := f.ExpireLeases(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	default:
		f.End(f.t, c, o)
	}
	return true
}

// doubts has a worker end a build that blames the machine by its own words.
func (f *fleet) doubts(worker string) {
	f.t.Helper()
	c := f.Claim(f.t, worker)
	if c == nil {
		f.t.Fatalf("%s gets no build", worker)
	}
	f.Clock.Advance(time.Second)
	if _, err := f.EndDoubtfully(f.t.Context(), c.Attempt.Lease, "the disk is full"); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) aside(worker string) string {
	f.t.Helper()
	rows, err := f.Workers(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, w := range rows {
		if w.Name == worker {
			return w.SetAside
		}
	}
	return ""
}

func TestMachineThatLosesBuildsInARowIsSetAside(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.does("bad", buildbtw.OutcomeLost)
	f.does("good", buildbtw.OutcomeBuilt)
	f.does("bad", buildbtw.OutcomeReleased) // says nothing
	f.does("bad", buildbtw.OutcomeInfrastructure)
	if f.aside("bad") != "" {
		t.Fatal("set aside after two builds")
	}
	f.does("bad", buildbtw.OutcomeLost)
	if why := f.aside("bad"); !strings.Contains(why, "3 builds in a row") || !strings.Contains(why, "good finished") {
		t.Errorf("set aside: %q", why)
	}
	if f.does("bad", buildbtw.OutcomeBuilt) {
		t.Error("it was given another build")
	}
	events, err := f.Events(t.Context(), store.EventFilter{Newest: true, Limit: 1})
	if err != nil || events[0].Kind != buildbtw.EventWorker || !strings.Contains(events[0].Message, "bad: Set aside") {
		t.Errorf("event %+v, %v", events, err)
	}
	if err := f.ResumeWorker(t.Context(), "alice", "bad"); err != nil {
		t.Fatal(err)
	}
	f.does("bad", buildbtw.OutcomeLost)
	if why := f.aside("bad"); why != "" {
		t.Errorf("what it lost before it was resumed counts: %q", why)
	}
	f.Check(t)
}

func TestWhoIsNotSetAside(t *testing.T) {
	t.Parallel()
	const lost, built, failed, infrastructure = buildbtw.OutcomeLost, buildbtw.OutcomeBuilt, buildbtw.OutcomeFailed, buildbtw.OutcomeInfrastructure
	for name, story := range map[string]func(f *fleet){
		"the only machine": func(f *fleet) {
			for range 4 {
				f.does("bad", infrastructure)
			}
		},
		"when all have trouble": func(f *fleet) {
			f.does("good", built) // before it began
			for range 4 {
				f.does("bad", infrastructure)
				f.does("good", infrastructure)
			}
		},
		"who succeeds in between": func(f *fleet) {
			for range 3 {
				f.does("good", built)
				f.does("bad", lost)
				f.does("bad", failed)
			}
		},
		"who fails one build again and again": func(f *fleet) {
			for range 4 {
				f.does("bad", lost)
				f.does("good", built)
				f.Clock.Advance(10 * time.Minute) // the pause of the first build is over
			}
		},
		"for mirrors that do not answer": func(f *fleet) {
			for range 6 {
				c := f.Claim(f.t, "bad")
				if _, err := f.EndBlameless(f.t.Context(), c.Attempt.Lease, "the server answered 503"); err != nil {
					f.t.Fatal(err)
				}
				f.does("good", built)
			}
		},
		"for what builds print": func(f *fleet) {
			for range 6 {
				f.doubts("bad")
				f.does("good", built)
			}
		},
		"when the other one is gone": func(f *fleet) {
			f.does("bad", infrastructure)
			f.does("good", built)
			f.Clock.Advance(time.Hour)
			f.does("bad", infrastructure)
			f.does("bad", infrastructure)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			story(f)
			if why := f.aside("bad"); why != "" {
				t.Errorf("set aside: %s", why)
			}
			f.Check(t)
		})
	}
}

// What a machine reports is written at most every five seconds, for the worker that is named
// or has the lease, and for no other.
func TestMachinesAreNotedNowAndThen(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b"))
	lease := db.Claim(t, "w1").Attempt.Lease
	db.Claim(t, "w2")
	load := func() string {
		t.Helper()
		workers, err := db.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, w := range workers {
			words = append(words, fmt.Sprint(w.Name, " ", w.Load, " ", w.MeasuredAt != nil))
		}
		return strings.Join(words, ", ")
	}
	note := func(worker, lease string, load float64) {
		t.Helper()
		if err := db.NoteMachine(t.Context(), worker, lease, &buildbtw.MachineState{Load: load, Cores: 4}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		note func()
		want string
	}{
		{func() {}, "w1 0 false, w2 0 false"},
		{func() { note("w1", "", 1) }, "w1 1 true, w2 0 false"},
		{func() { note("", lease, 2) }, "w1 1 true, w2 0 false"},
		{func() { db.Clock.Advance(6 * time.Second); note("", lease, 3) }, "w1 3 true, w2 0 false"},
		{func() { note("w2", "no lease", 4) }, "w1 3 true, w2 4 true"},
		{func() { note("", "no lease", 5); note("w3", "", 5) }, "w1 3 true, w2 4 true"},
	} {
		if step.note(); load() != step.want {
			t.Errorf("%s, want %s", load(), step.want)
		}
	}
	if err := db.NoteMachine(t.Context(), "w1", "", nil); err != nil {
		t.Error(err)
	}
}
