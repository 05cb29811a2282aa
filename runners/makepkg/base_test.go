package makepkg_test

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/runners"
	"buildbtw/runners/makepkg"
)

// TestTheBaseHasWhatTheIterationLacks: a program is built against the base's library while
// the iteration's repository has none, and against the iteration's as soon as it has one.
// The base gets no token of this server.
func TestTheBaseHasWhatTheIterationLacks(t *testing.T) {
	t.Parallel()
	r, dir := newRepository(t), t.TempDir()
	lib := mustBuild(t, newRunner(t, makepkg.Options{}), newRepository(t), source{name: "libfoo"})
	args := append([]string{"-q", filepath.Join(dir, "distribution.db.tar.gz")}, lib.files...)
	for _, file := range lib.files {
		run(t, "cp", file, dir)
	}
	run(t, "repo-add", args...)
	files := http.FileServer(http.Dir(dir))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			t.Errorf("%s was asked for with a token", q.URL)
		}
		files.ServeHTTP(w, q)
	}))
	t.Cleanup(site.Close)
	app := source{name: "fooapp"}
	withToken := app
	withToken.job = func(job *runners.Job) {
		job.Authorize = func(q *http.Request) error { q.Header.Set("Authorization", "Bearer secret"); return nil }
	}
	for _, address := range []string{"file://" + dir, site.URL} {
		on := newRunner(t, makepkg.Options{InstallFrom: []api.Repository{{Name: "distribution", URL: address}}})
		b := mustBuild(t, on, r, withToken)
		if deps := readInfo(t, b.files[0]).Depends; !strings.Contains(b.log, "answer=42") || !slices.Contains(deps, "libfoo.so=1-64") || b.NotChecked != "" {
			t.Errorf("%s: built without the base's library: depends %q, not checked %q\n%s", address, deps, b.NotChecked, b.log)
		}
	}
	r.add(t, mustBuild(t, newRunner(t, makepkg.Options{}), r, source{name: "libfoo", edit: []string{"1.0.0", "2.0.0"}}).files...)
	on := newRunner(t, makepkg.Options{InstallFrom: []api.Repository{{Name: "distribution", URL: "file://" + dir}}})
	b := mustBuild(t, on, r, app)
	if deps := readInfo(t, b.files[0]).Depends; !strings.Contains(b.log, "answer=43") || !slices.Contains(deps, "libfoo.so=2-64") {
		t.Errorf("the base hides the iteration's library: depends %q\n%s", deps, b.log)
	}

	gone := newRunner(t, makepkg.Options{InstallFrom: []api.Repository{{Name: "distribution", URL: "file://" + dir + "/gone"}}})
	if b := build(t, gone, r, app); b.Outcome != buildbtw.OutcomeInfrastructure || !b.Blameless || !strings.Contains(b.Message, "distribution") {
		t.Errorf("a base that is gone: %s %q", b.Outcome, b.Message)
	}
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
