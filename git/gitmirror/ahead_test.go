package gitmirror_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/git/gitmirror"
)

// crowd makes so many sources s0, s1 … with a .SRCINFO of their own, and returns
// their commits.
func crowd(t *testing.T, dir string, n int) (commits []string) {
	t.Helper()
	for i := range n {
		commits = append(commits, newSource(t, filepath.Join(dir, fmt.Sprintf("s%d", i)), fmt.Sprintf("text %d", i)))
	}
	return commits
}

// mirrored returns how many refs git itself finds in the mirror.
func mirrored(t *testing.T, m *gitmirror.Mirror) int {
	t.Helper()
	return len(strings.Fields(gitIn(t, m.Dir(), "for-each-ref", "--format=%(refname)", "refs/sources")))
}

// wantTexts checks the .SRCINFO of a crowd.
func wantTexts(t *testing.T, m *gitmirror.Mirror, commits []string) {
	t.Helper()
	infos, err := m.ReadSrcinfos(t.Context(), commits)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range commits {
		if got := infos[c]; got.Err != nil || string(got.Text) != fmt.Sprintf("text %d", i) {
			t.Errorf("s%d: %q, %v", i, got.Text, got.Err)
		}
	}
}

// What many new sources hold is known before the mirror has their objects. They come
// when somebody asks for them, and at the latest with Fill.
func TestManyNewSourcesAreReadWhereTheyLie(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commits := crowd(t, dir, 70)
	gitIn(t, filepath.Join(dir, "s3"), "tag", "-a", "-m", "x", "v1")
	first := commits[4]
	commits[4] = commitFile(t, filepath.Join(dir, "s4"), "more", "x")
	r := syncSome(t.Context(), t, m, dir)
	if len(r.Broken) != 0 || r.Waiting != 0 || len(r.Changed) != 70 {
		t.Errorf("%+v", r)
	}
	if n := mirrored(t, m); n != 0 {
		t.Errorf("%d refs are mirrored already", n)
	}
	if read, of := m.Reading(); read != 0 || of != 70 {
		t.Errorf("read %d of %d", read, of)
	}
	wantTexts(t, m, commits)
	if read, of := m.Reading(); read != 70 || of != 70 {
		t.Errorf("read %d of %d", read, of)
	}
	var out bytes.Buffer
	if err := m.Archive(t.Context(), commits[60], &out); err != nil || untar(t, &out)[".SRCINFO"] != "text 60" {
		t.Errorf("a build's files: %v", err)
	}
	for ref, want := range map[string]string{"v1": commits[3], "main": commits[3]} {
		if got, err := m.Resolve(t.Context(), "s3", ref); err != nil || got != want {
			t.Errorf("%s is %s, %v", ref, got, err)
		}
	}
	if got, err := m.Resolve(t.Context(), "s4", first[:10]); err != nil || got != first {
		t.Errorf("an older commit: %s, %v", got, err)
	}
	m.Fill(t.Context())
	m.Wait()
	if n := mirrored(t, m); n != 71 {
		t.Errorf("%d refs are mirrored, want 71", n)
	}
	if left, _ := filepath.Glob(m.Dir() + "/.[a-z]*"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if r := syncSome(t.Context(), t, m, dir); len(r.Broken) != 0 || len(tipsOf(t, m)) != 71 {
		t.Errorf("%+v", r)
	}
	m.ForgetSrcinfos()
	wantTexts(t, m, commits)
	gitIn(t, m.Dir(), "fsck", "--strict", "--connectivity-only")
}

// What changes between the first look and the copy is seen as always.
func TestASourceThatMovesWhileItWaits(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	crowd(t, dir, 12)
	syncSome(t.Context(), t, m, dir)
	moved := commitFile(t, filepath.Join(dir, "s1"), "x", "y")
	if err := os.RemoveAll(filepath.Join(dir, "s2")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "s3", ".git")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "s3", "PKGBUILD"), testPKGBUILD)
	write(t, filepath.Join(dir, "s3", ".SRCINFO"), "plain")
	r := syncSome(t.Context(), t, m, dir)
	if len(r.Broken) != 0 || fmt.Sprint(r.Removed) != "[s2]" {
		t.Errorf("%+v", r)
	}
	m.Fill(t.Context())
	m.Wait()
	syncSome(t.Context(), t, m, dir)
	got := tipsOf(t, m)
	if got["s1 main"] != moved || got["s2 main"] != "" || len(got) != 11 || mirrored(t, m) != 11 {
		t.Errorf("%v, s1 should be at %s", got, moved)
	}
	if infos, err := m.ReadSrcinfos(t.Context(), []string{got["s3 main"]}); err != nil || string(infos[got["s3 main"]].Text) != "plain" {
		t.Errorf("%v, %v", infos, err)
	}
}

