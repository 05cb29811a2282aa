package store_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// identity is by what a claim says that it comes from a worker.
type identity struct{ secret, instance, holder string }

func (i identity) ask(worker string, slot int) store.Claim {
	ask := storetest.Ask(worker)
	ask.Slot, ask.Secret, ask.Instance, ask.Holder, ask.Address = slot, i.secret, i.instance, i.holder, "192.0.2."+i.instance
	return ask
}

// TestAFreedNameIsOfTheNextSecret frees the name of a worker whose secret was lost in a restore,
// while the database says that it builds: who comes next goes on with its build. Names of other
// machines stay theirs.
func TestAFreedNameIsOfTheNextSecret(t *testing.T) {
	t.Parallel()
	for address, free := range map[string]bool{"unix": true, "127.0.0.1": true, "192.0.2.1": false} {
		db := storetest.New(t)
		db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
		ask := identity{strings.Repeat("a", 64), "1", "token"}.ask("local-1", 0)
		ask.Address = address
		first, err := db.ClaimBuild(t.Context(), ask)
		if err != nil || first == nil {
			t.Fatal(first, err)
		}
		must(t, db.FreeWorkerName(t.Context(), "local-1"))
		must(t, db.FreeWorkerName(t.Context(), "nobody"))
		ask.Secret, ask.Instance = strings.Repeat("b", 64), "2"
		next, err := db.ClaimBuild(t.Context(), ask)
		if !free {
			if buildbtw.KindOf(err) != buildbtw.KindConflict {
				t.Errorf("from %s: %+v, %v; want a conflict", address, next, err)
			}
			continue
		}
		if err != nil || next == nil || next.Attempt.ID != first.Attempt.ID || next.Attempt.Lease == first.Attempt.Lease {
			t.Errorf("from %s: %+v, %v; want the same attempt with a lease of its own", address, next, err)
		}
		ask.Secret, ask.Instance = strings.Repeat("c", 64), "3"
		if other, err := db.ClaimBuild(t.Context(), ask); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("a third secret: %+v, %v; want a conflict", other, err)
		}
		db.Check(t)
	}
}

