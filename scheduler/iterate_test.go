package scheduler_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestNewBuildspaceGetsAnIterationWithEmptyRepositories(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Push(t, "other", schedulertest.Srcinfo("other", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")

	rows := f.Iterations(t, "work")
	if len(rows) != 1 || rows[0].Reason != buildbtw.IterationCreated || rows[0].Status() != buildbtw.IterationStatusBuilding {
		t.Fatalf("iterations: %+v", rows)
	}
	statuses := f.DB.Statuses(t, "work")
	if len(statuses) != 2 || statuses["lib"] != buildbtw.StatusPending || statuses["app"] != buildbtw.StatusBlocked {
		t.Errorf("builds: %v", statuses)
	}
	if _, err := f.Repos.OpenFile("work_1", "x86_64", "work.db"); err != nil {
		t.Errorf("the repository is not there from the first moment: %v", err)
	}
	f.DB.Check(t)
}

func TestBurstOfPushesMakesOneIteration(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	first := f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")

	var last string
	for _, version := range []string{"2", "3", "4"} {
		last = f.Push(t, "lib", schedulertest.Srcinfo("lib", version))
		f.Pass(t, "sync", "iterate")
		f.DB.Clock.Advance(time.Second)
	}
	f.Pass(t, "sync", "iterate")
	if n := len(f.Iterations(t, "work")); n != 1 {
		t.Fatalf("%d iterations before the pushes have settled", n)
	}
	f.DB.Clock.Advance(2 * time.Second)
	f.Pass(t, "sync", "iterate")
	rows := f.Iterations(t, "work")
	if len(rows) != 2 {
		t.Fatalf("%d iterations after one burst", len(rows))
	}
	want := "lib moved from " + first[:7] + " to " + last[:7]
	if rows[0].Reason != buildbtw.IterationPushed || rows[0].ReasonText != want {
		t.Errorf("reason %s %q, want %q", rows[0].Reason, rows[0].ReasonText, want)
	}
	if rows[1].Status() != buildbtw.IterationStatusSuperseded {
		t.Errorf("the first iteration is %s", rows[1].Status())
	}
	f.DB.Check(t)
}

func TestSteadyPushesCannotPutOffAnIterationForEver(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	for i := range 30 { // the debounce time may be put off ten times
		f.Push(t, "lib", schedulertest.Srcinfo("lib", "2."+strings.Repeat("1", i+1)))
		f.Pass(t, "sync", "iterate")
		f.DB.Clock.Advance(f.Debounce / 2)
	}
	if n := len(f.Iterations(t, "work")); n < 2 {
		t.Error("a push every second put off the next iteration for longer than is allowed")
	}
}

func TestUnreadableChangesetMakesAnInvalidIterationUntilItIsFixed(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "broken", "pkgbase = broken\n\tpkgver = 1\n\tnonsense\n")
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "bad", "broken")
	f.Space(t, "good", "lib")
	f.Pass(t, "sync", "iterate")

	bad := f.Iterations(t, "bad")
	if len(bad) != 1 || bad[0].Status() != buildbtw.IterationStatusInvalid || !strings.Contains(bad[0].Error, "line 3") {
		t.Fatalf("iterations of the unreadable changeset: %+v", bad)
	}
	if good := f.Iterations(t, "good"); len(good) != 1 || good[0].Status() != buildbtw.IterationStatusBuilding {
		t.Errorf("the other buildspace was held up: %+v", good)
	}
	f.Pass(t, "sync", "iterate")
	if n := len(f.Iterations(t, "bad")); n != 1 {
		t.Fatalf("%d iterations although nothing changed", n)
	}

	f.Push(t, "broken", schedulertest.Srcinfo("broken", "1"))
	f.Pass(t, "sync", "iterate")
	f.DB.Clock.Advance(f.Debounce)
	f.Pass(t, "sync", "iterate")
	if bad := f.Iterations(t, "bad"); len(bad) != 2 || bad[0].Status() != buildbtw.IterationStatusBuilding {
		t.Errorf("iterations after the fix: %+v", bad)
	}
	f.DB.Check(t)
}

func TestVanishedSourceKeepsTheIteration(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	if err := os.RemoveAll(filepath.Join(f.Sources, "lib")); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "sync", "iterate")
	f.DB.Clock.Advance(time.Hour)
	f.Pass(t, "sync", "iterate")
	if n := len(f.Iterations(t, "work")); n != 1 {
		t.Errorf("%d iterations", n)
	}
}