// A process that ends before it has copied anything loses nothing, and the next one
// knows that what it finds is not all.
func TestAProcessThatEndsWhileSourcesWait(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commits := crowd(t, dir, 40)
	syncSome(t.Context(), t, m, dir)
	if m.Partial() {
		t.Error("this process knows of all")
	}
	if err := m.SetWhole(); err != nil { // which it is not before the objects are there
		t.Fatal(err)
	}
	m.MirrorSource(t.Context(), "s1")
	m, err := gitmirror.Open(t.Context(), m.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if n := mirrored(t, m); !m.Partial() || n == 0 || n == 40 {
		t.Errorf("partial: %v, %d mirrored", m.Partial(), n)
	}
	mustSync(t, m, dir)
	wantTexts(t, m, commits)
	if n := mirrored(t, m); n != 40 {
		t.Errorf("%d mirrored", n)
	}
	if err := m.SetWhole(); err != nil || m.Partial() {
		t.Error(err)
	}
	if m, err = gitmirror.Open(t.Context(), m.Dir()); err != nil || m.Partial() {
		t.Error("the mirror is whole now", err)
	}
}

// One bad source among many is the only one that fails, and a store of objects does
// not answer for another source.
func TestOneOfManyIsBad(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commits := crowd(t, dir, 12)
	blob := gitIn(t, filepath.Join(dir, "s7"), "rev-parse", "HEAD:.SRCINFO")
	plant(t, filepath.Join(dir, "a-liar"), blob, "text of the liar")
	gone := gitIn(t, filepath.Join(dir, "s9"), "rev-parse", "HEAD:.SRCINFO")
	if err := os.Remove(filepath.Join(dir, "s9", ".git", "objects", gone[:2], gone[2:])); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		syncSome(t.Context(), t, m, dir)
		if _, err := m.ReadSrcinfos(t.Context(), commits); err != nil {
			t.Fatal(err)
		}
		m.Fill(t.Context())
		m.Wait()
	}
	r := syncSome(t.Context(), t, m, dir)
	if err := r.Broken["s9"]; len(r.Broken) != 1 || err == nil || !strings.Contains(err.Error(), "git fsck") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", r.Broken)
	}
	wantTexts(t, m, commits[:9])
	if n := mirrored(t, m); n != 12 {
		t.Errorf("%d mirrored", n)
	}
	gitIn(t, m.Dir(), "fsck", "--strict", "--no-dangling")
}

// plant makes a source that has an object of the name of another's, with another text.
func plant(t *testing.T, source, id, text string) {
	t.Helper()
	newSource(t, source, "liar")
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	fmt.Fprintf(w, "blob %d\x00%s", len(text), text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, ".git", "objects", id[:2], id[2:]), packed.String())
}

// A clone that was made with --filter lacks files. It says so, and how to mend it.
func TestAPartialClone(t *testing.T) {
	t.Parallel()
	dir, origin, m := t.TempDir(), filepath.Join(t.TempDir(), "origin"), openMirror(t)
	newSource(t, origin, "1")
	commit := commitFile(t, origin, ".SRCINFO", "2")
	gitIn(t, origin, "config", "uploadpack.allowFilter", "true")
	gitIn(t, dir, "clone", "--quiet", "--no-checkout", "--filter=blob:none", "file://"+origin, "part")
	err := syncDir(t, m, dir).Broken["part"]
	if err == nil || !strings.Contains(err.Error(), "partial clone") || strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
	gitIn(t, filepath.Join(dir, "part"), "fetch", "--quiet", "--refetch", "--no-filter") // as it says
	m.LookNow("")
	mustSync(t, m, dir)
	if got := tipsOf(t, m)["part main"]; got != commit {
		t.Errorf("at %s", got)
	}
}

// Many new plain directories are committed together; one that cannot be is alone.
func TestManyNewPlainDirectories(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	for i := range 70 {
		source := filepath.Join(dir, fmt.Sprintf("s%d", i))
		write(t, filepath.Join(source, "PKGBUILD"), testPKGBUILD)
		write(t, filepath.Join(source, ".SRCINFO"), fmt.Sprintf("text %d", i))
	}
	r := syncSome(t.Context(), t, m, dir)
	if len(r.Broken) != 0 || r.Waiting != 0 || len(r.Changed) != 70 || mirrored(t, m) != 70 {
		t.Errorf("%+v", r)
	}
	tips := tipsOf(t, m)
	commits := make([]string, 70)
	for i := range commits {
		commits[i] = tips[fmt.Sprintf("s%d main", i)]
	}
	wantTexts(t, m, commits)
	if r := syncSome(t.Context(), t, m, dir); len(r.Changed) != 0 {
		t.Errorf("nothing has changed: %v", r.Changed)
	}
}

// The copying ends with its context, and goes on with the next.
func TestFillEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commits := crowd(t, dir, 12)
	syncSome(t.Context(), t, m, dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	m.Fill(ctx)
	m.Wait()
	if n := mirrored(t, m); n != 0 {
		t.Errorf("%d mirrored", n)
	}
	wantTexts(t, m, commits)
	m.Fill(t.Context())
	m.Wait()
	if n := mirrored(t, m); n != 12 {
		t.Errorf("%d mirrored", n)
	}
}
