package scheduler_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"buildbtw/pacman/baserepo"
	"buildbtw/scheduler/schedulertest"
)

func TestBaseThatIsDownStopsNothing(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	defer down.Close()
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "core", URL: down.URL + "/$repo/os/$arch"}}, baserepo.Options{Architecture: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	f := schedulertest.New(t)
	f.Bases = baserepo.Bases{"x86_64": base}
	if err := f.Loop("base").Pass(t.Context()); err != nil {
		t.Error(err)
	}
	if _, ok := f.Bases.Interfaces("x86_64", "glibc"); ok {
		t.Error("a base that was never read knows an interface")
	}
	if _, ok := f.Bases.Interfaces("aarch64", "glibc"); ok {
		t.Error("a base for another architecture knows an interface")
	}
}