// TestANameIsOfWhoProvedIt has a worker run a build, or none, and fall silent, and
// then somebody claim under its name, from the same slot.
func TestANameIsOfWhoProvedIt(t *testing.T) {
	t.Parallel()
	secret, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	own := identity{secret, "1", "token"}
	const gone = buildbtw.WorkerPresence
	for name, test := range map[string]struct {
		first   identity
		builds  bool          // the first runs a build, by which the server hears of it
		silence time.Duration // since the server heard of the first
		second  identity
		refused string // what the second is told
		lease   string // of the first's build that the second gets: same, moved, or none of it
	}{
		"restarted":                           {own, true, 0, own, "", "same"},
		"restarted with a new token":          {own, true, 0, identity{secret, "1", "token2"}, "", "same"},
		"another machine while it builds":     {own, true, 0, identity{other, "2", "token"}, "connected from 192.0.2.1 since 2026-03-01 12:00:00 UTC", ""},
		"another machine while its lease is":  {own, true, gone, identity{other, "2", "token"}, "--name", ""},
		"another machine while it waits":      {own, false, gone - 1, identity{other, "2", "token"}, "2 minutes later the name is free", ""},
		"another machine when it is gone":     {own, false, gone, identity{other, "2", "token"}, "", "none"},
		"the same secret without its place":   {own, true, 0, identity{secret, "", "token"}, "copy of its work directory", ""},
		"a copy while it builds":              {own, true, storetest.Lease / 2, identity{secret, "2", "token"}, "--work-dir", ""},
		"moved, or its machine began anew":    {own, true, storetest.Lease/2 + time.Millisecond, identity{secret, "2", "token"}, "", "moved"},
		"a copy while it waits":               {own, false, 0, identity{secret, "2", "token"}, "copy of its work directory", ""},
		"no secret while it builds":           {own, true, 0, identity{holder: "token"}, "too old", ""},
		"no secret long after":                {own, false, 1000 * gone, identity{holder: "token"}, "too old", ""},
		"no secret, as ever":                  {identity{holder: "token"}, true, 0, identity{holder: "token"}, "", "same"},
		"no secret and another token":         {identity{holder: "token"}, true, 0, identity{holder: "token2"}, "another token", ""},
		"the first secret":                    {identity{holder: "token"}, true, 0, own, "", "moved"},
		"the first secret with another token": {identity{holder: "token"}, true, 0, identity{secret, "1", "token2"}, "another token", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.New(t)
			db.Iterate(t, db.NewBuildspace(t, "names"), storetest.Plan("a", "b"))
			first := test.first.ask("w1", 0)
			if !test.builds {
				first.Worker.Architectures = buildbtw.Names{"riscv64"} // for which there is nothing to do
			}
			had, err := db.ClaimBuild(t.Context(), first)
			if err != nil || (had != nil) != test.builds {
				t.Fatalf("the first got %+v, %v", had, err)
			}
			if test.builds { // when it asked for work last does not matter as long as it builds
				for range 10 {
					db.Clock.Advance(storetest.Lease / 2)
					if _, err := db.Heartbeat(t.Context(), had.Attempt.Lease, storetest.Lease); err != nil {
						t.Fatal(err)
					}
				}
			}
			db.Clock.Advance(test.silence)
			before := workersAndAttempts(t, db)
			got, err := db.ClaimBuild(t.Context(), test.second.ask("w1", 0))
			if test.refused != "" {
				if got != nil || buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), test.refused) {
					t.Errorf("got %+v, %v; want a conflict that says %q", got, err, test.refused)
				}
				if d := cmp.Diff(before, workersAndAttempts(t, db)); d != "" {
					t.Errorf("the refused claim changed:\n%s", d)
				}
				return
			}
			if err != nil || got == nil {
				t.Fatalf("got %+v, %v; want a build", got, err)
			}
			if test.lease == "none" {
				return
			}
			if got.Attempt.ID != had.Attempt.ID || (got.Attempt.Lease == had.Attempt.Lease) != (test.lease == "same") {
				t.Errorf("got %+v, had %+v; want its lease %s", got.Attempt, had.Attempt, test.lease)
			}
			_, err = db.Heartbeat(t.Context(), had.Attempt.Lease, storetest.Lease)
			if (err == nil) != (test.lease == "same") {
				t.Errorf("a heartbeat of the first with its old lease: %v", err)
			}
			if held, err := db.HeldLease(t.Context(), got.Attempt.Lease); held.Holder != test.second.holder || err != nil {
				t.Errorf("the lease is held by %q, %v; want %q", held.Holder, err, test.second.holder)
			}
			if again, err := db.ClaimBuild(t.Context(), test.second.ask("w1", 0)); err != nil || again.Attempt.Lease != got.Attempt.Lease {
				t.Errorf("the second asking again got %+v, %v", again, err)
			}
			db.Finish(t, got)
		})
	}
}

func workersAndAttempts(t *testing.T, db *storetest.DB) any {
	t.Helper()
	workers, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	history, err := db.WorkerHistory(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	return []any{workers, history, db.Statuses(t, "names")}
}

// A lease is lost by time alone: it does not go to the machine that gets the name.
func TestWhoTakesOverANameDoesNotGetItsLeases(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "names"), storetest.Plan("a"))
	first, second := identity{strings.Repeat("a", 64), "1", "token"}, identity{strings.Repeat("b", 64), "2", "token"}
	had, err := db.ClaimBuild(t.Context(), first.ask("w1", 0))
	if err != nil {
		t.Fatal(err)
	}
	db.Clock.Advance(time.Hour)
	if got, err := db.ClaimBuild(t.Context(), second.ask("w1", 0)); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Fatalf("before the lease was lost: %+v, %v", got, err)
	}
	if lost, err := db.ExpireLeases(t.Context()); len(lost) != 1 || err != nil {
		t.Fatalf("lost %+v, %v", lost, err)
	}
	db.Clock.Advance(time.Hour)
	got, err := db.ClaimBuild(t.Context(), second.ask("w1", 0))
	if err != nil || got == nil || got.Attempt.ID == had.Attempt.ID || got.Attempt.Number != 2 {
		t.Fatalf("got %+v, %v; want a second attempt", got, err)
	}
	if _, err := db.ClaimBuild(t.Context(), first.ask("w1", 0)); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the first came back and got %v, want a conflict", err)
	}
	db.Finish(t, got)
}

func TestTheDatabaseHasNoSecretOfAWorker(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	secret := strings.Repeat("0123456789abcdef", 4)
	if _, err := db.ClaimBuild(t.Context(), identity{secret, "1", "token"}.ask("w1", 0)); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(db.Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s has the secret", db.Path+suffix)
		}
	}
}
