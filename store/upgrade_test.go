package store_test

import (
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestADatabaseOfAnOlderVersionGoesOn opens what commit 8cc34d9 left while builds
// were running, being published and queued (testdata/8cc34d9.go.txt made it), and
// lets all of it come to its end.
func TestADatabaseOfAnOlderVersionGoesOn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.NewOf(t, "testdata/8cc34d9.sqlite.gz")
	db.Check(t)
	wantStatuses(t, db, map[string]buildbtw.Status{
		"lib": "built", "data": "blocked", "broken": "failed", "gitlab": "scheduled", "app": "blocked", "tool": "blocked",
		"last": "blocked", "data2": "blocked",
		"lib/aarch64": "building", "data/aarch64": "building", "broken/aarch64": "pending", "gitlab/aarch64": "pending",
		"app/aarch64": "blocked", "tool/aarch64": "blocked", "last/aarch64": "blocked", "data2/aarch64": "blocked",
	})

	publishing, err := db.Publishing(ctx)
	if err != nil || len(publishing) != 1 || len(publishing[0].Files) != 1 {
		t.Fatalf("being published: %+v, %v", publishing, err)
	}
	if status, err := db.CompletePublish(ctx, publishing[0].Attempt.ID); status != buildbtw.StatusBuilt || err != nil {
		t.Fatalf("published: %s, %v", status, err)
	}

	history, err := db.WorkerHistory(ctx, 10)
	if err != nil || len(history.Leases) != 1 || history.Leases[0].Worker != "running" {
		t.Fatalf("leases: %+v, %v", history.Leases, err)
	}
	attempts, err := db.Attempts(ctx, history.Leases[0].BuildID)
	if err != nil || len(attempts) != 1 {
		t.Fatal(attempts, err)
	}
	if stop, err := db.Heartbeat(ctx, attempts[0].Lease, storetest.Lease); stop || err != nil {
		t.Fatalf("the heartbeat of a running lease: stop %v, %v", stop, err)
	}
	lease, err := db.Lease(ctx, attempts[0].Lease)
	if err != nil {
		t.Fatal(err)
	}
	db.Finish(t, &store.Claimed{Build: lease.Build, Attempt: lease.Attempt})

	open, err := db.OpenPipelines(ctx)
	if err != nil || len(open) != 1 || !open[0].Wanted {
		t.Fatalf("pipelines: %+v, %v", open, err)
	}
	if err := db.UndispatchBuild(ctx, open[0].ID, store.Undispatched{Message: "GitLab is gone."}); err != nil {
		t.Fatal(err)
	}
	if n, err := db.RetryFailed(ctx, "alice", "old"); n != 1 || err != nil {
		t.Fatalf("%d builds were retried, %v", n, err)
	}
	db.Clock.Advance(storetest.Lease)
	for _, arch := range []string{"aarch64", "x86_64", "aarch64", "x86_64"} {
		for c := db.Claim(t, "new", arch); c != nil; c = db.Claim(t, "new", arch) {
			db.Finish(t, c)
		}
	}
	it, err := db.Iteration(ctx, "old", 1)
	if err != nil || it.Counts[buildbtw.StatusBuilt] != 16 {
		t.Errorf("in the end: %v, %v; want 16 built", it.Counts, err)
	}
}

func wantStatuses(t *testing.T, db *storetest.DB, want map[string]buildbtw.Status) {
	t.Helper()
	got := db.Statuses(t, "old")
	for name, status := range want {
		if got[name] != status {
			t.Errorf("%s is %s, want %s", name, got[name], status)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d builds, want %d", len(got), len(want))
	}
}