func TestEditSeesACommitThatWasMadeJustBefore(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	commit := f.Push(t, "app", schedulertest.Srcinfo("app", "2"))
	edit := store.Edit{Changesets: &[]buildbtw.Changeset{{Source: "lib"}, {Source: "app"}}}
	if _, err := f.Store.EditBuildspace(t.Context(), "test", "work", edit); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "iterate")
	rows := f.Iterations(t, "work")
	if at := f.Changesets(t, rows[0].ID); len(rows) != 2 || at["app"] != commit {
		t.Errorf("%d iterations, the newest of %v, want app at %s", len(rows), at, commit)
	}
}

func TestSourcesPageNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "broken", "pkgver = 1\n")
	schedulertest.Git(t, f.Sources, "init", "-q", "-b", "other", "elsewhere")
	f.Pass(t, "sync", "iterate")
	sources, err := f.Catalog.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trouble := map[string]string{}
	for _, s := range sources {
		trouble[s.Slug] = s.Error
	}
	if trouble["lib"] != "" || !strings.Contains(trouble["broken"], "line 1") {
		t.Errorf("troubles: %v", trouble)
	}
}

func TestFollowingBuildspaceNoticesEveryChangeOfItsGraph(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "1", "app"))
	f.Push(t, "other", schedulertest.Srcinfo("other", "1"))
	f.SpaceWith(t, "follows", func(s *buildbtw.Settings) { s.FollowAll = true }, "lib")
	f.SpaceWith(t, "does-not", func(*buildbtw.Settings) {}, "lib")
	f.Pass(t, "sync", "iterate")
	f.Push(t, "other", schedulertest.Srcinfo("other", "2")) // is in nobody's graph
	f.Settle(t)
	if n := len(f.Iterations(t, "follows")); n != 1 {
		t.Fatalf("%d iterations after a push elsewhere", n)
	}
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	rows := f.Iterations(t, "follows")
	if len(rows) != 2 || rows[0].Reason != buildbtw.IterationFollowed {
		t.Errorf("iterations: %+v", rows)
	}
	if n := len(f.Iterations(t, "does-not")); n != 1 {
		t.Errorf("%d iterations of a buildspace that does not follow", n)
	}
	f.Settle(t)
	if n := len(f.Iterations(t, "follows")); n != 2 {
		t.Errorf("%d iterations although nothing changed", n)
	}
}

// TestAPushInBetweenIsTheNextIteration pushes between the moment at which a pass
// finds that a changeset has moved and the moment at which it plans: when it asks
// for the time. The reason, the plan and the row of an iteration name one commit.
func TestAPushInBetweenIsTheNextIteration(t *testing.T) {
	t.Parallel()
	for name, follow := range map[string]bool{"changeset alone": false, "whole graph": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var between func()
			f := schedulertest.New(t, func(o *schedulertest.Options, db *storetest.DB) {
				o.Now = func() time.Time {
					if push := between; push != nil {
						between = nil
						push()
					}
					return db.Clock.Now()
				}
			})
			commits := []string{f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))}
			f.SpaceWith(t, "work", func(s *buildbtw.Settings) { s.FollowAll = follow }, "lib")
			f.Pass(t, "sync", "iterate")
			push := func(version string) {
				commits = append(commits, f.Push(t, "lib", schedulertest.Srcinfo("lib", version)))
				f.Pass(t, "sync")
			}
			push("2")
			f.Pass(t, "iterate")
			f.DB.Clock.Advance(f.Debounce)
			between = func() { push("3") }
			f.Pass(t, "iterate")
			wantCommit(t, f, 2, commits[0], commits[1], "2-1")
			f.Pass(t, "iterate")
			f.DB.Clock.Advance(f.Debounce)
			f.Pass(t, "iterate")
			wantCommit(t, f, 3, commits[1], commits[2], "3-1")
		})
	}
}

// wantCommit wants the newest iteration to have been made because lib moved, and
// everything in it to be of that commit.
func wantCommit(t *testing.T, f *schedulertest.Server, number int, from, to, version string) {
	t.Helper()
	it := f.Iterations(t, "work")[0]
	want := "lib moved from " + from[:7] + " to " + to[:7]
	if it.Number != number || it.ReasonText != want {
		t.Errorf("iteration %d: %s; want %d: %s", it.Number, it.ReasonText, number, want)
	}
	if at := f.Changesets(t, it.ID)["lib"]; at != to {
		t.Errorf("iteration %d has lib at %s, want %s", number, at, to)
	}
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work"})
	if err != nil || len(rows) != 1 || rows[0].Commit != to || rows[0].Version != version {
		t.Errorf("builds %+v (%v), want lib %s at %s", rows, err, version, to)
	}
}

