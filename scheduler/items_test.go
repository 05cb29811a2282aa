package scheduler_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // a second hand on the database

	"buildbtw"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// sabotage runs SQL beside the server: a trigger makes the database refuse one
// item, and no other.
func sabotage(t *testing.T, f *schedulertest.Server, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+f.DB.Path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// TestABuildspaceThatCannotBeIteratedHoldsUpNoOther has every iteration of one
// buildspace fail, for ever.
func TestABuildspaceThatCannotBeIteratedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "bad", "lib")
	f.Space(t, "good", "lib")
	sabotage(t, f, `CREATE TRIGGER bad BEFORE INSERT ON iterations WHEN NEW.state = 'ready' AND NEW.buildspace_id = 1
		BEGIN SELECT RAISE(ABORT, 'this one is bad'); END`)
	f.Pass(t, "sync", "iterate")
	if n := len(f.Iterations(t, "good")); n != 1 {
		t.Errorf("%d iterations of the good one", n)
	}
	for range 3 * 60 * 6 { // three hours
		f.DB.Clock.Advance(10 * time.Second)
		f.Pass(t, "iterate")
	}
	rows := f.Iterations(t, "bad")
	if len(rows) != 1 || rows[0].State != buildbtw.IterationInvalid || !strings.Contains(rows[0].Error, "tried 20 times") {
		t.Fatalf("the bad one: %+v", rows)
	}
	sabotage(t, f, `DROP TRIGGER bad`)
	if err := f.Store.RequestIteration(t.Context(), "anna", "bad", buildbtw.IterationRequested, ""); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "iterate") // at once, without a pause
	if rows := f.Iterations(t, "bad"); len(rows) != 2 || rows[0].State != buildbtw.IterationReady {
		t.Errorf("asked for again: %+v", rows)
	}
}

// TestAnAttemptThatCannotBeGivenUpHoldsUpNoOther has two workers vanish.
func TestAnAttemptThatCannotBeGivenUpHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "other", schedulertest.Srcinfo("other", "1"))
	f.Space(t, "work", "lib", "other")
	f.Pass(t, "sync", "iterate")
	first, second := f.DB.Claim(t, "w1"), f.DB.Claim(t, "w2")
	sabotage(t, f, `CREATE TRIGGER bad BEFORE UPDATE OF state ON attempts WHEN OLD.id = 1
		BEGIN SELECT RAISE(ABORT, 'this one is bad'); END`)
	f.DB.Clock.Advance(2 * storetest.Lease)
	if err := f.Loop("rescue").Pass(t.Context()); err == nil || !strings.Contains(err.Error(), "attempt 1") {
		t.Errorf("got %v", err)
	}
	s := f.DB.Statuses(t, "work")
	if s[first.Build.Pkgbase] != buildbtw.StatusBuilding || s[second.Build.Pkgbase] != buildbtw.StatusPending {
		t.Errorf("builds: %v", s)
	}
}

// TestALeaseThatCannotBeEndedIsGivenUp has a build that cannot be made pending again.
func TestALeaseThatCannotBeEndedIsGivenUp(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	c := f.DB.Claim(t, "w1")
	sabotage(t, f, `CREATE TRIGGER bad BEFORE UPDATE OF status ON builds WHEN NEW.status = 'pending'
		BEGIN SELECT RAISE(ABORT, 'this one is bad'); END`)
	f.DB.Clock.Advance(2 * storetest.Lease)
	tries := 0
	for range 3 * 60 * 6 { // three hours
		if err := f.Loop("rescue").Pass(t.Context()); err != nil {
			tries++
		}
		f.DB.Clock.Advance(10 * time.Second)
	}
	row, err := f.Store.Build(t.Context(), c.Build.ID)
	if err != nil || row.Status != buildbtw.StatusFailed {
		t.Fatalf("%+v, %v", row, err)
	}
	attempts, err := f.Store.Attempts(t.Context(), c.Build.ID)
	if err != nil || len(attempts) != 1 || attempts[0].Outcome != buildbtw.OutcomeLost || !strings.Contains(attempts[0].Message, "could not be ended as lost in 20 tries") {
		t.Errorf("%+v, %v", attempts, err)
	}
	if tries != 19 {
		t.Errorf("%d passes failed", tries)
	}
	if _, err := f.Store.RetryBuild(t.Context(), "anna", c.Build.ID); err == nil {
		t.Error("the trigger is gone")
	}
	sabotage(t, f, `DROP TRIGGER bad`)
	if _, err := f.Store.RetryBuild(t.Context(), "anna", c.Build.ID); err != nil {
		t.Error(err)
	}
	if again := f.DB.Claim(t, "w2"); again.Build.ID != c.Build.ID {
		t.Errorf("%+v", again)
	}
}

