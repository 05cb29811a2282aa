package pacmanrepo_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

func tools() []pacmanrepo.Tool {
	return []pacmanrepo.Tool{pacmanrepo.ToolNative, pacmanrepo.ToolRepoAdd}
}

// eachTool runs a test with both writers of databases.
func eachTool(t *testing.T, test func(t *testing.T, o pacmanrepo.Options)) {
	t.Helper()
	for _, tool := range tools() {
		t.Run(string(tool), func(t *testing.T) {
			t.Parallel()
			if tool == pacmanrepo.ToolRepoAdd {
				need(t, "repo-add")
			}
			test(t, pacmanrepo.Options{Tool: tool})
		})
	}
}

func TestAnyPackagesGoToEveryArchitecture(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, _ := open(t, o)
		create(t, r, x86, "aarch64")
		files := stage(t, r, 1, pkg{name: "prog", base: "prog", ext: "zst"}, pkg{name: "prog-docs", base: "prog", arch: "any", ext: "zst"})
		if err := r.Publish(t.Context(), publication(1, files, x86, "aarch64")); err != nil {
			t.Fatal(err)
		}
		got := verify(t, r)
		want := map[string][]string{
			x86:       {"prog-1.0-1-x86_64.pkg.tar.zst", "prog-docs-1.0-1-any.pkg.tar.zst"},
			"aarch64": {"prog-docs-1.0-1-any.pkg.tar.zst"},
		}
		for arch := range want {
			if diff := cmp.Diff(want[arch], got[arch].Listed); diff != "" {
				t.Errorf("%s (-want +got):\n%s", arch, diff)
			}
		}
	})
}

func TestNewVersionReplacesTheEntryAndKeepsTheFileUntilPrune(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		r, _ := open(t, o)
		create(t, r, x86)
		publish(t, r, 1, pkg{name: "foo", version: "1.0-1"}, pkg{name: "foo-extra", version: "1.0-1"})
		now = now.Add(time.Hour)
		publish(t, r, 2, pkg{name: "foo", version: "0.9-1"}) // a downgrade counts as well
		check := func(listed, unlisted []string) {
			t.Helper()
			got := verify(t, r)[x86]
			if diff := cmp.Diff([][]string{listed, unlisted}, [][]string{got.Listed, got.Unlisted}); diff != "" {
				t.Errorf("listed, unlisted (-want +got):\n%s", diff)
			}
		}
		listed := []string{"foo-0.9-1-x86_64.pkg.tar", "foo-extra-1.0-1-x86_64.pkg.tar"}
		check(listed, []string{"foo-1.0-1-x86_64.pkg.tar"})
		for _, step := range []struct {
			later time.Duration
			want  int
		}{{9 * time.Minute, 0}, {2 * time.Minute, 1}, {0, 0}} {
			now = now.Add(step.later)
			if n, err := r.Prune(t.Context(), repository, 10*time.Minute); err != nil || n != step.want {
				t.Errorf("pruned %d, %v; want %d", n, err, step.want)
			}
		}
		check(listed, nil)
	})
}

// TestNamesThatARebuildDoesNotMakeVanish: a repository lists of a pkgbase the packages
// of its last build, and of others all.
func TestNamesThatARebuildDoesNotMakeVanish(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		r, _ := open(t, o)
		create(t, r, x86)
		split := func(version string, names ...string) (pkgs []pkg) {
			for _, name := range names {
				pkgs = append(pkgs, pkg{name: name, base: "split", version: version, arch: map[bool]string{true: "any"}[name == "split-doc"]})
			}
			return pkgs
		}
		check := func(listed, unlisted []string) {
			t.Helper()
			got := verify(t, r)[x86]
			if diff := cmp.Diff([][]string{listed, unlisted}, [][]string{got.Listed, got.Unlisted}); diff != "" {
				t.Errorf("listed, unlisted (-want +got):\n%s", diff)
			}
		}
		publish(t, r, 1, pkg{name: "split-like", version: "1.0-1"})
		publish(t, r, 2, split("1.0-1", "split", "split-debug", "split-doc")...)
		first := []string{"split-1.0-1-x86_64.pkg.tar", "split-debug-1.0-1-x86_64.pkg.tar", "split-doc-1.0-1-any.pkg.tar", "split-like-1.0-1-x86_64.pkg.tar"}
		check(first, nil)
		files := stage(t, r, 3, split("1.0-1", "split")...) // the very same package, and two names less
		for range 2 {
			if err := r.Publish(t.Context(), publication(3, files, x86)); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(time.Hour)
		check([]string{first[0], first[3]}, []string{first[1], first[2]})
		publish(t, r, 4, split("1.0-2", "split-new")...) // another name altogether
		check([]string{first[3], "split-new-1.0-2-x86_64.pkg.tar"}, []string{first[0], first[1], first[2]})
		if n, err := r.Prune(t.Context(), repository, 10*time.Minute); err != nil || n != 2 {
			t.Errorf("pruned %d, %v; want what was replaced an hour ago", n, err)
		}
		check([]string{first[3], "split-new-1.0-2-x86_64.pkg.tar"}, []string{first[0]})
	})
}

