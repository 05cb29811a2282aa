package store_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// comparing is a store of a server that compares failures with the base.
func comparing(t *testing.T) *storetest.DB {
	t.Helper()
	return storetest.NewWith(t, func(o *store.Options) { o.CanCompare, o.Compare = true, true })
}

// startBaselines does what the loop does: every build that is to be built on the base alone
// is, with one state of the base.
func startBaselines(t *testing.T, db *storetest.DB, key string) int {
	t.Helper()
	rows, err := db.BaselinesWanted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := db.StartBaseline(t.Context(), store.Baseline{Failed: r.ID, Commit: r.Commit, Version: r.Version, Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	db.Check(t)
	return len(rows)
}

// finishBaseline ends a build on the base alone with packages.
func finishBaseline(t *testing.T, db *storetest.DB, c *store.Claimed) {
	t.Helper()
	p, err := db.BeginPublish(t.Context(), c.Attempt.Lease, db.Upload(t, c))
	if err != nil || !p.Done() || p.Status != buildbtw.StatusBuilt {
		t.Fatalf("%+v, %v; a build on the base is built at once, and not published", p, err)
	}
}

func standing(t *testing.T, db *storetest.DB, id int64) string {
	t.Helper()
	row, err := db.Build(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(row.Status) + " " + string(row.Verdict))
}

// TestVerdicts is the table of docs/domain.md: how the attempt that fails, the one that
// follows it and the build on the base end, and whose fault it is then.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const built, failed = buildbtw.OutcomeBuilt, buildbtw.OutcomeFailed
	for _, c := range []struct {
		first, again, base buildbtw.Outcome
		notChecked         buildbtw.Names
		want               string
		message            string
	}{
		{first: built, want: "built"},
		{first: failed, want: "failed"},
		{first: failed, again: built, want: "built flaky"},
		{first: buildbtw.OutcomeTimedOut, again: built, want: "built flaky"},
		{first: failed, again: failed, want: "failed"},
		{first: failed, again: buildbtw.OutcomeStalled, base: built, want: "failed yours"},
		{first: failed, again: failed, base: built, want: "failed yours"},
		{first: failed, again: failed, base: failed, want: "failed already-broken"},
		{first: failed, again: failed, base: buildbtw.OutcomeTimedOut, want: "failed already-broken"},
		{first: failed, again: failed, base: failed, notChecked: buildbtw.Names{"lib"}, want: "failed", message: "has no lib"},
		{first: failed, again: failed, base: built, notChecked: buildbtw.Names{"lib"}, want: "failed yours"},
		{first: failed, again: failed, base: buildbtw.OutcomeInfrastructure, want: "failed", message: "Given up after"},
		{first: failed, again: buildbtw.OutcomeInfrastructure, want: "failed infrastructure"},
		{first: buildbtw.OutcomeInfrastructure, want: "failed infrastructure"},
	} {
		t.Run(fmt.Sprint(c.first, " ", c.again, " ", c.base, " ", c.notChecked), func(t *testing.T) {
			t.Parallel()
			db := comparing(t)
			db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
			var id int64
			end := func(o buildbtw.Outcome) {
				for range 10 {
					claimed := db.Claim(t, "w1")
					if claimed == nil {
						t.Fatal("nothing to build")
					}
					if id == 0 {
						id = claimed.Build.ID
					}
					if claimed.Build.BaselineID != 0 && len(c.notChecked) > 0 {
						if err := db.NoteFinish(t.Context(), claimed.Attempt.Lease, c.notChecked, 0); err != nil {
							t.Fatal(err)
						}
					}
					switch {
					case o == built && claimed.Build.BaselineID != 0:
						finishBaseline(t, db, claimed)
						return
					case o == built:
						db.Finish(t, claimed)
						return
					}
					if db.End(t, claimed, o) != buildbtw.StatusPending {
						return
					}
					db.Clock.Advance(maxPause)
				}
			}
			for i, o := range []buildbtw.Outcome{c.first, c.again, c.base} {
				if o == "" {
					break
				}
				if i == 2 && startBaselines(t, db, "k") != 1 {
					t.Fatal("nothing is to be built on the base")
				}
				end(o)
				db.Check(t)
			}
			if got := standing(t, db, id); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			check, _, err := db.BaselineCheck(t.Context(), id)
			if err != nil || !strings.Contains(check.Message, c.message) || c.message == "" && check.Message != "" {
				t.Errorf("%+v, %v; want a message with %q", check, err, c.message)
			}
		})
	}
}

// maxPause is longer than any pause before a build is tried again.
const maxPause = 11 * 60 * 1e9

// failTwice ends the first attempt of the build that comes next, and the one that follows it.
func failTwice(t *testing.T, db *storetest.DB) int64 {
	t.Helper()
	c := db.Claim(t, "w1")
	db.End(t, c, buildbtw.OutcomeFailed)
	again := db.Claim(t, "w1")
	if again == nil || again.Build.ID != c.Build.ID {
		t.Fatalf("claimed %+v, want %s once more", again, c.Build.Pkgbase)
	}
	db.End(t, again, buildbtw.OutcomeFailed)
	return c.Build.ID
}

func TestWaitingToBeComparedChangesNothingOfTheFailedBuild(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib", "other"))
	c := db.Claim(t, "w1")
	db.End(t, c, buildbtw.OutcomeFailed)
	if got := standing(t, db, c.Build.ID); got != "failed" {
		t.Errorf("it is %s, want failed at once", got)
	}
	if next := db.Claim(t, "w1"); next.Build.ID == c.Build.ID {
		t.Error("it is built once more while another build waits")
	}
}

// TestComparisonsTakeIdleSlotsAndATenthOfTheBusy also goes through MayCompare.
func TestComparisonsTakeIdleSlotsAndATenthOfTheBusy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		comparing, busy int
		want            bool
	}{{0, 0, false}, {0, 9, false}, {0, 10, true}, {1, 10, false}, {1, 19, false}, {1, 20, true}, {3, 40, true}, {4, 40, false}} {
		if got := buildbtw.MayCompare(c.comparing, c.busy); got != c.want {
			t.Errorf("%d of %d busy slots compare: may another: %v", c.comparing, c.busy, got)
		}
	}
	db := comparing(t)
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprintf("p%02d", i)
	}
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(names...))
	failed := map[int64]bool{}
	for range 5 {
		c := db.Claim(t, "w0")
		failed[c.Build.ID] = true
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	var order []bool
	for i := range 24 {
		order = append(order, failed[db.Claim(t, fmt.Sprintf("w%d", i+1)).Build.ID])
	}
	for i, again := range order {
		if want := i == 10 || i == 20; again != want { // the ten and twenty before are busy
			t.Errorf("claim %d is for a comparison: %v, want %v", i+1, again, want)
		}
	}
	n := 0
	for i := range 20 {
		if c := db.Claim(t, fmt.Sprintf("x%d", i)); c != nil && failed[c.Build.ID] {
			n++
		}
	}
	if n != 3 {
		t.Errorf("when nothing else waits %d more are built for comparisons, want the other 3", n)
	}
	db.Check(t)
}

