package store_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestBeginPublishTakesExactlyTheUploadedFiles(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	plan := storetest.Plan("split")
	plan.Architectures["x86_64"].Builds[0].Pkgnames = []string{"split", "split-docs"}
	db.Iterate(t, db.NewBuildspace(t, "space"), plan)
	c := db.Claim(t, "w1")
	files := db.Upload(t, c)
	if err := db.AddPackage(t.Context(), c.Attempt.Lease, storetest.Package(c, "split-debug")); err != nil {
		t.Fatal(err)
	}
	debug := store.PackageFile{Filename: storetest.Package(c, "split-debug").Filename, SHA256: files[0].SHA256}
	wrong := store.PackageFile{Filename: files[0].Filename, SHA256: "00"}
	bad := map[string][]store.PackageFile{
		"none":              nil,
		"one too few":       files,
		"a foreign one":     {files[0], files[1], debug, {Filename: "other.pkg.tar.zst", SHA256: "00"}},
		"another digest":    {wrong, files[1], debug},
		"one of them twice": {files[0], files[0], files[1], debug},
		"debug alone":       {debug},
	}
	for name, list := range bad {
		if _, err := db.BeginPublish(t.Context(), c.Attempt.Lease, list); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	p, err := db.BeginPublish(t.Context(), c.Attempt.Lease, []store.PackageFile{debug, files[1], files[0]})
	if err != nil || p.Done() || len(p.Files) != 3 || p.Attempt.State != buildbtw.AttemptPublishing || p.Build.Iteration != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
	db.Check(t)
}

// TestARepositoryHasThePackagesOfOneStage: those that were published last, whichever
// stage is built again, and none of the names that only the other has.
func TestARepositoryHasThePackagesOfOneStage(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib", "app: lib", "app@2: app"))
	digests := map[string]string{}
	build := func(name string, debug bool) {
		t.Helper()
		c := db.Claim(t, "w1")
		if c == nil || c.Build.Pkgbase+"@"+strconv.Itoa(c.Build.Stage) != name {
			t.Fatalf("claimed %+v, want %s", c, name)
		}
		files := db.Upload(t, c)
		if debug {
			p := storetest.Package(c, c.Build.Pkgbase+"-debug")
			must(t, db.AddPackage(ctx, c.Attempt.Lease, p))
			files = append(files, store.PackageFile{Filename: p.Filename, SHA256: p.SHA256})
		}
		_, err := db.BeginPublish(ctx, c.Attempt.Lease, files)
		must(t, err)
		_, err = db.CompletePublish(ctx, c.Attempt.ID)
		must(t, err)
		digests[files[0].SHA256] = name
	}
	rebuild := func(stage int) {
		t.Helper()
		rows, _, err := db.Builds(ctx, store.BuildFilter{Buildspace: "space", Pkgbase: "app"})
		must(t, err)
		for _, b := range rows {
			if b.Stage == stage {
				_, err := db.RebuildBuild(ctx, "alice", b.ID)
				must(t, err)
			}
		}
	}
	listed := func(want ...string) {
		t.Helper()
		packages, err := db.RepositoryPackages(ctx, "space_1", "x86_64")
		must(t, err)
		var got []string
		for _, p := range packages {
			got = append(got, p.Pkgname+" of "+digests[p.SHA256])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("listed (-want +got):\n%s", d)
		}
	}
	build("lib@1", false)
	build("app@1", true)
	listed("app of app@1", "app-debug of app@1", "lib of lib@1")
	build("app@2", false)
	listed("app of app@2", "lib of lib@1")
	rebuild(2)
	listed("app of app@2", "lib of lib@1") // until the new ones replace them
	build("app@2", false)
	rebuild(1)
	listed("app of app@2", "lib of lib@1")
	build("app@1", true)
	listed("app of app@1", "app-debug of app@1", "lib of lib@1")
	build("app@2", false)
	listed("app of app@2", "lib of lib@1")
}

func TestFinishWithoutAPromisedPackageIsRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	plan := storetest.Plan("split")
	plan.Architectures["x86_64"].Builds[0].Pkgnames = []string{"split", "split-docs"}
	db.Iterate(t, db.NewBuildspace(t, "space"), plan)
	c := db.Claim(t, "w1")
	only := storetest.Package(c, "split")
	if err := db.AddPackage(t.Context(), c.Attempt.Lease, only); err != nil {
		t.Fatal(err)
	}
	_, err := db.BeginPublish(t.Context(), c.Attempt.Lease, []store.PackageFile{{Filename: only.Filename, SHA256: only.SHA256}})
	const want = "package split-docs of split is missing; a build is finished with all its packages"
	if buildbtw.MessageOf(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestRepeatedUploadReplacesTheFirst(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	files := db.Upload(t, c)
	db.Upload(t, c)
	p, err := db.BeginPublish(t.Context(), c.Attempt.Lease, files)
	if err != nil || len(p.Files) != 1 {
		t.Errorf("%d files, %v; want one", len(p.Files), err)
	}
}

func TestPublishingSurvivesCrashesAtEveryPoint(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	files := db.Upload(t, c)
	db.Reopen(t)
	begin := func(done bool) {
		t.Helper()
		p, err := db.BeginPublish(t.Context(), c.Attempt.Lease, files)
		if err != nil || p.Done() != done || len(p.Files) != 1 || p.Files[0].SHA256 != files[0].SHA256 {
			t.Fatalf("begin: %+v, %v; want done %v", p, err, done)
		}
		db.Check(t)
	}
	begin(false)
	db.Clock.Advance(10 * storetest.Lease)
	db.Reopen(t) // the packages may be in some repositories now
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 0 {
		t.Fatalf("an attempt was lost while it was published: %+v, %v", over, err)
	}
	begin(false)
	list, err := db.Publishing(t.Context())
	if err != nil || len(list) != 1 || list[0].Attempt.ID != c.Attempt.ID || list[0].Build.Buildspace != "space" {
		t.Fatalf("to be rolled forward: %+v, %v", list, err)
	}
	for range 2 { // the second time after a crash before the answer
		if status, err := db.CompletePublish(t.Context(), c.Attempt.ID); err != nil || status != buildbtw.StatusBuilt {
			t.Fatalf("complete: %s, %v", status, err)
		}
		db.Check(t)
		db.Reopen(t)
	}
	begin(true)
	if list, err := db.Publishing(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("still to be rolled forward: %+v, %v", list, err)
	}
	if next := db.Claim(t, "w1"); next == nil || next.Build.Pkgbase != "app" {
		t.Errorf("got %+v, want app", next)
	}
	if d := cmp.Diff(packageNames(t, db, c.Build.ID), []string{"lib"}); d != "" {
		t.Error(d)
	}
}

func packageNames(t *testing.T, db *storetest.DB, build int64) []string {
	t.Helper()
	list, err := db.BuildPackages(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Pkgname)
	}
	return names
}

func TestWhatIsBeingPublishedIsNotSkipped(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	if _, err := db.BeginPublish(t.Context(), c.Attempt.Lease, db.Upload(t, c)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CancelBuild(t.Context(), "alice", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("cancel: %v, want a conflict", err)
	}
	if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	db.Check(t)
	if got := db.Statuses(t, "space"); got["lib"] != buildbtw.StatusBuilding || got["app"] != buildbtw.StatusSkipped {
		t.Errorf("statuses %v", got)
	}
	if _, err := db.CompletePublish(t.Context(), c.Attempt.ID); err != nil {
		t.Error(err)
	}
	db.Check(t)
	if got := db.Statuses(t, "space"); got["lib"] != buildbtw.StatusBuilt || got["app"] != buildbtw.StatusSkipped {
		t.Errorf("statuses %v", got)
	}
}

func TestAbandonedPublishingIsTriedAgain(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	if _, err := db.AbandonPublish(t.Context(), c.Attempt.ID, buildbtw.System, "early"); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("abandon a running attempt: %v, want a conflict", err)
	}
	if _, err := db.BeginPublish(t.Context(), c.Attempt.Lease, db.Upload(t, c)); err != nil {
		t.Fatal(err)
	}
	status, err := db.AbandonPublish(t.Context(), c.Attempt.ID, buildbtw.System, "no space left")
	if err != nil || status != buildbtw.StatusPending {
		t.Fatalf("%s, %v", status, err)
	}
	db.Check(t)
	if names := packageNames(t, db, c.Build.ID); len(names) != 0 {
		t.Errorf("published %v", names)
	}
	db.Clock.Advance(storetest.Lease)
	again := db.Claim(t, "w1")
	db.Finish(t, again)
	db.Check(t)
	list, err := db.BuildPackages(t.Context(), c.Build.ID)
	if err != nil || len(list) != 1 || list[0].AttemptID != again.Attempt.ID {
		t.Errorf("packages %+v, %v; want those of the second attempt", list, err)
	}
}

func TestAbandonedPublishingOfAnIterationThatIsOverIsSkipped(t *testing.T) {
	t.Parallel()
	over := map[buildbtw.Cause]func(t *testing.T, db *storetest.DB){
		buildbtw.CauseStopped: func(t *testing.T, db *storetest.DB) {
			if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
				t.Fatal(err)
			}
		},
		buildbtw.CauseSuperseded: func(t *testing.T, db *storetest.DB) {
			b, err := db.Buildspace(t.Context(), "space")
			if err != nil {
				t.Fatal(err)
			}
			db.Iterate(t, b, storetest.Plan("other"))
		},
	}
	for cause, end := range over {
		db, c := claimed(t)
		if _, err := db.BeginPublish(t.Context(), c.Attempt.Lease, db.Upload(t, c)); err != nil {
			t.Fatal(err)
		}
		end(t, db)
		status, err := db.AbandonPublish(t.Context(), c.Attempt.ID, buildbtw.System, "no space left")
		if err != nil || status != buildbtw.StatusSkipped {
			t.Errorf("%s: %s, %v; want skipped", cause, status, err)
		}
		if b, err := db.Build(t.Context(), c.Build.ID); err != nil || b.SkipReason != cause {
			t.Errorf("skip reason %q, %v; want %s", b.SkipReason, err, cause)
		}
		db.Check(t)
	}
}

