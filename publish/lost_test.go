package publish_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// packageFile returns the path of a package in the repository work_1.
func (f *fixture) packageFile(name string) string {
	return filepath.Join(filepath.Dir(f.Sources), "repos", "work_1", "os", "x86_64", name+"-x86_64.pkg.tar.zst")
}

// half has lib and app built, and leaf, which is above them, handed out.
func half(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Settle(t)
	for range 2 {
		f.Pass(t, "reuse")
		f.build(t, f.DB.Claim(t, "worker"))
	}
	if c := f.DB.Claim(t, "other"); c == nil || c.Build.Pkgbase != "leaf" {
		t.Fatalf("claimed %+v, want leaf", c)
	}
	return f
}

func (f *fixture) prepare(t *testing.T) {
	t.Helper()
	f.Restart(t)
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.DB.Check(t)
}

// Nobody gets a build whose dependencies cannot be downloaded, and all comes back by itself.
func TestLostRepositoriesAreMadeAgainFromTheLowestBuilds(t *testing.T) {
	t.Parallel()
	f := half(t)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(f.Sources), "repos")); err != nil {
		t.Fatal(err)
	}
	f.prepare(t)
	f.wantListed(t, "work_1") // a repository that is empty, and that pacman can read
	if got := f.DB.Statuses(t, "work"); got["lib"] != buildbtw.StatusPending || got["app"] != buildbtw.StatusBlocked || got["leaf"] != buildbtw.StatusBlocked {
		t.Errorf("after the start: %v", got)
	}
	if !f.said(t, "work", "lib", "lost from the server's disk") || !f.said(t, "work", "leaf", "whose packages were lost") {
		t.Error("the history does not say why they are built again")
	}
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
	f.prepare(t)
	f.Pass(t, "integrity")
	f.wantBuilt(t)
}

func TestLostAndDamagedPackagesAreBuiltAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"lost": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 10) },
		"another content": func(path string) error {
			text, err := os.ReadFile(path)
			text[len(text)/2] ^= 1
			return errors.Join(err, os.WriteFile(path, text, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := half(t)
			if err := damage(f.packageFile("app-1-1")); err != nil {
				t.Fatal(err)
			}
			f.Pass(t, "integrity")
			f.DB.Check(t)
			f.wantListed(t, "work_1", "lib-1-1")
			f.wantBuilt(t, "app", "leaf")
			f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
			f.Pass(t, "integrity")
			f.wantBuilt(t)
		})
	}
}

// The files are newer than the database: what it does not know leaves the repository, and is
// built again.
func TestAnOlderDatabaseHasItsRepositories(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Settle(t)
	f.build(t, f.DB.Claim(t, "worker"))
	older := filepath.Join(t.TempDir(), "older.sqlite")
	if err := store.Backup(t.Context(), f.DB.Path, older); err != nil {
		t.Fatal(err)
	}
	f.wantBuilt(t, "app", "leaf")
	err := errors.Join(f.DB.Close(), os.Remove(f.DB.Path), os.RemoveAll(f.DB.Path+"-wal"), os.RemoveAll(f.DB.Path+"-shm"), os.Rename(older, f.DB.Path))
	if err != nil {
		t.Fatal(err)
	}
	f.DB.Reopen(t)
	f.prepare(t)
	if all, err := f.Repos.Packages(t.Context(), pacmanrepo.ID{Repository: "work_1", DB: "work", Architecture: "x86_64"}); err != nil || len(all) != 1 || all[0].Name != "lib" {
		t.Errorf("listed: %v, %v", all, err)
	}
	f.wantBuilt(t, "app", "leaf")
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
}

// What was lost and is replaced meanwhile is not built once more.
func TestOnlyPackagesThatAreStillPublishedCountAsLost(t *testing.T) {
	t.Parallel()
	f := half(t)
	builds, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work", Pkgbase: "lib"})
	if err != nil || len(builds) != 1 {
		t.Fatal(builds, err)
	}
	lost := buildbtw.Package{BuildID: builds[0].ID, Filename: "lib-1-1-x86_64.pkg.tar.zst", SHA256: "of before"}
	if rebuilt, err := f.Store.RebuildLost(t.Context(), builds[0].ID, []buildbtw.Package{lost}); rebuilt || err != nil {
		t.Errorf("rebuilt %t, %v", rebuilt, err)
	}
}
