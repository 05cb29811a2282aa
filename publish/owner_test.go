package publish_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/publish"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// homes are two pkgbases that make a package called moved: of newhome it is newer.
func homes(t *testing.T, f *fixture) {
	t.Helper()
	split := func(name, version string) {
		f.Push(t, name, schedulertest.Srcinfo(name, version, "lib")+"\npkgname = moved\n")
	}
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	split("newhome", "5")
	split("oldhome", "4")
	f.Push(t, "user", schedulertest.Srcinfo("user", "1", "moved>=5"))
}

// TestAPackageOfTwoPkgbasesIsPublishedFromItsOwner: whoever publishes last, the
// repository has the owner's package, at first and when all of it is reused.
func TestAPackageOfTwoPkgbasesIsPublishedFromItsOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	homes(t, f)
	all := func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }
	f.SpaceWith(t, "work", all, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "newhome", "oldhome", "user") // oldhome after newhome
	want := []string{"lib-1-1", "moved-5-1", "newhome-5-1", "oldhome-4-1", "user-1-1"}
	f.wantListed(t, "work_1", want...)
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work", Pkgbase: "oldhome"})
	if err != nil || len(rows) != 1 || rows[0].NotOwned["moved"] != "newhome" {
		t.Fatalf("oldhome is %+v, %v", rows, err)
	}
	packages, err := f.Store.BuildPackages(t.Context(), rows[0].ID)
	if err != nil || len(packages) != 1 || packages[0].Pkgname != "oldhome" {
		t.Errorf("the packages of oldhome are %+v, %v", packages, err)
	}
	f.SpaceWith(t, "again", all, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t)
	f.wantListed(t, "again_1", want...)

	// The twin goes away: what was withheld is not what a build without it gives.
	f.Push(t, "newhome", schedulertest.Srcinfo("newhome", "5", "lib"))
	f.SpaceWith(t, "later", all, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "oldhome", "newhome", "user")
	f.wantListed(t, "later_1", "lib-1-1", "moved-4-2", "newhome-5-2", "oldhome-4-2", "user-1-2")
}

// TestABuildOfWhichNothingIsPublishedIsRefused, with the reason.
func TestABuildOfWhichNothingIsPublishedIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "lib-git", strings.Replace(schedulertest.Srcinfo("lib", "0"), "pkgbase = lib", "pkgbase = lib-git", 1))
	f.Space(t, "work", "lib-git")
	f.Pass(t, "sync", "iterate")
	c := f.DB.Claim(t, "worker")
	name, digest := "lib-0-1-x86_64.pkg.tar.zst", strings.Repeat("a", 64)
	err := f.Store.AddPackage(t.Context(), c.Attempt.Lease, buildbtw.Package{
		Pkgname: "lib", Version: "0-1", Architecture: "x86_64", Filename: name, SHA256: digest, Size: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	report := publish.Report{Outcome: buildbtw.OutcomeBuilt, Files: []store.PackageFile{{Filename: name, SHA256: digest}}}
	_, err = f.Publisher.Finish(t.Context(), c.Attempt.Lease, report)
	if buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), "lib is not published from here: lib makes it, too") {
		t.Errorf("%v", err)
	}
	f.wantListed(t, "work_1")
}
