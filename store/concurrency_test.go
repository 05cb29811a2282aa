package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestReadersGoOnWhileAnIterationIsWritten reads all the time while thousands
// of rows are written in one transaction: no reader may see half of them, or
// wait for the writer.
func TestReadersGoOnWhileAnIterationIsWritten(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Fan(1000))
	done := make(chan struct{})
	var reads int
	var slowest time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			before := time.Now()
			it, err := db.Iteration(context.Background(), "space", 0)
			slowest = max(slowest, time.Since(before))
			reads++
			want := 1001
			if it.Number == 2 {
				want = 5001
			}
			if err != nil || it.Counts.Total() != want {
				t.Errorf("iteration %d has %d builds, want %d (%v)", it.Number, it.Counts.Total(), want, err)
				return
			}
		}
	})
	began := time.Now()
	db.Iterate(t, b, storetest.Synthetic(5001, 40000, 1))
	took := time.Since(began)
	close(done)
	wg.Wait()
	t.Logf("%d reads during %v, the slowest took %v", reads, took, slowest)
	if reads < 3 || slowest > took/2 {
		t.Errorf("readers waited for the writer: %d reads, the slowest took %v of %v", reads, slowest, took)
	}
	db.Check(t)
}

// TestManyWorkersBuildOneGraph lets many workers claim, finish and fail at the
// same time.
func TestManyWorkersBuildOneGraph(t *testing.T) {
	t.Parallel()
	const workers = 12
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Synthetic(150, 450, 3))
	changed, cancel := db.Subscribe()
	defer cancel()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { work(t, db, i) })
	}
	wg.Wait()
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the changes")
	}
	db.Check(t)
	it, err := db.Iteration(t.Context(), "space", 0)
	if err != nil || it.Counts[buildbtw.StatusBuilt] != 150 {
		t.Errorf("%v, %v; want all built", it.Counts, err)
	}
}

// work builds until the iteration has reached a final status; every seventh
// attempt is handed back first.
func work(t *testing.T, db *storetest.DB, number int) {
	changed, cancel := db.Subscribe()
	defer cancel()
	ask := storetest.Ask("worker")
	ask.Slot = number
	for {
		c, err := db.ClaimBuild(t.Context(), ask)
		if err != nil {
			t.Error(err)
			return
		}
		if c == nil {
			it, err := db.Iteration(t.Context(), "space", 0)
			if err != nil || it.Status().Final() {
				return
			}
			<-changed
			continue
		}
		if c.Attempt.ID%7 == 0 {
			if _, err := db.EndAttempt(t.Context(), c.Attempt.Lease, buildbtw.OutcomeReleased, "busy"); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := publish(t.Context(), db, c); err != nil {
			t.Error(err)
			return
		}
	}
}

func publish(ctx context.Context, db *storetest.DB, c *store.Claimed) error {
	p := storetest.Package(c, c.Build.Pkgbase)
	if err := db.AddPackage(ctx, c.Attempt.Lease, p); err != nil {
		return err
	}
	if _, err := db.BeginPublish(ctx, c.Attempt.Lease, []store.PackageFile{{Filename: p.Filename, SHA256: p.SHA256}}); err != nil {
		return err
	}
	_, err := db.CompletePublish(ctx, c.Attempt.ID)
	return err
}

func TestCancelledContextEndsACallAndChangesNothing(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.EndAttempt(ctx, c.Attempt.Lease, buildbtw.OutcomeFailed, ""); err == nil {
		t.Error("a call with a cancelled context succeeded")
	}
	if _, _, err := db.Builds(ctx, store.BuildFilter{}); err == nil {
		t.Error("a list with a cancelled context succeeded")
	}
	if got := db.Statuses(t, "space")["lib"]; got != buildbtw.StatusBuilding {
		t.Errorf("lib is %s", got)
	}
	db.Check(t)
}
