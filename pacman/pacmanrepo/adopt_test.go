package pacmanrepo_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

var next = pacmanrepo.ID{Repository: "space_2", DB: dbName, Architecture: x86}

// adoption takes packages of the first repository into the next.
func adoption(files ...[]buildbtw.Package) pacmanrepo.Adoption {
	a := pacmanrepo.Adoption{Repository: next.Repository, DB: next.DB}
	for _, f := range files {
		a.Builds = append(a.Builds, pacmanrepo.Adopted{
			From: pacmanrepo.ID{Repository: repository, DB: dbName, Architecture: x86}, Files: f, Architectures: []string{x86},
		})
	}
	return a
}

// published gives a repository with two packages and an empty one beside it.
func published(t *testing.T) (r *pacmanrepo.Repos, dir string, lib, app []buildbtw.Package) {
	t.Helper()
	r, dir = open(t, pacmanrepo.Options{})
	create(t, r, x86)
	if err := r.Create(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	lib, app = stage(t, r, 1, pkg{name: "lib", ext: "zst"}), stage(t, r, 2, pkg{name: "app", ext: "zst"})
	for i, files := range [][]buildbtw.Package{lib, app} {
		if err := r.Publish(t.Context(), publication(int64(i+1), files, x86)); err != nil {
			t.Fatal(err)
		}
	}
	return r, dir, lib, app
}

func TestAdoptLinksFilesAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	r, dir, lib, app := published(t)
	for range 2 {
		if missing, err := r.Adopt(t.Context(), adoption(lib, app)); err != nil || len(missing) > 0 {
			t.Fatalf("missing %v, %v", missing, err)
		}
	}
	all, err := r.Verify(t.Context(), next.Repository)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{app[0].Filename, lib[0].Filename}, all[0].Listed); d != "" {
		t.Error(d)
	}
	a, err := os.Stat(filepath.Join(dir, repository, "os", x86, lib[0].Filename))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(filepath.Join(dir, next.Repository, "os", x86, lib[0].Filename))
	if err != nil || !os.SameFile(a, b) {
		t.Errorf("the file was copied (%v)", err)
	}
	if err := r.Remove(t.Context(), repository); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), next.Repository); err != nil {
		t.Errorf("the adopted packages went with their first repository: %v", err)
	}
}

// TestNamesThatAnAdoptedBuildDoesNotMakeVanish, whichever program writes the database.
func TestNamesThatAnAdoptedBuildDoesNotMakeVanish(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, _ := open(t, o)
		create(t, r, x86)
		if err := r.Create(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		here := publication(1, stage(t, r, 1, pkg{name: "lib", ext: "zst"}, pkg{name: "lib-debug", base: "lib", ext: "zst"}, pkg{name: "lib-docs", base: "lib", ext: "zst"}), x86)
		here.Repository = next.Repository
		other := publication(2, stage(t, r, 2, pkg{name: "app", ext: "zst"}), x86)
		other.Repository = next.Repository
		there := publication(3, stage(t, r, 3, pkg{name: "lib", ext: "zst", version: "2.0-1"}, pkg{name: "lib-docs", base: "lib", ext: "zst", version: "2.0-1"}), x86)
		for _, p := range []pacmanrepo.Publication{here, other, there} {
			if err := r.Publish(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if missing, err := r.Adopt(t.Context(), adoption(there.Files)); err != nil || len(missing) > 0 {
				t.Fatalf("missing %v, %v", missing, err)
			}
			all, err := r.Verify(t.Context(), next.Repository)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"app-1.0-1-x86_64.pkg.tar.zst", "lib-2.0-1-x86_64.pkg.tar.zst", "lib-docs-2.0-1-x86_64.pkg.tar.zst"}
			if d := cmp.Diff(want, all[0].Listed); d != "" {
				t.Errorf("listed (-want +got):\n%s", d)
			}
		}
	})
}

func TestAdoptDoesNothingWhenSomethingIsMissing(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, r *pacmanrepo.Repos, dir string, lib []buildbtw.Package){
		"file": func(t *testing.T, _ *pacmanrepo.Repos, dir string, lib []buildbtw.Package) {
			if err := os.Remove(filepath.Join(dir, repository, "os", x86, lib[0].Filename)); err != nil {
				t.Fatal(err)
			}
		},
		"cut file": func(t *testing.T, _ *pacmanrepo.Repos, dir string, lib []buildbtw.Package) {
			if err := os.Truncate(filepath.Join(dir, repository, "os", x86, lib[0].Filename), 10); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, r *pacmanrepo.Repos, _ string, _ []buildbtw.Package) {
			publish(t, r, 3, pkg{name: "lib", ext: "zst", salt: "again"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, dir, lib, app := published(t)
			lose(t, r, dir, lib)
			missing, err := r.Adopt(t.Context(), adoption(app, lib))
			if err != nil || !slices.Equal(missing, []int{1}) {
				t.Fatalf("missing %v, %v", missing, err)
			}
			all, err := r.Verify(t.Context(), next.Repository)
			if err != nil || len(all[0].Listed) > 0 {
				t.Errorf("%v was adopted (%v)", all[0].Listed, err)
			}
		})
	}
	r, _, lib, _ := published(t)
	if err := r.Remove(t.Context(), repository); err != nil {
		t.Fatal(err)
	}
	if missing, err := r.Adopt(t.Context(), adoption(lib)); err != nil || len(missing) != 1 {
		t.Errorf("of a removed repository: missing %v, %v", missing, err)
	}
}

func TestAdoptRefusesNamesThatLeaveTheDirectory(t *testing.T) {
	t.Parallel()
	r, _, lib, _ := published(t)
	bad := slices.Clone(lib)
	bad[0].Filename = "../" + bad[0].Filename
	if _, err := r.Adopt(t.Context(), adoption(bad)); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("got %v", err)
	}
	if _, err := r.Adopt(t.Context(), pacmanrepo.Adoption{Repository: "gone_9", DB: "gone", Builds: adoption(lib).Builds}); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("into a repository that was never made: %v", err)
	}
}

func TestInterfacesAreReadAtUpload(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	files := stage(t, r, 1, pkg{name: "lib", ext: "zst", info: []string{"provides = virtual=2"}})
	all, err := r.Interfaces(attemptName(1))
	if err != nil {
		t.Fatal(err)
	}
	got := all[files[0].SHA256]
	if len(all) != 1 || got.Pkgname != "lib" || got.Version != "1.0-1" || strings.Join(got.Provides, " ") != "virtual=2" || got.Unknown != "" {
		t.Errorf("got %+v", all)
	}
	if all, err := r.Interfaces(attemptName(2)); err != nil || len(all) != 0 {
		t.Errorf("of an attempt without uploads: %v, %v", all, err)
	}
	// They are in memory together: what they have is bounded.
	at, err := filepath.Glob(filepath.Join(dir, "..", "staging", "*", "*", "interface.json"))
	if err != nil || len(at) != 1 {
		t.Fatal(at, err)
	}
	if err := os.Truncate(at[0], 65<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Interfaces(attemptName(1)); buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("of names without end: %v", err)
	}
}
