package devtools

import (
	"os"
	"path/filepath"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// demo returns the names of the demo's sources.
func demo(t *testing.T) map[string]map[string]string {
	t.Helper()
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "infrastructure/demo/sources"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]map[string]string{}
	for _, e := range entries {
		sources[e.Name()] = nil
	}
	return sources
}

// The demo is built by two workers at once, each with two builds at a time; then again,
// when the distribution has packages of the same names that were built otherwise.
func TestDemoIsBuiltByTwoWorkers(t *testing.T) {
	need(t)
	m := startMirror(t)
	for _, packager := range []string{"First <first@localhost>", "Second <second@localhost>"} {
		s := startSite(t, demo(t))
		s.worker(t, "one", "--jobs", "2", "--packager", packager)
		s.worker(t, "two", "--jobs", "2", "--packager", packager)
		s.create(t, "demo", "libcalc")
		s.allBuilt(t, "demo", 17)
		m.release(t, s.packages(t, "demo")...)
		if t.Failed() {
			return
		}
	}
}
