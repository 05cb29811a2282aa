package progress

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// comparison is a store with repositories in which tests publish packages.
type comparison struct {
	*storetest.DB
	Comparer
}

func newComparison(t *testing.T) comparison {
	t.Helper()
	db := storetest.New(t)
	repos, err := pacmanrepo.Open(filepath.Join(t.TempDir(), "repos"), pacmanrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return comparison{db, Comparer{DB: &db.Reader, Repos: repos}}
}

// made is a package as its build makes it.
type made struct {
	size    int64 // installed
	depends []string
	files   []string
	face    alpm.Interface
}

// iterate begins an iteration at versions of pkgbases, in an order in which they are built.
func (c comparison) iterate(t *testing.T, row store.BuildspaceRow, versions ...string) store.IterationRow {
	t.Helper()
	lines := make([]string, len(versions))
	for i, v := range versions {
		lines[i], _, _ = strings.Cut(v, "=")
		if i > 0 && strings.HasPrefix(v, "app") {
			lines[i] += ": lib"
		}
	}
	p := storetest.Plan(lines...)
	for i, v := range versions {
		name, version, _ := strings.Cut(v, "=")
		b := &p.Architectures["x86_64"].Builds[slices.IndexFunc(p.Architectures["x86_64"].Builds, func(b buildgraph.Build) bool { return b.Pkgbase == name })]
		b.Version, b.Commit = version, fmt.Sprintf("%040x", sha256.Sum256([]byte(version)))[:40]
		b.Priority = float64(len(versions) - i)
	}
	it := c.Iterate(t, row, p)
	id := pacmanrepo.ID{Repository: buildbtw.RepositoryName(row.Name, it.Number), DB: row.Name, Architecture: "x86_64"}
	if err := c.Repos.Create(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return it
}

// build builds the next package in so many seconds.
func (c comparison) build(t *testing.T, row store.BuildspaceRow, it store.IterationRow, seconds int, m made) {
	t.Helper()
	claim := c.Claim(t, "w1")
	c.Clock.Advance(time.Duration(seconds) * time.Second)
	b := claim.Build
	var text bytes.Buffer
	fmt.Fprintf(&text, "pkgname = %s\npkgbase = %[1]s\npkgver = %s\narch = x86_64\nsize = %d\n", b.Pkgbase, b.Version, m.size)
	for _, d := range m.depends {
		fmt.Fprintf(&text, "depend = %s\n", d)
	}
	var file bytes.Buffer
	z, err := zstd.NewWriter(&file)
	w := tar.NewWriter(z)
	for _, name := range append([]string{".PKGINFO"}, m.files...) {
		content := ""
		if name == ".PKGINFO" {
			content = text.String()
		}
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, e := w.Write([]byte(content))
		err = errors.Join(err, e)
	}
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file.Bytes())
	digest := hex.EncodeToString(sum[:])
	p, err := c.Repos.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: claim.Attempt.Name(), Filename: alpm.Filename(b.Pkgbase, b.Version, "x86_64", "zst"), SHA256: digest, Size: -1,
		Pkgbase: b.Pkgbase, Pkgnames: b.Pkgnames, Architecture: "x86_64", Version: b.Version,
	}, &file)
	if err == nil {
		err = c.AddPackage(t.Context(), claim.Attempt.Lease, p)
	}
	if err == nil {
		_, err = c.BeginPublish(t.Context(), claim.Attempt.Lease, []store.PackageFile{{Filename: p.Filename, SHA256: p.SHA256}})
	}
	m.face.Pkgname, m.face.Version = b.Pkgbase, b.Version
	err = errors.Join(err, c.SaveInterfaces(t.Context(), map[string]alpm.Interface{digest: m.face}), c.Repos.Publish(t.Context(), pacmanrepo.Publication{
		Repository: buildbtw.RepositoryName(row.Name, it.Number), DB: row.Name, Architectures: []string{"x86_64"},
		Attempt: claim.Attempt.Name(), Files: []buildbtw.Package{p},
	}))
	if err == nil {
		_, err = c.CompletePublish(t.Context(), claim.Attempt.ID)
	}
	if err != nil {
		t.Fatalf("build %s: %v", b.Pkgbase, err)
	}
}

func (c comparison) fail(t *testing.T) {
	t.Helper()
	c.End(t, c.Claim(t, "w1"), buildbtw.OutcomeFailed)
}