func TestRebuildWithTheSameNameIsServedUnderItsOwnDigest(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, _ := open(t, o)
		create(t, r, x86)
		for i := range 4 {
			publish(t, r, int64(i+1), pkg{name: "foo", ext: "zst", salt: strconv.Itoa(i / 2)}) // two times each
			verify(t, r)
		}
	})
}

func TestModificationTimesGrowByWholeSeconds(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		r, dir := open(t, o)
		create(t, r, x86)
		last := modTime(t, archFile(dir, x86, "space.db"))
		for i := range 3 {
			publish(t, r, int64(i+1), pkg{name: "foo", salt: strconv.Itoa(i)})
			for _, name := range []string{"space.db", "space.files"} {
				if got := modTime(t, archFile(dir, x86, name)); got != last+1 {
					t.Errorf("%s: %d after %d", name, got, last)
				}
			}
			last++
			r = reopen(t, filepath.Dir(dir), o) // the time is not only in memory
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	files := stage(t, r, 1, pkg{name: "foo"}, pkg{name: "bar"})
	tests := []struct {
		name   string
		change func(p *pacmanrepo.Publication)
		kind   buildbtw.Kind
		words  string
	}{
		{"nothing", func(p *pacmanrepo.Publication) { p.Files = nil }, buildbtw.KindInvalid, "no package"},
		{"no repository", func(p *pacmanrepo.Publication) { p.Repository = "other_1" }, buildbtw.KindNotFound, "no repository other_1"},
		{"a path for a repository", func(p *pacmanrepo.Publication) { p.Repository = "../x" }, buildbtw.KindInvalid, "no repository name"},
		{"other architecture", func(p *pacmanrepo.Publication) { p.Architectures = []string{"aarch64"} }, buildbtw.KindInvalid, "is for x86_64"},
		{"a package twice", func(p *pacmanrepo.Publication) { p.Files = append(p.Files[:1:1], p.Files[0]) }, buildbtw.KindInvalid, "once"},
		{"two versions", func(p *pacmanrepo.Publication) { p.Files[1].Version = "2-1" }, buildbtw.KindInvalid, "the same version"},
		{"never uploaded", func(p *pacmanrepo.Publication) { p.Files[0].SHA256 = digest(nil) }, buildbtw.KindConflict, "upload it again"},
		{"another file's digest", func(p *pacmanrepo.Publication) { p.Files[0].SHA256 = p.Files[1].SHA256 }, buildbtw.KindConflict, "bar-1.0-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := publication(1, append([]buildbtw.Package(nil), files...), x86)
			tt.change(&p)
			if err := hasKind(r.Publish(t.Context(), p), tt.kind, tt.words); err != nil {
				t.Error(err)
			}
			if got := verify(t, r)[x86].Listed; len(got) > 0 {
				t.Errorf("listed %q", got)
			}
		})
	}
}

// errCrash ends a publication as a crash would: nothing more happens on disk.
var errCrash = errors.New("crash")

const noCrash = math.MaxInt

// crashAt makes the nth change of the disk and all that follow fail, and counts
// them.
func crashAt(r *pacmanrepo.Repos, n int) (steps *int) {
	steps = new(int)
	r.BeforeStep(func(string, string) error {
		*steps++
		if *steps > n {
			return errCrash
		}
		return nil
	})
	return steps
}

// TestPublishCanBeRepeatedAfterACrashAnywhere publishes a new package, a new
// version and a rebuild of the same name, crashes before the nth change of the
// disk, and lets a new process repeat the call.
func TestPublishCanBeRepeatedAfterACrashAnywhere(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		archs := []string{x86, "aarch64"}
		if o.Tool == pacmanrepo.ToolRepoAdd {
			archs = archs[:1] // each run of the program takes its time
		}
		steps := publishWithCrash(t, o, noCrash, archs)
		if steps > 200 || steps < 10 {
			t.Fatalf("publishing takes %d steps", steps)
		}
		stride := 1
		if o.Tool == pacmanrepo.ToolRepoAdd && testing.Short() {
			stride = 7
		}
		for n := 0; n < steps; n += stride {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				if made := publishWithCrash(t, o, n, archs); made <= n {
					t.Errorf("there was no crash: %d steps were made", made)
				}
			})
		}
	})
}

