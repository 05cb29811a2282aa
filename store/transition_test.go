package store

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
)

// openTemp is for tests of what is not exported; the others use storetest.
func openTemp(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.sqlite"), Options{
		Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// oneBuild makes a buildspace with an iteration of one build and gives its id.
func oneBuild(t *testing.T, s *Store) int64 {
	t.Helper()
	b := buildbtw.Buildspace{Name: "grid", Settings: buildbtw.DefaultSettings()}
	row, err := s.CreateBuildspace(t.Context(), "alice", b, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		t.Fatal(err)
	}
	plan := &buildgraph.Plan{Architectures: map[string]*buildgraph.ArchPlan{
		"x86_64": {Builds: []buildgraph.Build{{Pkgbase: "lib", Source: "lib", Pkgnames: []string{"lib"}, Stage: 1}}},
	}}
	if _, err := s.CreateIteration(t.Context(), NewIteration{BuildspaceID: row.ID, Reason: buildbtw.IterationCreated, Plan: plan}); err != nil {
		t.Fatal(err)
	}
	rows, _, err := s.Builds(t.Context(), BuildFilter{Buildspace: "grid"})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d builds, %v", len(rows), err)
	}
	return rows[0].ID
}

// causesOfTable are all causes that the transition table knows.
func causesOfTable() []buildbtw.Cause {
	var list []buildbtw.Cause
	for _, tr := range buildbtw.Transitions() {
		list = append(list, tr.Causes...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestMoveTakesExactlyTheWaysOfTheTable(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	id := oneBuild(t, s)
	for _, from := range buildbtw.Statuses() {
		for _, to := range buildbtw.Statuses() {
			for _, cause := range causesOfTable() {
				tryMove(t, s, id, from, change{to: to, cause: cause, actor: "alice"})
			}
		}
	}
}

// tryMove puts the build at a status by hand, tries one way, and compares row,
// event and error with what the table says.
func tryMove(t *testing.T, s *Store, id int64, from buildbtw.Status, c change) {
	t.Helper()
	place(t, s, id, from)
	events := countEvents(t, s)
	err := s.inTx(t.Context(), func(ctx context.Context, t *tx) error { return t.moveOne(ctx, id, c) })
	allowed := from.CanBecome(c.to, c.cause)
	b, lerr := s.Build(t.Context(), id)
	if lerr != nil {
		t.Fatal(lerr)
	}
	switch got := countEvents(t, s) - events; {
	case allowed && (err != nil || b.Status != c.to || got != 1):
		t.Errorf("%s to %s (%s): %v, is %s, %d events; want it done with one event", from, c.to, c.cause, err, b.Status, got)
	case !allowed && (buildbtw.KindOf(err) != buildbtw.KindConflict || b.Status != from || got != 0):
		t.Errorf("%s to %s (%s): %v, is %s, %d events; want a conflict and no change", from, c.to, c.cause, err, b.Status, got)
	}
	want := buildbtw.Cause("")
	if c.to == buildbtw.StatusSkipped {
		want = c.cause
	}
	if allowed && b.SkipReason != want {
		t.Errorf("%s to %s (%s): skip reason %q, want %q", from, c.to, c.cause, b.SkipReason, want)
	}
}

// place gives the one build of an iteration a status past all rules.
func place(t *testing.T, s *Store, id int64, status buildbtw.Status) {
	t.Helper()
	reason := ""
	if status == buildbtw.StatusSkipped {
		reason = string(buildbtw.CauseStopped)
	}
	if _, err := s.write.ExecContext(t.Context(), `UPDATE builds SET status = ?, skip_reason = ? WHERE id = ?`, status, reason, id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), `UPDATE build_counts SET builds = (status = ?)`, status); err != nil {
		t.Fatal(err)
	}
}

func countEvents(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := s.write.NewSelect().Model((*buildbtw.Event)(nil)).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOnlyWhatAPersonSkippedIsResumed: the guard looks at the reason, too.
func TestOnlyWhatAPersonSkippedIsResumed(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	id := oneBuild(t, s)
	for _, why := range []buildbtw.Cause{
		buildbtw.CauseStopped, buildbtw.CauseSuperseded, buildbtw.CauseUnchanged, buildbtw.CauseExcluded, buildbtw.CauseCancelled,
	} {
		for _, to := range []buildbtw.Status{buildbtw.StatusPending, buildbtw.StatusBlocked} {
			place(t, s, id, buildbtw.StatusSkipped)
			if _, err := s.write.ExecContext(t.Context(), `UPDATE builds SET skip_reason = ? WHERE id = ?`, why, id); err != nil {
				t.Fatal(err)
			}
			err := s.inTx(t.Context(), func(ctx context.Context, t *tx) error {
				return t.moveOne(ctx, id, change{to: to, cause: buildbtw.CauseResumed})
			})
			if want := why == buildbtw.CauseStopped || why == buildbtw.CauseCancelled; (err == nil) != want {
				t.Errorf("skipped (%s) to %s: %v, want allowed %v", why, to, err, want)
			}
		}
	}
}

func TestConflictSaysWhatTheStatusIsNow(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	id := oneBuild(t, s)
	place(t, s, id, buildbtw.StatusBuilt)
	err := s.inTx(t.Context(), func(ctx context.Context, t *tx) error {
		return t.moveOne(ctx, id, change{to: buildbtw.StatusFailed, cause: buildbtw.CauseFailed})
	})
	const want = "lib for x86_64 is built now; it cannot become failed (failed)"
	if buildbtw.MessageOf(err) != want {
		t.Errorf("got %q, want %q", buildbtw.MessageOf(err), want)
	}
}

func TestMoveRollsBackWithItsTransaction(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	id := oneBuild(t, s)
	changed, cancel := s.Subscribe()
	defer cancel()
	events := countEvents(t, s)
	err := s.inTx(t.Context(), func(ctx context.Context, t *tx) error {
		if err := t.moveOne(ctx, id, change{to: buildbtw.StatusBuilding, cause: buildbtw.CauseLeased}); err != nil {
			return err
		}
		return context.DeadlineExceeded
	})
	b, lerr := s.Build(t.Context(), id)
	if err == nil || lerr != nil || b.Status != buildbtw.StatusPending || countEvents(t, s) != events || len(changed) != 0 {
		t.Errorf("%v: is %s (%v), %d new events, %d tokens", err, b.Status, lerr, countEvents(t, s)-events, len(changed))
	}
}