// TestAChangesetThatIsGoneIsAnEvent: once when its branch or its source vanishes, once
// when it is back, whatever else is pushed meanwhile. The iteration goes on.
func TestAChangesetThatIsGoneIsAnEvent(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Space(t, "work", "lib", "app")
	f.Pass(t, "sync", "iterate")
	said := func() (words []string) {
		t.Helper()
		events, err := f.Store.Events(t.Context(), store.EventFilter{Buildspace: "work", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == buildbtw.EventBuildspace && e.Message != "Created." {
				words = append(words, e.Message)
			}
		}
		return words
	}
	moved := filepath.Join(t.TempDir(), "lib")
	path := filepath.Join(f.Sources, "lib")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1", "2"} {
		f.Pass(t, "sync", "iterate")
		f.Push(t, "other", schedulertest.Srcinfo("other", version))
		f.DB.Clock.Advance(time.Minute)
	}
	if got := said(); len(got) != 1 || !strings.HasPrefix(got[0], `lib cannot be followed any more: there is no source "lib"`) {
		t.Errorf("after the source went: %q", got)
	}
	row, err := f.Store.Buildspace(t.Context(), "work")
	if err != nil || row.Lost != "lib" || len(f.Iterations(t, "work")) != 1 {
		t.Errorf("lost %q, %v, %d iterations", row.Lost, err, len(f.Iterations(t, "work")))
	}
	if err := os.Rename(moved, path); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "sync", "iterate", "sync", "iterate")
	if got := said(); len(got) != 2 || !strings.HasPrefix(got[1], "lib is there again") {
		t.Errorf("after it came back: %q", got)
	}
}

// What sources may have in them, all of which other build systems have stumbled over: it
// is planned as it stands there, in its order.
func TestOddSourcesArePlanned(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	many := strings.Builder{}
	for i := range 18_000 {
		fmt.Fprintf(&many, "\tprovides = texlive-%d=2026\n", i)
	}
	crlf := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
	texlive := strings.Replace(schedulertest.Srcinfo("texlive", "2026"), "\n\n", "\n"+many.String()+"\n", 1)
	for slug, text := range map[string]string{
		"texlive": texlive,
		"crlf":    crlf(schedulertest.Srcinfo("crlf", "1.0", "texlive-17999>=2026")),
		"epoch":   strings.Replace(schedulertest.Srcinfo("epoch", "2.0~rc1+git5.g1a2b", "crlf>=1.0"), "\tpkgrel", "\tepoch = 3\n\tpkgrel", 1),
		"lib++":   schedulertest.Srcinfo("lib++", "1", "epoch>=3:2.0~rc1"),
	} {
		f.Push(t, slug, text)
	}
	f.SpaceWith(t, "work", func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }, "texlive")
	f.Pass(t, "sync", "iterate")
	var got []string
	for range 4 {
		c := f.DB.Claim(t, "w1")
		got = append(got, c.Build.Pkgbase+" "+c.Build.Version)
		f.DB.Finish(t, c)
	}
	if want := []string{"texlive 2026-1", "crlf 1.0-1", "epoch 3:2.0~rc1+git5.g1a2b-1", "lib++ 1-1"}; !slices.Equal(got, want) {
		t.Errorf("built %q, want %q", got, want)
	}
}

// A push that is taken back makes an iteration at the older commit, says so, and what
// was built of that commit before is used again; one that rewrites history likewise.
func TestAPushThatIsTakenBack(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	first := f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	second := f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	schedulertest.Git(t, filepath.Join(f.Sources, "lib"), "reset", "-q", "--hard", first)
	f.Settle(t)
	schedulertest.Git(t, filepath.Join(f.Sources, "lib"), "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "--amend", "-m", "rewritten")
	third := schedulertest.Git(t, filepath.Join(f.Sources, "lib"), "rev-parse", "HEAD")
	f.Settle(t)
	rows := f.Iterations(t, "work")
	var got []string
	for _, it := range rows {
		got = append(got, it.ReasonText)
	}
	moved := func(from, to string) string { return "lib moved from " + from[:7] + " to " + to[:7] }
	if want := []string{moved(first, third), moved(second, first), moved(first, second)}; len(got) != 4 || !slices.Equal(got[:3], want) {
		t.Fatalf("iterations: %q, want %q and the first", got, want)
	}
	if at := f.Changesets(t, rows[1].ID)["lib"]; at != first {
		t.Errorf("the third iteration is at %s, want %s", at, first)
	}
	if c := f.DB.Claim(t, "w1"); c.Build.Commit != third || c.Build.Version != "1-1" {
		t.Errorf("%+v", c.Build)
	}
}
