package scheduler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
)

func TestNewBuildspaceGetsAnIterationWithEmptyRepositories(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.push(t, "app", srcinfoOf("app", "1", "lib"))
	f.push(t, "other", srcinfoOf("other", "1"))
	f.space(t, "work", "lib")
	f.pass(t)

	rows := f.iterations(t, "work")
	if len(rows) != 1 || rows[0].Reason != buildbtw.IterationCreated || rows[0].Status() != buildbtw.IterationStatusBuilding {
		t.Fatalf("iterations: %+v", rows)
	}
	statuses := f.db.Statuses(t, "work")
	if len(statuses) != 2 || statuses["lib"] != buildbtw.StatusPending || statuses["app"] != buildbtw.StatusBlocked {
		t.Errorf("builds: %v", statuses)
	}
	if _, err := f.Repos.Path("work_1", "x86_64", "work.db"); err != nil {
		t.Errorf("the repository is not there from the first moment: %v", err)
	}
	f.db.Check(t)
}

func TestBurstOfPushesMakesOneIteration(t *testing.T) {
	f := newFixture(t)
	first := f.push(t, "lib", srcinfoOf("lib", "1"))
	f.space(t, "work", "lib")
	f.pass(t)

	var last string
	for _, version := range []string{"2", "3", "4"} {
		last = f.push(t, "lib", srcinfoOf("lib", version))
		f.pass(t)
		f.db.Clock.Advance(time.Second)
	}
	f.pass(t)
	if n := len(f.iterations(t, "work")); n != 1 {
		t.Fatalf("%d iterations before the pushes have settled", n)
	}
	f.db.Clock.Advance(2 * time.Second)
	f.pass(t)
	rows := f.iterations(t, "work")
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
	f.db.Check(t)
}

func TestSteadyPushesCannotPutOffAnIterationForEver(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.space(t, "work", "lib")
	f.pass(t)
	for i := range 3 * maxDebounce {
		f.push(t, "lib", srcinfoOf("lib", "2."+strings.Repeat("1", i+1)))
		f.pass(t)
		f.db.Clock.Advance(f.Debounce / 2)
	}
	if n := len(f.iterations(t, "work")); n < 2 {
		t.Error("a push every second put off the next iteration for longer than is allowed")
	}
}

func TestUnreadableChangesetMakesAnInvalidIterationUntilItIsFixed(t *testing.T) {
	f := newFixture(t)
	f.push(t, "broken", "pkgbase = broken\n\tpkgver = 1\n\tnonsense\n")
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.space(t, "bad", "broken")
	f.space(t, "good", "lib")
	f.pass(t)

	bad := f.iterations(t, "bad")
	if len(bad) != 1 || bad[0].Status() != buildbtw.IterationStatusInvalid || !strings.Contains(bad[0].Error, "line 3") {
		t.Fatalf("iterations of the unreadable changeset: %+v", bad)
	}
	if good := f.iterations(t, "good"); len(good) != 1 || good[0].Status() != buildbtw.IterationStatusBuilding {
		t.Errorf("the other buildspace was held up: %+v", good)
	}
	f.pass(t)
	if n := len(f.iterations(t, "bad")); n != 1 {
		t.Fatalf("%d iterations although nothing changed", n)
	}

	f.push(t, "broken", srcinfoOf("broken", "1"))
	f.pass(t)
	f.db.Clock.Advance(f.Debounce)
	f.pass(t)
	if bad := f.iterations(t, "bad"); len(bad) != 2 || bad[0].Status() != buildbtw.IterationStatusBuilding {
		t.Errorf("iterations after the fix: %+v", bad)
	}
	f.db.Check(t)
}

func TestVanishedSourceKeepsTheIteration(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.space(t, "work", "lib")
	f.pass(t)
	if err := os.RemoveAll(filepath.Join(f.sources, "lib")); err != nil {
		t.Fatal(err)
	}
	f.pass(t)
	f.db.Clock.Advance(time.Hour)
	f.pass(t)
	if n := len(f.iterations(t, "work")); n != 1 {
		t.Errorf("%d iterations", n)
	}
}

func TestEditSeesACommitThatWasMadeJustBefore(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.push(t, "app", srcinfoOf("app", "1"))
	f.space(t, "work", "lib")
	f.pass(t)
	commit := f.push(t, "app", srcinfoOf("app", "2"))
	edit := store.Edit{Changesets: &[]buildbtw.Changeset{{Source: "lib"}, {Source: "app"}}}
	if _, err := f.Store.EditBuildspace(t.Context(), "test", "work", edit); err != nil {
		t.Fatal(err)
	}
	if err := f.iteratePass(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := f.iterations(t, "work")
	planned, err := f.Store.IterationChangesets(t.Context(), rows[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || commits(planned)["app"] != commit {
		t.Errorf("%d iterations, planned %+v, want app at %s", len(rows), planned, commit)
	}
}

func TestSourcesPageNamesWhatIsWrong(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.push(t, "broken", "pkgver = 1\n")
	git(t, f.sources, "init", "-q", "-b", "other", "elsewhere")
	f.pass(t)
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
