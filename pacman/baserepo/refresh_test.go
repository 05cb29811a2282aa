package baserepo_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/pacman/baserepo"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const corePath = "/core/os/x86_64/core"

func (m *mirror) core() baserepo.Repo {
	return baserepo.Repo{Name: "core", URL: m.URL + "/$repo/os/$arch/"}
}

func TestRefreshTakesWhatIsNewer(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	db, files := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-1"})
	m.put(corePath+".db", db, day)
	m.put(corePath+".files", files, day)
	dir := t.TempDir()
	b := open(t, dir, baserepo.Options{}, m.core())
	if _, ok := b.Snapshot().Package("foo"); ok {
		t.Fatal("there is a package before the first refresh")
	}

	got := refresh(t, b)
	if d := cmp.Diff([]baserepo.Result{{Repo: "core", Changed: true, Packages: 1}}, got); d != "" {
		t.Errorf("first (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{corePath + ".db 200", corePath + ".files 200", corePath + ".links.tar.gz 404"}, m.takeAsked()); d != "" {
		t.Errorf("first (-want +got):\n%s", d)
	}

	before := b.Snapshot()
	got = refresh(t, b)
	if got[0].Changed || b.Snapshot() != before {
		t.Error("an unchanged repository made a new snapshot")
	}
	if d := cmp.Diff([]string{corePath + ".db 304", corePath + ".files 304", corePath + ".links.tar.gz 404"}, m.takeAsked()); d != "" {
		t.Errorf("again (-want +got):\n%s", d)
	}

	again := open(t, dir, baserepo.Options{}, m.core()) // a restart asks with the same marks
	if e, ok := again.Snapshot().Package("foo"); !ok || e.Version != "1-1" {
		t.Errorf("after a restart: %+v, %v", e, ok)
	}
	refresh(t, again)
	if asked := m.takeAsked(); asked[0] != corePath+".db 304" {
		t.Errorf("after a restart: %q", asked)
	}

	db, _ = repoAdd(t, ".zst", pkg{name: "foo", base: "foo", version: "2-1"}, pkg{name: "bar", base: "foo", version: "2-1"})
	m.put(corePath+".db", db, day.Add(time.Hour))
	if got := refresh(t, again); !got[0].Changed || got[0].Packages != 2 {
		t.Errorf("newer: %+v", got)
	}
	if e, _ := again.Snapshot().Package("foo"); e.Version != "2-1" {
		t.Errorf("newer: %+v", e)
	}
	if e, _ := before.Package("foo"); e.Version != "1-1" {
		t.Errorf("an older snapshot changed: %+v", e)
	}
}

func TestFaultsKeepWhatThereWas(t *testing.T) {
	t.Parallel()
	good := madeUp(t, 100)
	cut := func(w http.ResponseWriter, _ *http.Request) { // promises more than it sends
		w.Header().Set("Content-Length", fmt.Sprint(len(good)))
		w.Write(good[:len(good)/2])
	}
	stream := func(w http.ResponseWriter, _ *http.Request) { // 300 MB without a length
		block := make([]byte, 1<<20)
		for range 300 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
		t.Error("all of 300 MB was taken")
	}
	large := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(300<<20))
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	bad := compress(t, "gz", tarOf(t, member{"x-1-1/desc", "%NAME%\n../x\n\n%VERSION%\n1-1\n\n%ARCH%\nany\n"}))
	desc := func(text string) http.HandlerFunc {
		return answer(200, string(compress(t, "gz", tarOf(t, member{"x-1-1/desc", "%NAME%\nx\n\n%VERSION%\n1-1\n\n%ARCH%\nany\n\n" + text}))))
	}
	bomb := compress(t, "gz", make([]byte, 80<<20))
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found":         {answer(404, "gone fishing"), "the server does not have it"},
		"server error":      {answer(500, "oops"), "500 Internal Server Error"},
		"forbidden":         {answer(403, ""), "403 Forbidden"},
		"part of it":        {answer(206, string(good)), "206 Partial Content"},
		"unasked 304":       {answer(304, ""), "304 Not Modified"},
		"html":              {answer(200, "<!doctype html>"+strings.Repeat("<p>Maintenance</p>", 50)), "not a database: not a tar archive"},
		"no bytes":          {answer(200, ""), "not a database: the archive is cut off"},
		"broken off":        {cut, "the server broke off"},
		"half, passed off":  {answer(200, string(good[:len(good)/2])), "not a database: the archive is cut off"},
		"a flipped bit":     {answer(200, string(good[:3000])+"x"+string(good[3001:])), "not a database: "},
		"no packages":       {answer(200, string(compress(t, "gz", tarOf(t)))), "it lists no packages"},
		"a tenth":           {answer(200, string(madeUp(t, 10))), "it has lost 90 of 100 packages"},
		"an illegal name":   {answer(200, string(bad)), "without a legal name"},
		"endless":           {stream, "more than 20000000 bytes"},
		"large, announced":  {large, "more than 20000000 bytes"},
		"a long line":       {desc("%DESC%\n" + strings.Repeat("x", 70_000)), "a line of more than 65536 bytes"},
		"a long entry":      {desc(strings.Repeat("%X%\n\n", 1<<20)), "more than 4194304 bytes"},
		"long lists":        {desc("%DEPENDS%\n" + strings.Repeat("x\n", 200_000)), "too much to be kept"},
		"a bomb":            {answer(200, string(bomb)), "not a database: "},
		"nothing, for long": {silent, "took too long"},
		"hung up":           {hangUp, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMirror(t)
			m.set(corePath+".db", answer(200, string(good)))
			dir := t.TempDir()
			o := baserepo.Options{MaxSize: 20_000_000, MaxUnpacked: 64 << 20, MaxKept: 1 << 20, Timeout: time.Minute}
			if name == "nothing, for long" {
				o.Timeout = 2 * time.Second
			}
			b := open(t, dir, o, m.core())
			refresh(t, b)
			m.set(corePath+".db", c.handler)
			check := func(b *baserepo.Base) {
				t.Helper()
				got := b.Refresh(t.Context())[0]
				if got.Changed || got.Packages != 100 || !strings.Contains(got.Warning, c.want) || !strings.HasSuffix(got.Warning, "the copy with 100 packages is kept") {
					t.Errorf("%+v, want %q", got, c.want)
				}
				if strings.Contains(got.Warning, dir) || strings.Contains(got.Warning, m.URL) {
					t.Errorf("the warning tells too much: %q", got.Warning)
				}
				if _, ok := b.Snapshot().Package("package-99"); !ok {
					t.Error("its packages are gone")
				}
			}
			check(b)
			check(open(t, dir, o, m.core())) // a restart keeps the last good one
			if left, _ := filepath.Glob(filepath.Join(dir, atomicfile.TempPrefix+"*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestServerThatIsDownKeepsWhatThereWas(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.set(corePath+".db", answer(200, string(madeUp(t, 5))))
	b := open(t, t.TempDir(), baserepo.Options{}, m.core())
	refresh(t, b)
	m.Close()
	got := b.Refresh(t.Context())[0]
	if !strings.Contains(got.Warning, "core.db: the server cannot be reached") || got.Packages != 5 {
		t.Errorf("%+v", got)
	}
	if _, ok := b.Snapshot().Package("package-4"); !ok {
		t.Error("its packages are gone")
	}
}

func TestFirstRefreshThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	b := open(t, t.TempDir(), baserepo.Options{}, m.core())
	got := b.Refresh(t.Context())[0]
	if d := cmp.Diff(baserepo.Result{Repo: "core", Warning: "core.db: the server does not have it; there is no earlier copy"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, ok := b.Snapshot().Interfaces("foo"); ok {
		t.Error("an unknown pkgbase has interfaces")
	}
}

func TestLostListsAreKeptWithAWarning(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	db, files := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-1"})
	m.put(corePath+".db", db, day)
	m.put(corePath+".files", files, day)
	b := open(t, t.TempDir(), baserepo.Options{}, m.core())
	refresh(t, b)
	m.set(corePath+".files", nil)
	if got := b.Refresh(t.Context())[0]; got.Warning != "core.files: the server does not have it; the copy with 1 packages is kept" {
		t.Errorf("%+v", got)
	}
	if _, ok := b.Snapshot().Interfaces("foo"); !ok {
		t.Error("its interface is not known any more")
	}
}

func TestVolatileRepositoriesMayBecomeEmpty(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.set(corePath+".db", answer(200, string(madeUp(t, 100))))
	r := m.core()
	r.Volatile = true
	b := open(t, t.TempDir(), baserepo.Options{}, r)
	refresh(t, b)
	m.set(corePath+".db", answer(200, string(compress(t, "gz", tarOf(t)))))
	if got := refresh(t, b); !got[0].Changed || got[0].Packages != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAnotherURLIsNoShrinking(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.put("/big/core.db", madeUp(t, 100), day)
	m.put("/small/core.db", madeUp(t, 5), day)
	dir := t.TempDir()
	refresh(t, open(t, dir, baserepo.Options{}, baserepo.Repo{Name: "core", URL: m.URL + "/big"}))
	b := open(t, dir, baserepo.Options{}, baserepo.Repo{Name: "core", URL: m.URL + "/small"})
	if got := refresh(t, b); got[0].Packages != 5 {
		t.Errorf("%+v", got)
	}
	asked := m.takeAsked()
	if !slices.Contains(asked, "/small/core.db 200") {
		t.Errorf("the other server was asked with foreign marks: %q", asked)
	}
}

func TestDamagedCopyIsDownloadedAgain(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.put(corePath+".db", madeUp(t, 5), day)
	dir := t.TempDir()
	refresh(t, open(t, dir, baserepo.Options{}, m.core()))
	for _, damage := range []func(string) error{
		func(p string) error { return os.Truncate(p, 100) },
		os.Remove,
		func(p string) error { return os.WriteFile(p+".json", []byte("{"), 0o600) },
		func(p string) error { return os.Remove(p + ".json") },
	} {
		if err := damage(filepath.Join(dir, "core.db")); err != nil {
			t.Fatal(err)
		}
		m.takeAsked()
		b := open(t, dir, baserepo.Options{}, m.core())
		if got := refresh(t, b); got[0].Packages != 5 || m.takeAsked()[0] != corePath+".db 200" {
			t.Errorf("%+v", got)
		}
	}
}

func TestHalfWrittenFilesAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, atomicfile.TempPrefix+"123")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, baserepo.Options{})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestLocalRepositories(t *testing.T) {
	t.Parallel()
	server := t.TempDir()
	repo := baserepo.Repo{Name: "core", URL: "file://" + server + "/$repo"}
	if err := os.Mkdir(filepath.Join(server, "core"), 0o700); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(server, "core", "core.db")
	write := func(n int, modified time.Time) {
		t.Helper()
		if err := os.WriteFile(db, madeUp(t, n), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(db, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	write(5, day)
	b := open(t, t.TempDir(), baserepo.Options{}, repo)
	if got := refresh(t, b); !got[0].Changed || got[0].Packages != 5 {
		t.Errorf("%+v", got)
	}
	if got := refresh(t, b); got[0].Changed {
		t.Error("an unchanged file was taken again")
	}
	write(6, day.Add(time.Second))
	if got := refresh(t, b); !got[0].Changed || got[0].Packages != 6 {
		t.Errorf("%+v", got)
	}
	os.Remove(db)
	if err := syscall.Mkfifo(db, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.Refresh(t.Context()); got[0].Warning != "core.db: it is not a plain file; the copy with 6 packages is kept" {
		t.Errorf("%+v", got)
	}
}

func TestRefreshStopsWithItsContext(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	ctx, cancel := context.WithCancel(t.Context())
	m.set(corePath+".db", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	got := open(t, t.TempDir(), baserepo.Options{}, m.core()).Refresh(ctx)
	if !strings.Contains(got[0].Warning, "it was interrupted") {
		t.Errorf("%+v", got)
	}
}

func TestSnapshotsAreReadWhileRefreshing(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	b := open(t, t.TempDir(), baserepo.Options{}, m.core())
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := b.Snapshot()
				if _, ok := s.Package("package-0"); ok != (s.Packages() > 0) {
					t.Error("half a snapshot")
				}
				s.Interfaces("base-0")
			}
		})
	}
	for i := range 10 {
		m.put(corePath+".db", madeUp(t, 20+i), day.Add(time.Duration(i)*time.Hour))
		refresh(t, b)
	}
	close(stop)
	readers.Wait()
}

func TestWrongRepositoriesAreRefused(t *testing.T) {
	t.Parallel()
	for _, repos := range [][]baserepo.Repo{
		{{Name: "", URL: "https://example.invalid"}},
		{{Name: "../core", URL: "https://example.invalid"}},
		{{Name: ".core", URL: "https://example.invalid"}},
		{{Name: "core>1", URL: "https://example.invalid"}},
		{{Name: "lib:x.so", URL: "https://example.invalid"}},
		{{Name: "core", URL: ""}},
		{{Name: "core", URL: "ftp://example.invalid"}},
		{{Name: "core", URL: "https:///core"}},
		{{Name: "core", URL: "file://host/core"}},
		{{Name: "core", URL: "/srv/core"}},
		{{Name: "core", URL: "https://example.invalid/\x7f"}},
		{{Name: "core", URL: "https://example.invalid"}, {Name: "core", URL: "https://example.org"}},
	} {
		if _, err := baserepo.Open(t.TempDir(), repos, baserepo.Options{}); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%v: %v", repos, err)
		}
	}
}