// compare compares by names, and returns every list as lines.
func (c comparison) compare(t *testing.T, a, b string) (Comparison, map[buildbtw.CompareList]string) {
	t.Helper()
	var names [2]buildbtw.IterationName
	for i, s := range [2]string{a, b} {
		var err error
		if names[i], err = buildbtw.ParseIterationName(s); err != nil {
			t.Fatal(err)
		}
	}
	r, err := c.Compare(t.Context(), names[0], names[1])
	if err != nil {
		t.Fatal(err)
	}
	lists := map[buildbtw.CompareList]string{}
	for list, lines := range r.Lists {
		var words []string
		for _, d := range lines {
			word := []string{d.Name}
			for _, s := range d.Added {
				word = append(word, "+"+s)
			}
			for _, s := range d.Removed {
				word = append(word, "-"+s)
			}
			words = append(words, strings.Join(word, " "))
		}
		lists[list] = strings.Join(words, ", ")
	}
	return r, lists
}

// TestIterationsOfAnyBuildspacesAreCompared has one package or more for each list.
func TestIterationsOfAnyBuildspacesAreCompared(t *testing.T) {
	t.Parallel()
	c := newComparison(t)
	old, now := c.NewBuildspace(t, "old"), c.NewBuildspace(t, "now")
	first := c.iterate(t, old, "lib=1-1", "same=1-1", "bad=1-1", "worse=1-1", "mended=1-1", "gone=1-1", "app=1-1")
	c.build(t, old, first, 60, made{
		size: 10 << 20, depends: []string{"glibc", "lib-data=1-1", "old"}, files: []string{"usr/lib/libl.so.1"},
		face: alpm.Interface{Sonames: []string{"libl.so=1-64"}, Provides: []string{"l=1", "api=3"}, Links: []string{"libc.so=6-64", "libz.so=1-64"}},
	})
	c.build(t, old, first, 20, made{size: 1 << 20})
	c.fail(t)
	c.build(t, old, first, 20, made{})
	c.fail(t)
	c.build(t, old, first, 5, made{})
	c.build(t, old, first, 5, made{})

	second := c.iterate(t, now, "lib=2-1", "same=1-1", "bad=1-1", "worse=1-1", "mended=1-1", "new=1-1", "app=1-1", "spoilt=1-1")
	c.build(t, now, second, 90, made{
		size: 12 << 20, depends: []string{"glibc", "lib-data=2-1", "young"}, files: []string{"usr/lib/libl.so.2"},
		face: alpm.Interface{Sonames: []string{"libl.so=2-64"}, Provides: []string{"l=2", "api=4"}, Links: []string{"libc.so=6-64", "libz.so=2-64"}},
	})
	c.build(t, now, second, 29, made{size: 1 << 20})
	c.fail(t)
	c.fail(t)
	c.build(t, now, second, 20, made{})
	c.build(t, now, second, 20, made{})

	r, lists := c.compare(t, "old#1", "now")
	want := map[buildbtw.CompareList]string{
		buildbtw.CompareNewlyFailing: "worse", buildbtw.CompareStillFailing: "bad", buildbtw.CompareFixed: "mended", buildbtw.CompareAdded: "new, spoilt", buildbtw.CompareRemoved: "gone",
		buildbtw.CompareOtherCommit: "lib", buildbtw.CompareSlower: "lib", buildbtw.CompareVersions: "lib", buildbtw.CompareSonames: "lib +libl.so=2-64 -libl.so=1-64",
		buildbtw.CompareNeeded: "lib +libz.so=2-64 -libz.so=1-64", buildbtw.CompareProvides: "lib +api=4 -api=3", buildbtw.CompareDepends: "lib +young -old", buildbtw.CompareSizes: "lib",
	}
	if d := cmp.Diff(want, lists); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if r.A.String() != "old#1" || r.B.String() != "now#1" || r.Same != 1 || r.Unknown != 0 || len(r.Missing) > 0 {
		t.Errorf("%+v", r)
	}
	slower := r.Lists[buildbtw.CompareSlower][0]
	if slower.A.Seconds != 60 || slower.B.Seconds != 90 || slower.A.BuildID == 0 || slower.B.BuildID == 0 {
		t.Errorf("the slower one: %+v", slower)
	}
	if s := r.Lists[buildbtw.CompareSizes][0]; s.A.Size != 10<<20 || s.B.Size != 12<<20 {
		t.Errorf("sizes: %+v", s)
	}
	files, err := c.Files(t.Context(), r.A, r.B, "x86_64", "lib")
	if err != nil || cmp.Diff([]string{"usr/lib/libl.so.2"}, files.Added) != "" || cmp.Diff([]string{"usr/lib/libl.so.1"}, files.Removed) != "" {
		t.Errorf("files: %+v, %v", files, err)
	}
	if _, err := c.Files(t.Context(), r.A, r.B, "x86_64", "nothing"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("files of nothing: %v", err)
	}
	// The other way round.
	_, lists = c.compare(t, "now/1", "old")
	if lists[buildbtw.CompareFixed] != "worse" || lists[buildbtw.CompareNewlyFailing] != "mended" || lists[buildbtw.CompareAdded] != "gone" || lists[buildbtw.CompareSlower] != "" {
		t.Errorf("the other way round: %v", lists)
	}
	r, lists = c.compare(t, "now", "now#1")
	if d := cmp.Diff(map[buildbtw.CompareList]string{buildbtw.CompareStillFailing: "bad, worse"}, lists); d != "" || r.Same != 4 {
		t.Errorf("with itself: %s, %d packages are the same", d, r.Same)
	}
}