func TestWhatAPersonAsksForIsComparedFirst(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	off := buildbtw.DefaultSettings()
	off.Reuse, off.Baseline = false, false
	db.Iterate(t, db.NewBuildspace(t, "on"), storetest.Plan("a"))
	db.Iterate(t, db.NewBuildspaceWith(t, "off", off), storetest.Plan("b"))
	ids := map[string]int64{}
	for range 2 {
		c := db.Claim(t, "w1")
		ids[c.Build.Pkgbase] = c.Build.ID
		db.End(t, c, buildbtw.OutcomeFailed)
		db.Clock.Advance(1e9)
	}
	if _, ok, err := db.BaselineCheck(t.Context(), ids["b"]); ok || err != nil {
		t.Errorf("a build is compared although its buildspace has that switched off: %v", err)
	}
	for range 2 { // asking again changes nothing
		if _, err := db.CompareBuild(t.Context(), "anna", ids["b"]); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"b", "a"} {
		c := db.Claim(t, "w"+want)
		if c == nil || c.Build.Pkgbase != want {
			t.Fatalf("claimed %+v, want %s", c, want)
		}
		if _, err := db.CompareBuild(t.Context(), "anna", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("compare a build that runs: %v, want a conflict", err)
		}
	}
	db.Check(t)
}

