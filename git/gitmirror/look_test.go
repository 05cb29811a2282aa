package gitmirror_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// sleeps is a PKGBUILD that goes on as soon as the file "go" lies beside it, where
// only a new content of the source puts it, and otherwise never.
const sleeps = "while ! [ -e go ]; do sleep 0.05; done\n" + testPKGBUILD

// hastyMirror is a mirror with less patience than usual, though more than a good
// source needs on a busy machine.
func hastyMirror(t *testing.T) *gitmirror.Mirror {
	t.Helper()
	m := openMirror(t)
	m.SetPatience(2*time.Second, 10*time.Second)
	t.Cleanup(m.Wait)
	return m
}

// syncSome is one bounded pass.
func syncSome(ctx context.Context, t *testing.T, m *gitmirror.Mirror, dir string) gitmirror.Report {
	t.Helper()
	r, err := m.SyncSome(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// One source that takes for ever, of each sort, holds up none of the others: not
// their import and not their pushes.
func TestASlowSourceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), hastyMirror(t)
	late := make(chan struct{}, 1)
	m.OnLate(func() { late <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	write(t, filepath.Join(dir, "a-slow", "PKGBUILD"), sleeps)
	for i := range 8 {
		newSource(t, filepath.Join(dir, fmt.Sprintf("good%d", i)), "1")
	}
	for !importedAll(t, m, 8) {
		syncSome(ctx, t, m, dir)
	}
	pushed := commitFile(t, filepath.Join(dir, "good7"), "x", "y")
	r := syncSome(ctx, t, m, dir)
	if got := tipsOf(t, m)["good7 main"]; got != pushed {
		t.Errorf("good7 is at %s, want the push %s", got, pushed)
	}
	if err := r.Broken["a-slow"]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "takes longer") {
		t.Errorf("the slow one: %v", err)
	}
	if r.Looks["a-slow"].Since.IsZero() {
		t.Errorf("nothing says since when it is read: %+v", r.Looks)
	}
	write(t, filepath.Join(dir, "a-slow", "go"), "")
	cancel()
	<-late
	mustSync(t, m, dir)
	if got := tipsOf(t, m); got["a-slow main"] == "" {
		t.Errorf("after a change it is read: %v", got)
	}
}

// importedAll reports whether so many sources are in the mirror.
func importedAll(t *testing.T, m *gitmirror.Mirror, n int) bool {
	t.Helper()
	return len(tipsOf(t, m)) >= n
}

// However many are slow, they cannot take all places.
func TestManySlowSourcesHoldUpNoOther(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), hastyMirror(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 12 {
		write(t, filepath.Join(dir, fmt.Sprintf("a%d", i), "PKGBUILD"), sleeps)
	}
	newSource(t, filepath.Join(dir, "z-good"), "1")
	for !importedAll(t, m, 1) {
		syncSome(ctx, t, m, dir)
	}
	crowded := 0
	for _, err := range syncSome(ctx, t, m, dir).Broken {
		if strings.Contains(buildbtw.MessageOf(err), "so do others") {
			crowded++
		}
	}
	if crowded < 12-gitmirror.MaxSlow-3 {
		t.Errorf("%d of 12 were put off", crowded)
	}
}

// A time-out is no verdict: after a pause it is tried again, at once when the source
// changes, and at once when somebody asks.
func TestATimeOutIsTriedAgain(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	recipe := filepath.Join(dir, "hello", "PKGBUILD")
	write(t, recipe, sleeps)
	m.StopPkgbuildsAfter(100 * time.Millisecond)
	now := time.Now().Add(time.Hour) // the files are at rest
	m.SetClock(func() time.Time { return now })
	first := syncDir(t, m, dir)
	if err := first.Broken["hello"]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "took longer than 0.1 s") {
		t.Fatalf("got %v", err)
	}
	next := first.Looks["hello"].Next
	if next.Before(now.Add(20*time.Second)) || next.After(now.Add(time.Minute)) {
		t.Errorf("next look at %v, now %v", next, now)
	}
	if again := syncDir(t, m, dir); again.Looks["hello"].Next != next || again.Broken["hello"] == nil {
		t.Errorf("tried in its pause: %+v", again)
	}
	now = next.Add(time.Second)
	second := syncDir(t, m, dir)
	if pause := second.Looks["hello"].Next.Sub(now); pause < time.Minute || pause > 2*time.Minute {
		t.Errorf("the second pause is %v", pause)
	}
	m.StopPkgbuildsAfter(time.Minute)
	write(t, filepath.Join(dir, "hello", "go"), "")
	if r := mustSync(t, m, dir); len(r.Changed) != 1 || len(r.Looks) != 0 {
		t.Errorf("after a change: %+v", r)
	}
}

func TestLookNowEndsAPause(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	plainSource(t, filepath.Join(dir, "hello"))
	m.StopPkgbuildsAfter(time.Millisecond)
	if syncDir(t, m, dir).Broken["hello"] == nil {
		t.Fatal("makepkg took less than a millisecond")
	}
	m.StopPkgbuildsAfter(time.Minute)
	if syncDir(t, m, dir).Broken["hello"] == nil {
		t.Fatal("tried in its pause")
	}
	m.LookNow("hello")
	mustSync(t, m, dir)
}

// What panics is the trouble of one source.
func TestAPanicIsOfOneSource(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "good"), "1")
	plainSource(t, filepath.Join(dir, "bad"))
	m.FindPrograms(func(string) (string, error) { panic("index out of range") })
	r := syncDir(t, m, dir)
	if err := r.Broken["bad"]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "fault of buildbtw") || r.Looks["bad"].Next.IsZero() {
		t.Errorf("got %v, %+v", err, r.Looks)
	}
	if len(r.Broken) != 1 || len(r.Changed) != 1 {
		t.Errorf("%+v", r)
	}
}

// A pass ends after its time; the next ones do the rest, and a push to what is there
// comes before what is new.
func TestAnImportIsDoneInParts(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "z"), "1")
	mustSync(t, m, dir)
	for i := range 30 {
		newSource(t, filepath.Join(dir, fmt.Sprintf("s%d", i)), "1")
	}
	pushed := commitFile(t, filepath.Join(dir, "z"), "x", "y")
	m.SetPatience(time.Minute, time.Millisecond)
	t.Cleanup(m.Wait)
	r := syncSome(t.Context(), t, m, dir)
	if r.Waiting == 0 || r.Found != 31 {
		t.Errorf("%+v", r)
	}
	m.Wait()
	if got := tipsOf(t, m); got["z main"] != pushed {
		t.Errorf("the push waits for the import: %v", got)
	}
	changed := map[string]bool{}
	for ; ; r = syncSome(t.Context(), t, m, dir) {
		for _, slug := range r.Changed {
			changed[slug] = true
		}
		if r.Waiting == 0 {
			break
		}
	}
	m.Wait()
	for _, slug := range syncSome(t.Context(), t, m, dir).Changed {
		changed[slug] = true
	}
	if len(changed) != 31 || !importedAll(t, m, 31) {
		t.Errorf("%d sources were reported, %d are there", len(changed), len(tipsOf(t, m)))
	}
}

func TestADirectoryThatComesAndGoesIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	dir, m := filepath.Join(t.TempDir(), "later"), openMirror(t)
	if _, err := m.SyncSome(t.Context(), dir); err == nil {
		t.Error("no error")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	newSource(t, filepath.Join(dir, "a"), "1")
	if r := mustSync(t, m, dir); r.Found != 1 {
		t.Errorf("%+v", r)
	}
}
