package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestSecondServerOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	_, err := store.Open(t.Context(), db.Path, store.Options{})
	if buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Fatalf("second open: %v, want a conflict", err)
	}
	db.Reopen(t) // the lock goes with its holder
}

func TestTimesWrittenByBunAreReadByBoth(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Clock.Advance(123456789 * time.Nanosecond)
	now := db.Clock.Now().Truncate(time.Microsecond)
	b := db.NewBuildspace(t, "times")
	if !b.CreatedAt.Equal(now) || b.WantedAt == nil || !b.WantedAt.Equal(now) {
		t.Errorf("created %v, wanted %v; want %v", b.CreatedAt, b.WantedAt, now)
	}
	if b.CreatedAt.Location() != time.UTC {
		t.Errorf("location %v, want UTC", b.CreatedAt.Location())
	}
	db.Iterate(t, b, storetest.Plan("lib"))
	c := db.Claim(t, "w1")
	if l, err := db.Lease(t.Context(), c.Attempt.Lease); err != nil || !l.Attempt.Deadline.Equal(now.Add(storetest.Lease)) {
		t.Errorf("bun read deadline %v (%v), want %v", l.Attempt.Deadline, err, now.Add(storetest.Lease))
	}
	at, ok, err := db.NextWake(t.Context())
	if err != nil || !ok || !at.Equal(now.Add(storetest.Lease)) {
		t.Errorf("next wake %v %v %v, want %v", at, ok, err, now.Add(storetest.Lease))
	}
	row, err := db.Build(t.Context(), c.Build.ID)
	if err != nil || row.StartedAt == nil || !row.StartedAt.Equal(now) || row.FinishedAt != nil {
		t.Errorf("build started %v finished %v (%v)", row.StartedAt, row.FinishedAt, err)
	}
}

func TestChainIsBuiltInOrder(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "chain")
	it := db.Iterate(t, b, storetest.Plan("lib", "tool: lib", "left: lib", "app: tool left"))
	db.Check(t)
	if it.Status() != buildbtw.IterationStatusBuilding || it.Counts.Total() != 4 {
		t.Fatalf("iteration is %s with %d builds", it.Status(), it.Counts.Total())
	}
	var order []string
	for c := db.Claim(t, "w1"); c != nil; c = db.Claim(t, "w1") {
		order = append(order, c.Build.Pkgbase)
		db.Check(t)
		db.Finish(t, c)
		db.Check(t)
	}
	if d := cmp.Diff([]string{"lib", "tool", "left", "app"}, order); d != "" {
		t.Error(d)
	}
	it, err := db.Iteration(t.Context(), "chain", 0)
	if err != nil || it.Status() != buildbtw.IterationStatusBuilt {
		t.Errorf("iteration is %s (%v), want built", it.Status(), err)
	}
}

func TestSubscribersHearOfChangesAndOnlyOfThose(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	changed, cancel := db.Subscribe()
	defer cancel()
	b := db.NewBuildspace(t, "news")
	db.Iterate(t, b, storetest.Plan("lib"))
	expectToken(t, changed, true) // two commits, one token
	expectToken(t, changed, false)
	if c := db.Claim(t, "other", "aarch64"); c != nil {
		t.Fatalf("claimed %v", c)
	}
	expectToken(t, changed, false) // an empty claim must not wake the other workers
	c := db.Claim(t, "w1")
	expectToken(t, changed, true)
	if _, err := db.Heartbeat(context.Background(), c.Attempt.Lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	expectToken(t, changed, false)
}

func expectToken(t *testing.T, c <-chan struct{}, want bool) {
	t.Helper()
	got := false
	select {
	case <-c:
		got = true
	default:
	}
	if got != want {
		t.Errorf("token %v, want %v", got, want)
	}
}

// TestASecondServerIsKeptOutThoughTheLockIsDeleted deletes the file of the lock.
func TestASecondServerIsKeptOutThoughTheLockIsDeleted(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	if err := os.Remove(db.Path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if second, err := store.Open(t.Context(), db.Path, store.Options{}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("opened %v, %v", second, err)
	}
	db.Reopen(t)
}

// TestNothingIsKeptInADatabaseThatIsGone removes it, and puts another one in its
// place.
func TestNothingIsKeptInADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(path string) error{
		"removed":  func(string) error { return nil },
		"replaced": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		db := storetest.New(t)
		if err := db.InPlace(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(db.Path), replace(db.Path)); err != nil {
			t.Fatal(err)
		}
		_, err := db.CreateBuildspace(t.Context(), "test", buildbtw.Buildspace{Name: "lost", Settings: buildbtw.DefaultSettings()}, []buildbtw.Changeset{{Source: "lib"}})
		if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(buildbtw.MessageOf(err), "removed or replaced") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestADamagedDatabaseSaysWhatToDo has pages, and the whole file, overwritten.
func TestADamagedDatabaseSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"pages": 3 * 4096, "header": 0} {
		db := storetest.New(t)
		db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("lib"))
		copied := filepath.Join(t.TempDir(), "buildbtw.sqlite")
		if err := store.Backup(t.Context(), db.Path, copied); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(copied, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(bytes.Repeat([]byte("damage"), 4096), at)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if s, err := store.Open(t.Context(), copied, store.Options{}); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(buildbtw.MessageOf(err), "put a backup in the place") {
			t.Errorf("%s: opened %v, %v", name, s, err)
		}
	}
}