// TestARowThatCannotBeReadHoldsUpNoOther has somebody, or a damaged disk, change one
// row of each kind so that it cannot be read. What has the name bad, or the first
// number, is broken; what is good goes on.
func TestARowThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	two := func(t *testing.T, f *schedulertest.Server) (bad, good *store.Claimed) {
		f.Space(t, "bad", "lib")
		f.Pass(t, "sync", "iterate")
		bad = f.DB.Claim(t, "w1")
		f.Space(t, "good", "other")
		f.Pass(t, "sync", "iterate")
		return bad, f.DB.Claim(t, "w2")
	}
	for name, c := range map[string]struct {
		row  func(t *testing.T, f *schedulertest.Server)
		loop string
		want string // in the error of the loop; empty for none
		good func(t *testing.T, f *schedulertest.Server) bool
	}{
		"a buildspace": {func(t *testing.T, f *schedulertest.Server) {
			f.Space(t, "bad", "lib")
			f.Space(t, "good", "other")
			sabotage(t, f, `UPDATE buildspaces SET architectures = '{' WHERE name = 'bad'`)
		}, "iterate", "the row of [1] cannot be read", func(t *testing.T, f *schedulertest.Server) bool { return len(f.Iterations(t, "good")) == 1 }},
		"an iteration": {func(t *testing.T, f *schedulertest.Server) {
			f.Space(t, "bad", "lib")
			f.Space(t, "good", "other")
			f.Pass(t, "iterate")
			sabotage(t, f, `UPDATE iterations SET created_at = 'never' WHERE buildspace_id = 1`)
			for _, space := range []string{"bad", "good"} {
				if err := f.Store.RequestIteration(t.Context(), "anna", space, buildbtw.IterationRequested, ""); err != nil {
					t.Fatal(err)
				}
			}
		}, "iterate", "created_at", func(t *testing.T, f *schedulertest.Server) bool { return len(f.Iterations(t, "good")) == 2 }},
		"a lease that is over": {func(t *testing.T, f *schedulertest.Server) {
			bad, _ := two(t, f)
			sabotage(t, f, fmt.Sprintf(`UPDATE attempts SET not_checked = '{' WHERE id = %d`, bad.Attempt.ID))
			f.DB.Clock.Advance(2 * storetest.Lease)
		}, "rescue", "the row of [1] cannot be read", func(t *testing.T, f *schedulertest.Server) bool {
			return f.DB.Statuses(t, "good")["other"] == buildbtw.StatusPending
		}},
		"a publication": {func(t *testing.T, f *schedulertest.Server) {
			bad, good := two(t, f)
			for _, c := range []*store.Claimed{bad, good} {
				if _, err := f.Store.BeginPublish(t.Context(), c.Attempt.Lease, f.DB.Upload(t, c)); err != nil {
					t.Fatal(err)
				}
			}
			sabotage(t, f, fmt.Sprintf(`UPDATE attempts SET not_checked = '{' WHERE id = %d`, bad.Attempt.ID))
		}, "rescue", "the row of [1] cannot be read", func(t *testing.T, f *schedulertest.Server) bool {
			return f.DB.Statuses(t, "good")["other"] != buildbtw.StatusBuilding // its files are not there: it is put back
		}},
		"a build to be handed out": {func(t *testing.T, f *schedulertest.Server) {
			f.Space(t, "bad", "lib")
			f.Pass(t, "iterate")
			f.Space(t, "good", "other")
			f.Pass(t, "iterate")
			sabotage(t, f, `UPDATE builds SET pkgnames = '{' WHERE id = 1`)
		}, "rescue", "", func(t *testing.T, f *schedulertest.Server) bool {
			c := f.DB.Claim(t, "w1")
			return c.Build.Pkgbase == "other"
		}},
		"a duration": {func(t *testing.T, f *schedulertest.Server) {
			_, good := two(t, f)
			f.DB.Clock.Advance(time.Minute)
			f.DB.Finish(t, good)
			f.DB.Clock.Advance(time.Minute)
			sabotage(t, f, `INSERT INTO durations (pkgbase, architecture, seconds, recent, learned_at) VALUES ('lib', 'x86_64', 5, '{', '2026-01-01 00:00:00')`)
		}, "learn", "read the durations of lib", func(t *testing.T, f *schedulertest.Server) bool {
			list, _ := f.Store.Durations(t.Context())
			return len(list) == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := schedulertest.New(t)
			f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
			f.Push(t, "other", schedulertest.Srcinfo("other", "1"))
			f.Pass(t, "sync")
			c.row(t, f)
			err := f.Loop(c.loop).Pass(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("loop %s: %v", c.loop, err)
			}
			if !c.good(t, f) {
				t.Error("the good one is held up")
			}
			f.Restart(t) // such a row does not keep the server from starting either
			if err := f.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoStepEndsTheStart has each thing that a start does fail.
func TestNoStepEndsTheStart(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"leases":  `CREATE TRIGGER bad BEFORE UPDATE OF deadline ON attempts BEGIN SELECT RAISE(ABORT, 'bad'); END`,
		"a lease": `CREATE TRIGGER bad BEFORE UPDATE OF deadline ON attempts WHEN OLD.id = 1 BEGIN SELECT RAISE(ABORT, 'bad'); END`,
		"groups": `CREATE TRIGGER bad BEFORE DELETE ON source_groups BEGIN SELECT RAISE(ABORT, 'bad'); END;
			INSERT INTO source_groups (name) VALUES ('gone')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := schedulertest.New(t)
			f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
			f.Space(t, "work", "lib")
			f.Pass(t, "sync", "iterate")
			f.DB.Claim(t, "w1")
			sabotage(t, f, text)
			f.DB.Clock.Advance(2 * storetest.Lease) // the server was down
			f.Restart(t)
			if err := f.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = f.Loop("rescue").Pass(t.Context()) // may fail; what it must not do follows
			if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilding {
				t.Errorf("a running build was given up: %v", s)
			}
			sabotage(t, f, `DROP TRIGGER bad`)
			f.Pass(t, "rescue", "groups", "sync")
			if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilding {
				t.Errorf("builds: %v", s)
			}
			if rows, err := f.Store.SourceGroups(t.Context()); err != nil || len(rows) != 0 {
				t.Errorf("groups: %+v, %v", rows, err)
			}
		})
	}
}
