package store_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestADatabaseOfAnOlderVersionGoesOn opens what some commits left while builds
// were running, being published and queued (testdata/8cc34d9.go.txt and others of its
// kind made it), and lets all of it come to its end.
func TestADatabaseOfAnOlderVersionGoesOn(t *testing.T) {
	t.Parallel()
	for commit, version := range map[string]olderVersion{
		"8cc34d9": {},            // its attempts have no names but their ids
		"81c9edd": {named: true}, // an event is a row, and a build has all its columns itself
		"03d3526": {named: true, draining: []string{"publishing", "running"}},
	} {
		t.Run(commit, func(t *testing.T) {
			t.Parallel()
			oldDatabaseGoesOn(t, storetest.NewOf(t, "testdata/"+commit+".sqlite.gz"), version)
		})
	}
}

// olderVersion is what a version had that others had not.
type olderVersion struct {
	named    bool     // its attempts have names
	draining []string // workers that end what they have and get no more
}

func oldDatabaseGoesOn(t *testing.T, db *storetest.DB, version olderVersion) {
	ctx := t.Context()
	db.Check(t)
	wantDraining(t, db, version.draining)
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

	events, err := db.Events(ctx, store.EventFilter{Limit: 500})
	planned := slices.DeleteFunc(events, func(e store.EventRow) bool { return e.Cause != buildbtw.CausePlanned })
	if err != nil || len(planned) != 16 || planned[0].Pkgbase != "lib" || planned[15].Architecture != "x86_64" {
		t.Errorf("planned: %+v, %v", planned, err)
	}
	history, err := db.WorkerHistory(ctx, 10)
	if err != nil || len(history.Leases) != 1 || history.Leases[0].Worker != "running" {
		t.Fatalf("leases: %+v, %v", history.Leases, err)
	}
	attempts, err := db.Attempts(ctx, history.Leases[0].BuildID)
	if err != nil || len(attempts) != 1 {
		t.Fatal(attempts, err)
	}
	if attempts[0].InstalledID != 0 {
		t.Errorf("what was installed is recorded of an attempt from before: %d", attempts[0].InstalledID)
	}
	// Its log and uploads are where the older version put them.
	if name := attempts[0].Name().String(); (name != strconv.FormatInt(attempts[0].ID, 10)) != version.named {
		t.Errorf("the running attempt is named %s", name)
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
	if n, err := db.RetryBuilds(ctx, "alice", "old"); n != 1 || err != nil {
		t.Fatalf("%d builds were retried, %v", n, err)
	}
	db.Clock.Advance(storetest.Lease)
	wantDraining(t, db, version.draining) // also now that they have nothing any more
	for _, name := range version.draining {
		if c := db.Claim(t, name, "aarch64", "x86_64"); c != nil {
			t.Errorf("%s is draining and got %s", name, c.Build.Pkgbase)
		}
	}
	for _, arch := range []string{"aarch64", "x86_64", "aarch64", "x86_64"} {
		for c := db.Claim(t, "new", arch); c != nil; c = db.Claim(t, "new", arch) {
			db.Finish(t, c)
		}
	}
	wantNoFindings(t, db)
	it, err := db.Iteration(ctx, "old", 1)
	if err != nil || it.Counts[buildbtw.StatusBuilt] != 16 {
		t.Errorf("in the end: %v, %v; want 16 built", it.Counts, err)
	}
	for _, name := range version.draining {
		if err := db.ResumeWorker(ctx, "alice", name); err != nil {
			t.Error(err)
		}
	}
	wantDraining(t, db, nil)
}

// wantNoFindings asserts that nothing was found in the packages of before, and that all are
// still to be looked at.
func wantNoFindings(t *testing.T, db *storetest.DB) {
	t.Helper()
	var builds []store.BuildRow
	for _, arch := range []string{"aarch64", "x86_64"} {
		rows, err := db.UncheckedBuilds(t.Context(), "stable", 0, arch, 500)
		if err != nil {
			t.Error(err)
		}
		builds = append(builds, rows...)
	}
	if len(builds) != 14 { // two have the packages of another
		t.Errorf("%d builds are to be checked; want 14", len(builds))
	}
	var ids []int64
	for _, b := range builds {
		ids = append(ids, b.ID)
	}
	if found, err := db.Checks(t.Context(), ids); err != nil || len(found) != 0 {
		t.Errorf("checks of before: %v, %v", found, err)
	}
}

func wantDraining(t *testing.T, db *storetest.DB, want []string) {
	t.Helper()
	workers, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range workers {
		if w.DrainingSince != nil {
			got = append(got, w.Name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("draining are %v, want %v", got, want)
	}
}

// A worker that the older version gave a lease goes on with it, whether its program
// is as old, and has no secret, or was updated too. Its secret then binds the
// name, also against old programs.
func TestALeaseOfAnOlderVersionGoesOnWithoutAndWithASecret(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]identity{
		"old program": {holder: "worker"}, "new program": {strings.Repeat("a", 64), "1", "worker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.NewOf(t, "testdata/8cc34d9.sqlite.gz")
			ask := func(who identity, slot int) (*store.Claimed, error) {
				c := who.ask("running", slot)
				c.Worker.Architectures = buildbtw.Names{"aarch64"}
				return db.ClaimBuild(t.Context(), c)
			}
			got, err := ask(who, 0)
			if err != nil || got == nil || got.Build.Pkgbase != "data" || got.Attempt.Number != 1 {
				t.Fatalf("got %+v, %v; want the build of data again", got, err)
			}
			if who.secret != "" {
				for _, other := range []identity{{holder: "worker"}, {strings.Repeat("b", 64), "2", "worker"}} {
					if _, err := ask(other, 0); buildbtw.KindOf(err) != buildbtw.KindConflict {
						t.Errorf("%+v claimed under the same name: %v", other, err)
					}
				}
			}
			db.Finish(t, got)
		})
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

// TestAnOlderDatabasesComparisonsGoOn opens what 9d74831 left with a failed build in each step
// of its comparison with the base.
func TestAnOlderDatabasesComparisonsGoOn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.NewOf(t, "testdata/9d74831.sqlite.gz")
	db.Check(t)
	want := map[string]string{"yours": "failed yours", "broken": "failed already-broken", "once-more": "building", "on-base": "failed", "waiting": "failed", "failed": "failed"}
	builds := map[string]int64{}
	for name, is := range want {
		rows, _, err := db.Builds(ctx, store.BuildFilter{Buildspace: name})
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %d builds, %v", name, len(rows), err)
		}
		builds[name] = rows[0].ID
		if got := standing(t, db, rows[0].ID); got != is {
			t.Errorf("%s is %s, want %s", name, got, is)
		}
	}
	history, err := db.WorkerHistory(ctx, 10)
	if err != nil || len(history.Leases) != 2 {
		t.Fatalf("leases: %+v, %v", history.Leases, err)
	}
	for _, running := range history.Leases {
		attempts, err := db.Attempts(ctx, running.BuildID)
		if err != nil {
			t.Fatal(err)
		}
		lease, err := db.Lease(ctx, attempts[0].Lease)
		if err != nil {
			t.Fatal(err)
		}
		c := &store.Claimed{Build: lease.Build, Attempt: lease.Attempt}
		if lease.Build.BaselineID != 0 {
			finishBaseline(t, db, c)
		} else {
			db.Finish(t, c)
		}
	}
	for range 10 {
		for c := db.Claim(t, "new"); c != nil; c = db.Claim(t, "new") {
			db.End(t, c, buildbtw.OutcomeFailed)
		}
		startBaselines(t, db, "k2")
	}
	want = map[string]string{
		"yours": "failed yours", "broken": "failed already-broken", "once-more": "built flaky", "on-base": "failed yours",
		"waiting": "failed already-broken", "failed": "failed already-broken",
	}
	for name, is := range want {
		if got := standing(t, db, builds[name]); got != is {
			t.Errorf("in the end %s is %s, want %s", name, got, is)
		}
	}
}