// TestABaselineIsSharedByAllBuildspaces: by the same commit, architecture and base only.
func TestABaselineIsSharedByAllBuildspaces(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	var ids []int64
	for _, name := range []string{"one", "two", "three"} {
		db.Iterate(t, db.NewBuildspace(t, name), storetest.Plan("lib"))
		ids = append(ids, failTwice(t, db))
	}
	startBaselines(t, db, "k")
	c := db.Claim(t, "w1")
	if c == nil || c.Build.BaselineID == 0 || db.Claim(t, "w2") != nil {
		t.Fatalf("three buildspaces with one failure want one build on the base, got %+v", c)
	}
	finishBaseline(t, db, c)
	db.Iterate(t, db.NewBuildspace(t, "four"), storetest.Plan("lib"))
	ids = append(ids, failTwice(t, db))
	startBaselines(t, db, "k")
	for _, id := range ids {
		if got := standing(t, db, id); got != "failed yours" {
			t.Errorf("build %d is %s, want the verdict of the one on the base", id, got)
		}
	}
	if db.Claim(t, "w1") != nil {
		t.Error("what is known is built on the base again")
	}
	db.Iterate(t, db.NewBuildspace(t, "five"), storetest.Plan("lib"))
	failTwice(t, db)
	startBaselines(t, db, "another base")
	if c := db.Claim(t, "w1"); c == nil || c.Build.BaselineID == 0 {
		t.Errorf("another base needs a build of its own, got %+v", c)
	}
	rows, _, err := db.Buildspaces(t.Context(), store.BuildspaceFilter{})
	if err != nil || len(rows) != 5 {
		t.Errorf("%d buildspaces are listed, %v; want those of people", len(rows), err)
	}
	events, err := db.Events(t.Context(), store.EventFilter{Limit: 500})
	for _, e := range events {
		if e.Buildspace == store.HiddenBuildspace {
			t.Errorf("an event of a build on the base is in the list of all: %+v", e)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestBaselinesThatNobodyNeedsEnd: and one that is needed again begins anew.
func TestBaselinesThatNobodyNeedsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*storetest.DB, int64) error{
		"stopped": func(db *storetest.DB, _ int64) error {
			_, err := db.StopBuildspace(t.Context(), "anna", "space")
			return err
		},
		"retried": func(db *storetest.DB, id int64) error {
			_, err := db.RetryBuild(t.Context(), "anna", id)
			return err
		},
		"superseded": func(db *storetest.DB, _ int64) error {
			row, err := db.Buildspace(t.Context(), "space")
			db.Iterate(t, row, storetest.Plan("lib", "more"))
			return err
		},
	} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", running), func(t *testing.T) {
				t.Parallel()
				db := comparing(t)
				db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
				id := failTwice(t, db)
				startBaselines(t, db, "k")
				check, _, err := db.BaselineCheck(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				var c *store.Claimed
				if running {
					c = db.Claim(t, "w1")
				}
				if n, err := db.EndUnneeded(t.Context()); n != 0 || err != nil {
					t.Fatalf("%d were ended that are needed, %v", n, err)
				}
				if err := end(db, id); err != nil {
					t.Fatal(err)
				}
				if n, err := db.EndUnneeded(t.Context()); n != 1 || err != nil {
					t.Errorf("%d were ended, %v; want 1", n, err)
				}
				if got := standing(t, db, check.BaselineBuild); got != "skipped" {
					t.Errorf("the build on the base is %s", got)
				}
				if running {
					if stop, err := db.Heartbeat(t.Context(), c.Attempt.Lease, storetest.Lease); !stop || err != nil {
						t.Errorf("its worker goes on: %v", err)
					}
				}
				db.Check(t)
				if name == "stopped" {
					if _, err := db.StartBuildspace(t.Context(), "anna", "space"); err != nil {
						t.Fatal(err)
					}
					if startBaselines(t, db, "k") != 1 {
						t.Error("it is needed again, and does not begin anew")
					}
					c := db.Claim(t, "w2")
					if c == nil || c.Build.BaselineID == 0 {
						t.Fatalf("claimed %+v", c)
					}
					finishBaseline(t, db, c)
					if got := standing(t, db, id); got != "failed yours" {
						t.Errorf("it is %s", got)
					}
				}
			})
		}
	}
}

