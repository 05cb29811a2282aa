package pacmanrepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

// serve gives repositories over HTTP on loopback, by OpenFile as the server does.
func serve(tb testing.TB, r *pacmanrepo.Repos) string {
	tb.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repo/{repository}/os/{arch}/{file}", func(w http.ResponseWriter, req *http.Request) {
		f, err := r.OpenFile(req.PathValue("repository"), req.PathValue("arch"), req.PathValue("file"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			tb.Error(err)
			return
		}
		http.ServeContent(w, req, "", info.ModTime(), f)
	})
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return server.URL
}

func TestOpenFileStaysInTheRepository(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	publish(t, r, 1, pkg{name: "foo", version: "1:1.0-1"})
	for _, file := range []string{"space.db", "space.files", "space.db.tar.zst", "foo-1:1.0-1-x86_64.pkg.tar"} {
		f, err := r.OpenFile(repository, x86, file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got, err := f.Stat()
		want, err2 := os.Stat(archFile(dir, x86, file))
		if f.Close(); err != nil || err2 != nil || !os.SameFile(got, want) {
			t.Errorf("%s: %v, %v", file, err, err2)
		}
	}
	tests := []struct {
		repository, arch, file string
		kind                   buildbtw.Kind
	}{
		{repository, x86, "bar-1-1-any.pkg.tar", buildbtw.KindNotFound},
		{repository, "aarch64", "space.db", buildbtw.KindNotFound},
		{"space_2", x86, "space.db", buildbtw.KindNotFound},
		{repository, x86, "", buildbtw.KindInvalid},
		{repository, x86, ".", buildbtw.KindInvalid},
		{repository, x86, "..", buildbtw.KindInvalid},
		{repository, x86, "../x86_64/space.db", buildbtw.KindInvalid},
		{repository, "..", "x86_64", buildbtw.KindInvalid},
		{"..", x86, "space.db", buildbtw.KindInvalid},
		{repository, x86, "space.db\x00", buildbtw.KindInvalid},
		{repository, x86, `..\space.db`, buildbtw.KindInvalid},
		{repository, x86, strings.Repeat("a", 300), buildbtw.KindInvalid},
		{repository, x86, ".tmp.space.db.tar.zst", buildbtw.KindInvalid},
	}
	for _, tt := range tests {
		if _, err := r.OpenFile(tt.repository, tt.arch, tt.file); err == nil || buildbtw.KindOf(err) != tt.kind {
			t.Errorf("%q %q %q: %v; want %s", tt.repository, tt.arch, tt.file, err, tt.kind)
		}
	}
}

func TestCreateRefusesNamesThatPacmanOrThePathCannotTake(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	for _, id := range []pacmanrepo.ID{
		{"local_1", "local", x86},
		{"options_1", "options", x86},
		{"a/b", "a", x86},
		{"a_1", "a]", x86},
		{"a_1", "a", ".."},
		{"", "a", x86},
		{strings.Repeat("a", 300), "a", x86},
	} {
		if err := r.Create(t.Context(), id); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRemovedRepositoryIsGone(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	publish(t, r, 1, pkg{name: "foo"})
	for range 2 {
		if err := r.Remove(t.Context(), repository); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, repository)); !os.IsNotExist(err) {
		t.Error(err)
	}
	create(t, r, x86) // the same name again begins empty
	if got := verify(t, r)[x86].Listed; len(got) > 0 {
		t.Errorf("listed %q", got)
	}
}

func TestVerifyFindsEveryDamage(t *testing.T) {
	t.Parallel()
	damages := map[string]func(path string) error{
		"cannot be read":  os.Remove,
		"is not the file": func(path string) error { return os.WriteFile(path, []byte("other"), 0o644) },
		"do not list the same": func(path string) error {
			// The databases of two different moments.
			empty, err := os.ReadFile(filepath.Join(filepath.Dir(path), "../aarch64/space.db.tar.zst"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(filepath.Dir(path), "space.db.tar.zst"), empty, 0o644)
		},
	}
	for words, damage := range damages {
		r, dir := open(t, pacmanrepo.Options{})
		create(t, r, x86, "aarch64")
		publish(t, r, 1, pkg{name: "foo"})
		if err := damage(archFile(dir, x86, "foo-1.0-1-x86_64.pkg.tar")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Verify(t.Context(), repository); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %q", err, words)
		}
	}
}

func TestSmallCacheChangesNothing(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{CacheBytes: 1})
	create(t, r, x86)
	for i := range 5 {
		publish(t, r, int64(i+1), pkg{name: fmt.Sprintf("foo%d", i)})
	}
	if got := verify(t, r)[x86].Listed; len(got) != 5 {
		t.Errorf("listed %q", got)
	}
}

// TestWaitingWriterGivesUp holds the repository inside a publication and asks
// for another one with a context that is over.
func TestWaitingWriterGivesUp(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	files := stage(t, r, 1, pkg{name: "foo"})
	var inner error
	once := sync.Once{}
	r.BeforeStep(func(string, string) error {
		once.Do(func() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			inner = r.Publish(ctx, publication(1, files, x86))
		})
		return nil
	})
	if err := r.Publish(t.Context(), publication(1, files, x86)); err != nil {
		t.Error(err)
	}
	if inner == nil || !strings.Contains(inner.Error(), context.Canceled.Error()) {
		t.Errorf("the second writer got %v", inner)
	}
}

// TestReadersNeverSeeAGap fetches databases and what they list, over HTTP, while
// a hundred publications add packages and replace versions.
func TestReadersNeverSeeAGap(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	base := serve(t, r) + "/repo/" + repository + "/os/" + x86 + "/"
	var done atomic.Bool
	var wg sync.WaitGroup
	var reads atomic.Int64
	for _, db := range []string{"space.db", "space.files"} {
		wg.Go(func() {
			for last := 0; !done.Load(); {
				n, err := readRepository(base, db)
				if err != nil || n < last {
					t.Errorf("%s: %d packages after %d: %v", db, n, last, err)
					return
				}
				last = n
				reads.Add(1)
			}
		})
	}
	publications := 100
	if testing.Short() {
		publications = 20
	}
	for i := range publications {
		publish(t, r, int64(i+1),
			pkg{name: fmt.Sprintf("new%03d", i), base: fmt.Sprintf("new%03d", i), version: fmt.Sprintf("1.%d-1", i), ext: "zst"},
			pkg{name: "replaced", version: fmt.Sprintf("1.%d-1", i), ext: "zst"})
	}
	done.Store(true)
	wg.Wait()
	if got := verify(t, r)[x86]; len(got.Listed) != publications+1 || len(got.Unlisted) != publications-1 {
		t.Errorf("%d listed, %d unlisted", len(got.Listed), len(got.Unlisted))
	}
	t.Logf("%d whole reads during %d publications", reads.Load(), publications)
}

// readRepository reads a database and checks the digest of the last package it
// lists and of the one that is replaced all the time.
func readRepository(base, db string) (packages int, err error) {
	packed, err := get(base + db)
	if err != nil {
		return 0, err
	}
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		return 0, fmt.Errorf("torn database: %w", err)
	}
	descs := strings.Split(string(text), "%FILENAME%\n")[1:]
	if len(descs) == 0 {
		return 0, nil
	}
	for _, desc := range descs[max(0, len(descs)-2):] {
		desc = "%FILENAME%\n" + desc
		content, err := get(base + field(desc, "FILENAME"))
		if err != nil {
			return 0, err
		}
		if digest(content) != field(desc, "SHA256SUM") {
			return 0, fmt.Errorf("%s came with a foreign digest", field(desc, "FILENAME"))
		}
	}
	return len(descs), nil
}

