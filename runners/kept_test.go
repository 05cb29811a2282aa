package runners

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// keptDir makes the directory of an attempt and keeps it.
func keptDir(t *testing.T, w *workDir, build string, until time.Time) string {
	t.Helper()
	dir, err := w.attempt(0)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "log"), []byte("the log, for the server"), 0o600)
	}
	if err == nil {
		err = w.keep(dir, Kept{Job: api.Job{BuildID: build, Lease: "hush", Pkgbase: "lib"}, Runner: "makepkg", Until: until})
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func isThere(dir string) bool {
	_, err := os.Lstat(dir)
	return err == nil
}

func openTestDir(t *testing.T, path string, keep time.Duration) *workDir {
	t.Helper()
	w, err := openWorkDir(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestKeptBuildsEnd(t *testing.T) {
	t.Parallel()
	path, now := t.TempDir(), time.Now()
	w := openTestDir(t, path, time.Hour)
	defer w.close()
	old, other := keptDir(t, w, "1", now.Add(time.Minute)), keptDir(t, w, "2", now.Add(time.Hour))
	forged := keptDir(t, w, "3", now.Add(1000*time.Hour)) // by a build that could write there

	text, err := os.ReadFile(filepath.Join(old, keptName))
	if err != nil || strings.Contains(string(text), "hush") || isThere(filepath.Join(old, "log")) {
		t.Errorf("something of the worker's is kept: %s, %v", text, err)
	}
	next, err := w.sweepKept(at(now), time.Hour)
	if err != nil || !isThere(old) || !isThere(other) || isThere(forged) || !next.Equal(now.Add(time.Minute).Round(0)) {
		t.Errorf("before any is over: %v, next %v", err, next)
	}
	open, err := OpenKept(path, "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKept(path, "1"); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a second shell: %v", err)
	}
	if b := open.Build(); b.Tree != filepath.Join(old, "source") || b.Pkgbase != "lib" {
		t.Errorf("%+v", b)
	}
	after := now.Add(2 * time.Minute)
	if _, err := w.sweepKept(at(after), time.Hour); err != nil || !isThere(old) {
		t.Errorf("removed from below an open shell: %v", err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.sweepKept(at(after), time.Hour); err != nil || isThere(old) || !isThere(other) {
		t.Errorf("after one is over: %v", err)
	}
	if _, err := OpenKept(path, "1"); buildbtw.KindOf(err) != buildbtw.KindNotFound || !strings.Contains(err.Error(), "there are 2") {
		t.Errorf("a build that is gone: %v", err)
	}
	if _, err := OpenKept(filepath.Join(path, "nowhere"), "1"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("no worker was here: %v", err)
	}
}

func TestFewBuildsAreKept(t *testing.T) {
	t.Parallel()
	path, now := t.TempDir(), time.Now()
	w := openTestDir(t, path, time.Hour)
	defer w.close()
	var dirs []string
	for i := range keptMost + 2 {
		dirs = append(dirs, keptDir(t, w, strconv.Itoa(i), now.Add(time.Duration(i+1)*time.Minute)))
	}
	if _, err := w.sweepKept(at(now), time.Hour); err != nil {
		t.Fatal(err)
	}
	for i, dir := range dirs {
		if isThere(dir) != (i >= 2) {
			t.Errorf("number %d: kept %v", i, isThere(dir))
		}
	}
	// What is too large for all of the room goes first.
	large := Kept{Job: api.Job{BuildID: "9"}, Until: now.Add(time.Second), Bytes: keptBytes + 1}
	text, err := json.Marshal(large)
	if err == nil {
		err = os.WriteFile(filepath.Join(dirs[2], keptName), text, 0o600)
	}
	if err == nil {
		_, err = w.sweepKept(at(now), time.Hour)
	}
	if err != nil || isThere(dirs[2]) || !isThere(dirs[3]) {
		t.Errorf("a large one is kept: %v", err)
	}
}

// TestAKilledWorkerLeavesNothingForEver: the next one keeps what may be kept, and no more.
func TestAKilledWorkerLeavesNothingForEver(t *testing.T) {
	t.Parallel()
	path, now := t.TempDir(), time.Now()
	w := openTestDir(t, path, time.Hour)
	kept, over := keptDir(t, w, "1", now.Add(time.Hour)), keptDir(t, w, "2", now.Add(-time.Second))
	running, err := w.attempt(1)
	if err != nil {
		t.Fatal(err)
	}
	w.close() // as the kernel does

	w = openTestDir(t, path, 2*time.Hour)
	if !isThere(kept) || isThere(over) || isThere(running) {
		t.Errorf("after a restart: kept %v, over %v, running %v", isThere(kept), isThere(over), isThere(running))
	}
	w.close()
	w = openTestDir(t, path, 0)
	defer w.close()
	if isThere(kept) {
		t.Error("a worker without --keep-failed keeps a failed build")
	}
}

// at is a clock that stands still.
func at(t time.Time) func() time.Time { return func() time.Time { return t } }
