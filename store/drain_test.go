package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func workerEvents(t *testing.T, db *storetest.DB) (messages []string) {
	t.Helper()
	events, err := db.Events(t.Context(), store.EventFilter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == buildbtw.EventWorker {
			messages = append(messages, e.Actor+" "+e.Message)
		}
	}
	return messages
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestADrainingWorkerFinishesWhatItHasAndGetsNoMore has it restarted meanwhile, too: it
// goes on with the build that it had. Another worker gets the rest.
func TestADrainingWorkerFinishesWhatItHasAndGetsNoMore(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c"))
	had := db.Claim(t, "w1")
	for range 2 { // again changes nothing
		must(t, db.DrainWorker(ctx, "alice", "w1"))
	}
	if stop, err := db.Heartbeat(ctx, had.Attempt.Lease, storetest.Lease); stop || err != nil {
		t.Errorf("a heartbeat: stop %v, %v", stop, err)
	}
	if again := db.Claim(t, "w1"); again == nil || again.Attempt.ID != had.Attempt.ID {
		t.Errorf("after its restart it got %+v", again)
	}
	db.Finish(t, had)
	if c := db.Claim(t, "w1"); c != nil {
		t.Errorf("it got %s", c.Build.Pkgbase)
	}
	named := storetest.Ask("w1")
	named.Build = had.Build.ID + 1
	const why = "draining: gets no new builds until 'bbtw workers resume w1'"
	if _, err := db.ClaimBuild(ctx, named); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "worker w1 is "+why) {
		t.Errorf("a build by name: %v", err)
	}
	if none, err := db.NoBuilds(ctx, "w1"); none != why || err != nil {
		t.Errorf("why it gets none: %q, %v", none, err)
	}
	other := db.Claim(t, "w2")
	if other == nil {
		t.Fatal("another worker got nothing")
	}
	db.Finish(t, other)
	for range 2 {
		must(t, db.ResumeWorker(ctx, "bob", "w1"))
	}
	if none, err := db.NoBuilds(ctx, "w1"); none != "" || err != nil {
		t.Errorf("resumed: %q, %v", none, err)
	}
	if c := db.Claim(t, "w1"); c == nil {
		t.Error("resumed, it got nothing")
	}
	want := []string{"alice w1: Draining: it gets no new builds.", "bob w1: Resumed."}
	if d := cmp.Diff(want, workerEvents(t, db)); d != "" {
		t.Error(d)
	}
	db.Check(t)
}

// TestResumeEndsBothDrainingAndQuarantine, and only who was set aside is trusted anew.
func TestResumeEndsBothDrainingAndQuarantine(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	for _, name := range []string{"both", "drained"} {
		db.Claim(t, name)
		must(t, db.DrainWorker(ctx, "alice", name))
	}
	must(t, db.QuarantineWorker(ctx, "alice", "both", "bad disk"))
	if none, err := db.NoBuilds(ctx, "both"); !strings.HasPrefix(none, "quarantined: ") || err != nil {
		t.Errorf("%q, %v", none, err)
	}
	for _, name := range []string{"both", "drained"} {
		must(t, db.ResumeWorker(ctx, "alice", name))
	}
	workers, err := db.Workers(ctx)
	must(t, err)
	for _, w := range workers {
		if w.NoBuilds() != "" || w.DrainingSince != nil || (w.TrustedAt != nil) != (w.Name == "both") {
			t.Errorf("%+v", w.Worker)
		}
	}
}

// TestNobodyIsSetAsideWhenTheOthersDrain: the last machine that gets builds never is.
func TestNobodyIsSetAsideWhenTheOthersDrain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.does("bad", buildbtw.OutcomeLost)
	f.does("good", buildbtw.OutcomeBuilt)
	must(t, f.DrainWorker(t.Context(), "alice", "good"))
	f.does("bad", buildbtw.OutcomeLost)
	f.does("bad", buildbtw.OutcomeLost)
	if why := f.aside("bad"); why != "" {
		t.Errorf("set aside: %s", why)
	}
}

func TestAWorkerThatIsThereOrHasABuildIsNotForgotten(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	refused := func(words string) {
		t.Helper()
		err := db.ForgetWorker(ctx, "alice", "w1")
		if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), words) {
			t.Errorf("got %v, want a conflict that says %q", err, words)
		}
	}
	c := db.Claim(t, "w1")
	db.Clock.Advance(time.Second)
	refused("worker w1 is connected: it asked for work 1 seconds ago")
	db.Clock.Advance(buildbtw.WorkerPresence)
	refused("worker w1 has a build")
	files := db.Upload(t, c)
	_, err := db.BeginPublish(ctx, c.Attempt.Lease, files)
	must(t, err)
	refused("worker w1 has a build") // its packages are being published
	_, err = db.CompletePublish(ctx, c.Attempt.ID)
	must(t, err)
	must(t, db.ForgetWorker(ctx, "alice", "w1"))
	for name, err := range map[string]error{
		"forget": db.ForgetWorker(ctx, "alice", "w1"), "drain": db.DrainWorker(ctx, "alice", "w1"), "resume": db.ResumeWorker(ctx, "alice", "w1"),
	} {
		if buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("%s, forgotten: %v", name, err)
		}
	}
	attempts, err := db.Attempts(ctx, c.Build.ID)
	if err != nil || len(attempts) != 1 || attempts[0].Worker != "w1" {
		t.Errorf("its attempts: %+v, %v", attempts, err)
	}
	if d := cmp.Diff([]string{"alice w1: Forgotten."}, workerEvents(t, db)); d != "" {
		t.Error(d)
	}
	db.Check(t)
}

// TestAForgottenWorkerComesBackAsNew has a bad machine replaced: what the one before
// lost does not count against the new one, which also shows a secret of its own.
func TestAForgottenWorkerComesBackAsNew(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx := t.Context()
	for range 3 {
		f.does("bad", buildbtw.OutcomeLost)
		f.does("good", buildbtw.OutcomeBuilt)
	}
	must(t, f.DrainWorker(ctx, "alice", "bad"))
	if f.aside("bad") == "" {
		t.Fatal("not set aside")
	}
	f.Clock.Advance(buildbtw.WorkerPresence)
	must(t, f.ForgetWorker(ctx, "alice", "bad"))
	f.does("good", buildbtw.OutcomeBuilt)
	if !f.does("bad", buildbtw.OutcomeLost) {
		t.Fatal("it gets no build")
	}
	if why := f.aside("bad"); why != "" {
		t.Errorf("set aside for what another machine lost: %s", why)
	}
}