func TestTwinsAreBuiltWithTheirLeader(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.PlanFor([]string{"x86_64", "aarch64"},
		"lib", "data*: lib", "more*: data", "app: more"))
	db.Check(t)
	finish := func(arch, pkgbase string) {
		t.Helper()
		c := db.Claim(t, "w-"+arch, arch)
		if c == nil || c.Build.Pkgbase != pkgbase || c.Build.Architecture != arch {
			t.Fatalf("claimed %+v, want %s for %s", c, pkgbase, arch)
		}
		p, err := db.BeginPublish(t.Context(), c.Attempt.Lease, db.Upload(t, c))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{arch}
		if pkgbase == "data" || pkgbase == "more" {
			want = []string{"aarch64", "x86_64"}
		}
		if d := cmp.Diff(want, p.Architectures); d != "" {
			t.Errorf("%s goes to the repositories of other architectures:\n%s", pkgbase, d)
		}
		if _, err := db.CompletePublish(t.Context(), c.Attempt.ID); err != nil {
			t.Fatal(err)
		}
		db.Check(t)
	}
	finish("aarch64", "lib")
	finish("aarch64", "data")
	finish("aarch64", "more")
	// Everything of the twins is built except what x86_64 must build itself.
	if got := db.Statuses(t, "space"); got["data"] != buildbtw.StatusBlocked || got["more"] != buildbtw.StatusBlocked {
		t.Errorf("twins do not wait for their own dependencies: %v", got)
	}
	finish("x86_64", "lib") // and now both twins, one after the other
	if got := db.Statuses(t, "space"); got["data"] != buildbtw.StatusBuilt || got["more"] != buildbtw.StatusBuilt || got["app"] != buildbtw.StatusPending {
		t.Errorf("twins: %v", got)
	}
	finish("x86_64", "app")
	finish("aarch64", "app")
	it, err := db.Iteration(t.Context(), "space", it.Number)
	if err != nil || it.Status() != buildbtw.IterationStatusBuilt {
		t.Errorf("iteration is %s, %v", it.Status(), err)
	}
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Architecture: "x86_64", Pkgbase: "data"})
	if err != nil || len(rows) != 1 || rows[0].TwinOf == 0 {
		t.Fatalf("twin %+v, %v", rows, err)
	}
	if d := cmp.Diff([]string{"data"}, packageNames(t, db, rows[0].ID)); d != "" {
		t.Errorf("packages of a twin:\n%s", d)
	}
}

func TestFinishUnblocksThousands(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "fan"), storetest.Fan(3000))
	db.Finish(t, db.Claim(t, "w1"))
	it, err := db.Iteration(t.Context(), "fan", 0)
	if err != nil || it.Counts[buildbtw.StatusPending] != 3000 {
		t.Errorf("counts %v, %v", it.Counts, err)
	}
	db.Check(t)
}
