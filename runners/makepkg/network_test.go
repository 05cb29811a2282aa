package makepkg_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"buildbtw/runners/makepkg"
)

// Whatever makepkg and pacman run of a package finds no way out of the box: the
// PKGBUILD while its sources are fetched and at every step of the build, and what
// it made when that is installed for another build.
func TestNothingOfAPackageReachesTheNetwork(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	var asked atomic.Int32
	files := http.FileServer(http.Dir(r.dir))
	r.server.Close()
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/api") {
			asked.Add(1)
		}
		files.ServeHTTP(w, q)
	}))
	t.Cleanup(r.server.Close)
	abstract, err := net.Listen("unix", fmt.Sprintf("@buildbtw-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	if err := os.WriteFile(filepath.Join(r.dir, "payload"), []byte("from afar"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := newRunner(t, makepkg.Options{Fetcher: r.fetcher(t)})
	b := mustBuild(t, run, r, source{name: "reaches"})
	for _, step := range []string{"the top level", "pkgver()", "prepare()", "build()", "check()", "package()"} {
		if !strings.Contains(b.log, "LOOKED in "+step) {
			t.Errorf("it has not looked in %s:\n%s", step, b.log)
		}
	}
	if strings.Contains(b.log, "REACHED") {
		t.Errorf("the log says:\n%s", b.log)
	}
	r.add(t, b.files...)
	b = mustBuild(t, run, r, source{name: "needsreaches"})
	if strings.Contains(b.log, "SCRIPTLET RAN") {
		t.Errorf("a script of a package was run:\n%s", b.log)
	}
	if asked.Load() > 0 {
		t.Error("the server on this machine was asked")
	}
}