func get(url string) ([]byte, error) {
	res, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	return io.ReadAll(res.Body)
}

// TestLinksOutOfTheRepositoriesAreNotServed has links to a file outside, in the
// place of a file and of a directory; DB.db, which is a link too, is served.
func TestLinksOutOfTheRepositoriesAreNotServed(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	outside := t.TempDir()
	err := errors.Join(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, repository, "os", x86, "x.sig")),
		os.Symlink("../../../../../../../../../../etc/passwd", filepath.Join(dir, repository, "os", x86, "y.sig")),
		os.Symlink("/nowhere", filepath.Join(dir, repository, "os", x86, "z.sig")),
		os.Symlink(outside, filepath.Join(dir, repository, "os", "other")))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range [][2]string{{x86, "x.sig"}, {x86, "y.sig"}, {x86, "z.sig"}, {"other", "secret"}} {
		if _, err := r.OpenFile(repository, file[0], file[1]); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("%v: %v", file, err)
		}
	}
	f, err := r.OpenFile(repository, x86, dbName+".db")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// TestNothingOutsideIsWrittenOrReadThroughALink puts a link to a directory outside
// in the place of each directory that the package works in, and calls everything
// that takes a repository or an attempt: whatever it returns, the directory outside
// is as it was.
func TestNothingOutsideIsWrittenOrReadThroughALink(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"repos/" + repository, "repos/" + repository + "/os", "repos/" + repository + "/os/" + x86,
		"staging/" + attemptName(2).String(), "staging/" + attemptName(2).String() + "/upload",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := open(t, pacmanrepo.Options{})
			create(t, r, x86)
			publish(t, r, 1, pkg{name: "foo", version: "1.0-1"})
			staged := stage(t, r, 2, pkg{name: "foo", version: "2.0-1"})
			place := filepath.Join(filepath.Dir(dir), strings.Replace(name, "/upload", "/"+staged[0].SHA256, 1))
			outside := filepath.Join(t.TempDir(), "outside")
			if err := errors.Join(os.Rename(place, outside), os.Symlink(outside, place)); err != nil {
				t.Fatal(err)
			}
			before := tree(t, outside)
			id := pacmanrepo.ID{Repository: repository, DB: dbName, Architecture: x86}
			r = reopen(t, filepath.Dir(dir), pacmanrepo.Options{})
			_, _, _ = r.StagedBesides(attemptName(2), "")
			if all, err := r.Interfaces(attemptName(2)); err == nil && len(all) > 0 && strings.HasPrefix(name, "staging") {
				t.Error("interfaces of files outside were read")
			}
			if strings.HasPrefix(name, "repos") {
				if _, err := r.OpenFile(repository, x86, dbName+".db"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
					t.Errorf("opened: %v", err)
				}
				if all, err := r.Verify(t.Context(), repository); len(all) > 0 && err == nil {
					t.Errorf("verified %+v", all)
				}
			}
			_ = r.Create(t.Context(), id)
			_, _ = r.Remake(t.Context(), id, staged)
			if err := r.Publish(t.Context(), publication(2, staged, x86)); err == nil {
				t.Error("published")
			}
			_, _ = r.Prune(t.Context(), repository, -time.Hour)
			_ = r.Discard(attemptName(2))
			_ = r.Remove(t.Context(), repository)
			if diff := cmp.Diff(before, tree(t, outside)); diff != "" {
				t.Errorf("changed outside:\n%s", diff)
			}
		})
	}
}

// tree returns what is below a directory: sizes, links and modes by path.
func tree(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && path != dir {
			all[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// TestOnlyDiskTouchesFiles keeps what the package does to files in one place, where
// it stays below its two directories.
func TestOnlyDiskTouchesFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\bos\.([A-Z]\w*)\(|filepath\.(Glob|WalkDir|Walk|EvalSymlinks)\(`)
	harmless := map[string][]string{
		"pacmanrepo.go": {"os.MkdirAll(", "os.Stat("}, // of the two directories; for the words of an error
		"publish.go":    {"os.SameFile("},             // compares what was asked before
		"generation.go": {"os.MkdirAll("},             // of its own directory, before there is a disk
		"directory.go":  {"os.Stat("},                 // likewise
	}
	for _, name := range files {
		if name == "disk.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range call.FindAllString(string(text), -1) {
			if !slices.Contains(harmless[name], found) {
				t.Errorf("%s calls %s…)", name, found)
			}
		}
	}
}