// TestComparisonsSurviveRestarts: after each step the server ends and starts again; every
// worker is lost once.
func TestComparisonsSurviveRestarts(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lose := func() {
		t.Helper()
		if db.Claim(t, "lost") == nil {
			t.Fatal("nothing to build")
		}
		db.Reopen(t)
		db.Clock.Advance(2 * storetest.Lease)
		if over, err := db.ExpireLeases(t.Context()); len(over) != 1 || err != nil {
			t.Fatalf("%v, %v", over, err)
		}
		db.Clock.Advance(maxPause)
		db.Reopen(t)
		db.Check(t)
	}
	lose()
	c := db.Claim(t, "w1")
	db.End(t, c, buildbtw.OutcomeFailed)
	db.Reopen(t)
	lose()
	again := db.Claim(t, "w1")
	if again == nil || again.Build.ID != c.Build.ID {
		t.Fatalf("claimed %+v", again)
	}
	db.End(t, again, buildbtw.OutcomeFailed)
	db.Reopen(t)
	startBaselines(t, db, "k")
	db.Reopen(t)
	if startBaselines(t, db, "k") != 0 {
		t.Error("what has begun begins again")
	}
	lose()
	base := db.Claim(t, "w1")
	files := db.Upload(t, base)
	for range 2 { // the answer to the first was lost
		p, err := db.BeginPublish(t.Context(), base.Attempt.Lease, files)
		if err != nil || p.Status != buildbtw.StatusBuilt {
			t.Fatalf("%+v, %v", p, err)
		}
		db.Reopen(t)
	}
	if got := standing(t, db, c.Build.ID); got != "failed yours" {
		t.Errorf("it is %s", got)
	}
	packages, err := db.BuildPackages(t.Context(), base.Build.ID)
	if err != nil || len(packages) != 0 {
		t.Errorf("packages %v of a build on the base are published, %v", packages, err)
	}
}

func TestWhatIsNotComparedStaysAsItWas(t *testing.T) {
	t.Parallel()
	db := storetest.New(t) // of a server that compares nothing
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	c := db.Claim(t, "w1")
	db.End(t, c, buildbtw.OutcomeFailed)
	if again := db.Claim(t, "w1"); again != nil {
		t.Errorf("claimed %+v", again)
	}
	if _, err := db.CompareBuild(t.Context(), "anna", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("compare without workers: %v, want a conflict", err)
	}
}

func TestVerdictsAreCounted(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	db.End(t, db.Claim(t, "w2"), buildbtw.OutcomeFailed)
	db.Finish(t, db.Claim(t, "w1"))
	counts, err := db.Verdicts(t.Context(), it.ID)
	if got := counts[it.ID]; err != nil || got[buildbtw.VerdictFlaky] != 1 || got[buildbtw.VerdictNone] != 1 {
		t.Errorf("%v, %v; want one flaky and one not compared", got, err)
	}
}

// TestACancelledComparisonStaysCancelled until somebody asks for it again; what a person
// cancels is not built again because it is still needed.
func TestACancelledComparisonStaysCancelled(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(strconv.FormatBool(running), func(t *testing.T) {
			t.Parallel()
			db := comparing(t)
			var ids []int64
			for _, name := range []string{"one", "two"} {
				db.Iterate(t, db.NewBuildspace(t, name), storetest.Plan("lib"))
				ids = append(ids, failTwice(t, db))
			}
			startBaselines(t, db, "k")
			row, err := db.Build(t.Context(), ids[0])
			if err != nil {
				t.Fatal(err)
			}
			base := row.BaselineBuild
			if running && db.Claim(t, "w1") == nil {
				t.Fatal("the build on the base is not handed out")
			}
			if _, err := db.CancelBuild(t.Context(), "anna", base); err != nil {
				t.Fatal(err)
			}
			if n := startBaselines(t, db, "k"); n != 0 || db.Claim(t, "w2") != nil {
				t.Errorf("%d comparisons begin again that were cancelled", n)
			}
			for _, id := range ids {
				row, err := db.Build(t.Context(), id)
				if err != nil || row.Comparing || row.NotCompared != "The comparison with the base was cancelled by anna." {
					t.Errorf("build %d: comparing %v, %q, %v", id, row.Comparing, row.NotCompared, err)
				}
			}
			if _, err := db.RetryBuild(t.Context(), "anna", base); buildbtw.KindOf(err) != buildbtw.KindConflict || strings.Contains(buildbtw.MessageOf(err), store.HiddenBuildspace) {
				t.Errorf("retry the build on the base: %v, want a conflict without the hidden buildspace", err)
			}
			if _, err := db.CompareBuild(t.Context(), "bob", ids[1]); err != nil {
				t.Fatal(err)
			}
			if n := startBaselines(t, db, "k"); n != 1 {
				t.Errorf("%d comparisons begin, want the one that was asked for", n)
			}
			c := db.Claim(t, "w3")
			if c == nil || c.Build.BaselineID == 0 || c.Build.ID == base {
				t.Fatalf("claimed %+v, want a new build on the base", c)
			}
			finishBaseline(t, db, c)
			if got := standing(t, db, ids[1]); got != "failed yours" {
				t.Errorf("it is %s", got)
			}
		})
	}
}