// publishWithCrash crashes before the nth change of the disk and returns how many
// there were to be before the repetition.
func publishWithCrash(t *testing.T, o pacmanrepo.Options, n int, archs []string) (steps int) {
	t.Helper()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, archs...)
	old := stage(t, r, 1, pkg{name: "same", ext: "zst"}, pkg{name: "noarch", arch: "any", ext: "zst"}, pkg{name: "kept"})
	if err := r.Publish(t.Context(), publication(1, old, archs...)); err != nil {
		t.Fatal(err)
	}
	files := stage(t, r, 2, pkg{name: "same", ext: "zst", salt: "2"}, pkg{name: "noarch", arch: "any", ext: "zst", salt: "2"}, pkg{name: "new"})
	p := publication(2, files, archs...)

	doomed := reopen(t, filepath.Dir(dir), o)
	made := crashAt(doomed, n)
	err := doomed.Publish(t.Context(), p)
	if (*made > n) != errors.Is(err, errCrash) {
		t.Fatalf("step %d: %v", n, err)
	}
	neverUnderAForeignDigest(t, dir, n, archs)

	next := reopen(t, filepath.Dir(dir), o)
	for range 2 { // the second time there is nothing left to do
		if err := next.Publish(t.Context(), p); err != nil {
			t.Fatalf("step %d: repeat: %v", n, err)
		}
	}
	got := verify(t, next)
	want := []string{"kept-1.0-1-x86_64.pkg.tar", "new-1.0-1-x86_64.pkg.tar", "noarch-1.0-1-any.pkg.tar.zst", "same-1.0-1-x86_64.pkg.tar.zst"}
	if diff := cmp.Diff(want, got[x86].Listed); diff != "" {
		t.Errorf("step %d (-want +got):\n%s", n, diff)
	}
	if staged, err := next.Staged(); err != nil || len(staged) > 0 {
		t.Errorf("step %d: still staged: %v, %v", n, staged, err)
	}
	return *made
}

// neverUnderAForeignDigest looks at what a client would get right now: a listed
// file is absent or has the listed digest.
func neverUnderAForeignDigest(t *testing.T, dir string, n int, archs []string) {
	t.Helper()
	for _, arch := range archs {
		for name, text := range members(t, archFile(dir, arch, "space.db")) {
			content, err := os.ReadFile(archFile(dir, arch, field(text, "FILENAME")))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil || digest(content) != field(text, "SHA256SUM") {
				t.Errorf("step %d: %s of %s is served under a foreign digest (%v)", n, name, arch, err)
			}
		}
	}
}

func TestCreateKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, dir := open(t, o)
		create(t, r, x86)
		publish(t, r, 1, pkg{name: "foo"})
		before := modTime(t, archFile(dir, x86, "space.db"))
		create(t, reopen(t, filepath.Dir(dir), o), x86)
		if got := modTime(t, archFile(dir, x86, "space.db")); got != before {
			t.Error("the database was written again")
		}
		if got := verify(t, r)[x86].Listed; len(got) != 1 {
			t.Errorf("listed %q", got)
		}
	})
}

func TestCreateCanBeRepeatedAfterACrashAnywhere(t *testing.T) {
	t.Parallel()
	for n, crashed := 0, true; crashed; n++ {
		r, dir := open(t, pacmanrepo.Options{})
		made := crashAt(r, n)
		err := r.Create(t.Context(), pacmanrepo.ID{Repository: repository, DB: dbName, Architecture: x86})
		if crashed = *made > n; crashed != errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", n, err)
		}
		create(t, reopen(t, filepath.Dir(dir), pacmanrepo.Options{}), x86)
		if got := members(t, archFile(dir, x86, "space.db")); len(got) > 0 {
			t.Errorf("step %d: %v", n, got)
		}
	}
}

func TestStaleLockOfRepoAddDoesNotMatter(t *testing.T) {
	t.Parallel()
	need(t, "repo-add")
	r, dir := open(t, pacmanrepo.Options{Tool: pacmanrepo.ToolRepoAdd})
	create(t, r, x86)
	for _, lock := range []string{".repo-add/space.db.tar.zst.lck", "space.db.tar.zst.lck"} {
		path := archFile(dir, x86, lock)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, r, 1, pkg{name: "foo"})
	verify(t, r)
}

func TestFailureOfRepoAddIsAnError(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for script, words := range map[string]string{
		"echo 'no space left'; exit 1": "no space left",
		"exit 0":                       "listed 0",
	} {
		if err := os.WriteFile(filepath.Join(bin, "repo-add"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		data := t.TempDir()
		create(t, reopen(t, data, pacmanrepo.Options{}), x86)
		r := reopen(t, data, pacmanrepo.Options{Tool: pacmanrepo.ToolRepoAdd})
		files := stage(t, r, 1, pkg{name: "foo"})
		err := r.Publish(t.Context(), publication(1, files, x86))
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", script, err)
		}
		if got := verify(t, r)[x86].Listed; len(got) > 0 {
			t.Errorf("%s: listed %q", script, got)
		}
	}
}