// TestWhatAFailureBlocksIsNewlyBlocked: what only waits is in no list.
func TestWhatAFailureBlocksIsNewlyBlocked(t *testing.T) {
	t.Parallel()
	c := newComparison(t)
	row := c.NewBuildspace(t, "work")
	first := c.iterate(t, row, "lib=1-1", "app=1-1")
	_, lists := c.compare(t, "work", "work#1")
	if len(lists) != 0 {
		t.Errorf("nothing came out yet, but %v", lists)
	}
	c.build(t, row, first, 1, made{})
	second := c.iterate(t, row, "lib=1-1", "app=1-1")
	c.fail(t)
	_, lists = c.compare(t, "work#1", "work")
	if lists[buildbtw.CompareNewlyBlocked] != "app" || lists[buildbtw.CompareNewlyFailing] != "lib" {
		t.Errorf("%v", lists)
	}
	// The repository of an iteration is removed some time.
	if err := c.Repos.Remove(t.Context(), buildbtw.RepositoryName("work", first.Number)); err != nil {
		t.Fatal(err)
	}
	c.iterate(t, row, "lib=2-1", "app=1-1")
	c.build(t, row, store.IterationRow{Iteration: buildbtw.Iteration{Number: second.Number + 1}}, 1, made{})
	r, lists := c.compare(t, "work#1", "work")
	if lists[buildbtw.CompareVersions] != "lib" || len(r.Missing) != 1 || !strings.Contains(r.Missing[0], "work#1") {
		t.Errorf("without a repository: %v, %q", lists, r.Missing)
	}
}

func TestAnIterationIsComparedWithTheBase(t *testing.T) {
	t.Parallel()
	c := newComparison(t)
	row := c.NewBuildspace(t, "work")
	it := c.iterate(t, row, "lib=2-1", "bad=1-1", "fresh=1-1")
	c.build(t, row, it, 1, made{
		size: 5 << 20, depends: []string{"glibc"}, files: []string{"usr/lib/libl.so.2", "usr/share/l"},
		face: alpm.Interface{Sonames: []string{"libl.so=2-64"}, Links: []string{"libc.so=6-64", "libq.so=1-64:Q_PRIVATE"}},
	})
	c.fail(t)
	c.Bases = baserepo.Bases{"x86_64": baseOf(t, map[string]string{
		"core.db": "lib-1-1/desc %NAME%\nlib\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n\n%ISIZE%\n1048576\n\n%DEPENDS%\nglibc\nbash\n|" +
			"bad-1-1/desc %NAME%\nbad\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n|other-1-1/desc %NAME%\nother\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n",
		"core.files":        "lib-1-1/files %FILES%\nusr/lib/libl.so.1\nusr/share/l\n|bad-1-1/files %FILES%\n|other-1-1/files %FILES%\n",
		"core.links.tar.gz": "lib-1-1/links libc.so.6\nlibz.so.1\n|bad-1-1/links \n|other-1-1/links libl.so.1\n",
	})}
	r, lists := c.compare(t, "base", "work")
	want := map[buildbtw.CompareList]string{
		buildbtw.CompareNewlyFailing: "bad", buildbtw.CompareAdded: "fresh", buildbtw.CompareVersions: "lib", buildbtw.CompareSonames: "lib +libl.so=2-64 -libl.so=1-64",
		buildbtw.CompareNeeded: "lib -libz.so=1-64", buildbtw.CompareDepends: "lib -bash", buildbtw.CompareSizes: "lib",
	}
	if d := cmp.Diff(want, lists); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	files, err := c.Files(t.Context(), r.A, r.B, "x86_64", "lib")
	if err != nil || cmp.Diff([]string{"usr/lib/libl.so.2"}, files.Added) != "" || cmp.Diff([]string{"usr/lib/libl.so.1"}, files.Removed) != "" {
		t.Errorf("files: %+v, %v", files, err)
	}
	if _, err := c.Compare(t.Context(), r.A, r.A); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("the base with itself: %v", err)
	}
}

// baseOf returns a base with one repository, core, whose files have members of a name
// and a text, separated by |.
func baseOf(t *testing.T, files map[string]string) *baserepo.Base {
	t.Helper()
	dir := t.TempDir()
	for name, members := range files {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for member := range strings.SplitSeq(members, "|") {
			path, text, _ := strings.Cut(member, " ")
			if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := base.Refresh(t.Context()); r[0].Warning != "" {
		t.Fatalf("%+v", r)
	}
	return base
}
