package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// notes are what an observer was told.
type notes struct {
	mu   sync.Mutex
	said []string
	took map[store.Timing]int
}

func (n *notes) add(format string, values ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, fmt.Sprintf(format, values...))
}

func (n *notes) Moved(to buildbtw.Status, cause buildbtw.Cause, builds int) {
	n.add("%d %s (%s)", builds, to, cause)
}
func (n *notes) Saved(cause buildbtw.Cause, builds int) { n.add("saved %d (%s)", builds, cause) }
func (n *notes) Ended(outcome buildbtw.Outcome)         { n.add("ended %s", outcome) }
func (n *notes) Leased(waited time.Duration)            { n.add("waited %s", waited) }
func (n *notes) Took(kind store.Timing, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if took >= 0 {
		n.took[kind]++
	}
}

// since returns what was said since the last call.
func (n *notes) since() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := n.said
	n.said = nil
	return said
}

func TestObserverIsToldWhatWasCommitted(t *testing.T) {
	t.Parallel()
	seen := &notes{took: map[store.Timing]int{}}
	db := storetest.NewWith(t, func(o *store.Options) {
		o.Observer = seen
		o.Jitter = func(d time.Duration) time.Duration { return d }
	})
	space := db.NewBuildspace(t, "work")
	db.Iterate(t, space, storetest.Plan("lib", "app: lib"))
	want := func(what string, said ...string) {
		t.Helper()
		if diff := cmp.Diff(said, seen.since()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	first := seen.since()
	slices.Sort(first)
	if diff := cmp.Diff([]string{"1 blocked (planned)", "1 pending (planned)"}, first); diff != "" {
		t.Errorf("an iteration (-want +got):\n%s", diff)
	}
	db.Clock.Advance(7 * time.Second)
	c := db.Claim(t, "w1")
	want("a claim", "1 building (leased)", "waited 7s")
	db.End(t, c, buildbtw.OutcomeInfrastructure)
	want("a failure of the machine", "1 pending (infrastructure)", "ended infrastructure")
	db.Clock.Advance(time.Hour)
	c = db.Claim(t, "w1")
	want("a build that was postponed, since its pause was over", "1 building (leased)", "waited 59m50s")
	db.Finish(t, c)
	want("a success", "1 built (finished)", "1 pending (ready)", "ended built")
	c = db.Claim(t, "w1")
	seen.since()
	db.Clock.Advance(24 * time.Hour)
	if _, err := db.Store.ExpireLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("a lost lease", "1 pending (lost)", "ended lost")
	for _, kind := range store.Timings() {
		if seen.took[kind] == 0 {
			t.Errorf("nothing took time as %s", kind)
		}
	}
	// Nothing is said of what is not committed.
	if _, err := db.Store.EndAttempt(t.Context(), c.Attempt.Lease, buildbtw.OutcomeFailed, ""); err == nil {
		t.Fatal("an attempt ended twice")
	}
	want("a late report")
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	empty, err := db.Store.Statistics(t.Context())
	if err != nil || len(empty.Builds) != 0 || len(empty.Queues) != 0 || empty.Bytes["database"] == 0 {
		t.Fatalf("an empty database: %+v, %v", empty, err)
	}
	space := db.NewBuildspace(t, "work")
	db.Iterate(t, space, storetest.Plan("old"))
	db.Iterate(t, space, storetest.Plan("lib", "other", "app: lib"))
	since := db.Clock.Now()
	db.Clock.Advance(time.Minute)
	db.Claim(t, "w1")
	got, err := db.Store.Statistics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := buildbtw.Counts{buildbtw.StatusPending: 1, buildbtw.StatusBuilding: 1, buildbtw.StatusBlocked: 1}
	for status, n := range got.Builds {
		if n != counts[status] {
			t.Errorf("%d builds %s, want %d", n, status, counts[status])
		}
	}
	if len(got.Queues) != 1 || got.Queues[0].Architecture != "x86_64" || got.Queues[0].Builds != 1 || !got.Queues[0].Oldest.Equal(since.UTC().Truncate(time.Microsecond)) {
		t.Errorf("queues %+v, want one build since %s", got.Queues, since)
	}
	if len(got.Workers) != 1 || len(got.Workers[0].Running) != 1 {
		t.Errorf("workers %+v", got.Workers)
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	if err := db.Store.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Store.Writable(ended); err == nil {
		t.Error("it waited for ever")
	}
}
