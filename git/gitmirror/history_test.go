package gitmirror_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/git/gitmirror"
)

// noMakepkg is a mirror on a machine without makepkg.
func noMakepkg(t *testing.T) *gitmirror.Mirror {
	t.Helper()
	m := openMirror(t)
	m.FindPrograms(func(string) (string, error) { return "", exec.ErrNotFound })
	return m
}

// oneForAll makes a repository with a directory per package, in which p0 to p11 have a
// .SRCINFO, and returns it.
func oneForAll(t *testing.T) string {
	t.Helper()
	up := t.TempDir()
	gitIn(t, up, "init", "--quiet")
	for i := range 12 {
		dir := filepath.Join(up, "packages", fmt.Sprintf("p%d", i))
		write(t, filepath.Join(dir, "PKGBUILD"), testPKGBUILD)
		write(t, filepath.Join(dir, ".SRCINFO"), fmt.Sprintf("pkgbase = p%d\n\tpkgver = 1.0\n\tpkgrel = 1\n", i))
	}
	gitIn(t, up, "add", ".")
	gitIn(t, up, "commit", "--quiet", "-m", "x")
	return up
}

// In a clone the .SRCINFO is written before the PKGBUILD, and after a pull one of them
// can be months older. What was committed together is taken, without makepkg.
func TestTheSrcinfosOfACloneAreTaken(t *testing.T) {
	t.Parallel()
	for _, months := range []time.Duration{0, 30 * 24 * time.Hour} {
		clone := filepath.Join(t.TempDir(), "clone")
		gitIn(t, t.TempDir(), "clone", "--quiet", oneForAll(t), clone)
		dir, m := filepath.Join(clone, "packages"), noMakepkg(t)
		for i := range 12 {
			old := time.Now().Add(-months - time.Microsecond)
			must(t, os.Chtimes(filepath.Join(dir, fmt.Sprintf("p%d", i), ".SRCINFO"), old, old))
		}
		mustSync(t, m, dir)
		for i := range 12 {
			if got := mainSrcinfo(t, m, fmt.Sprintf("p%d", i)); !strings.HasPrefix(got, fmt.Sprintf("pkgbase = p%d\n", i)) {
				t.Errorf("p%d: %q", i, got)
			}
		}
	}
}

// A file that is not as it was committed, or says another version, is not taken
// because of its history.
func TestWhatHistoryDoesNotVouchFor(t *testing.T) {
	t.Parallel()
	up := oneForAll(t)
	dir, m := filepath.Join(up, "packages"), noMakepkg(t)
	old := time.Now().Add(-time.Hour)
	for i := range 12 {
		must(t, os.Chtimes(filepath.Join(dir, fmt.Sprintf("p%d", i), ".SRCINFO"), old, old))
	}
	write(t, filepath.Join(dir, "p1", "PKGBUILD"), testPKGBUILD+"# not committed\n")
	write(t, filepath.Join(dir, "p2", ".SRCINFO"), "pkgbase = p2\n# not committed\n")
	must(t, os.Chtimes(filepath.Join(dir, "p2", ".SRCINFO"), old, old))
	write(t, filepath.Join(dir, "p3", "PKGBUILD"), strings.ReplaceAll(testPKGBUILD, "pkgver=1.0", "pkgver='2.0' # new"))
	gitIn(t, up, "commit", "--quiet", "-m", "forgot the .SRCINFO", "packages/p3/PKGBUILD")
	r := syncDir(t, m, dir)
	if len(r.Broken) != 3 || r.Broken["p1"] == nil || r.Broken["p2"] == nil || r.Broken["p3"] == nil {
		t.Errorf("%v", r.Broken)
	}
	for _, name := range []string{"p1", "p2"} {
		gitIn(t, up, "checkout", "--", "packages/"+name)
	}
	write(t, filepath.Join(dir, "p3", ".SRCINFO"), "pkgbase = p3\n\tpkgver = 2.0\n\tpkgrel = 1\n")
	gitIn(t, up, "commit", "--quiet", "-m", "x", "packages/p3/.SRCINFO")
	must(t, os.Chtimes(filepath.Join(dir, "p3", ".SRCINFO"), old, old))
	m.LookNow("")
	mustSync(t, m, dir)
}

// A repository of somebody else above the directory says nothing: /tmp/.git could be
// anybody's.
func TestAHistoryOfSomebodyElse(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	up := oneForAll(t)
	must(t, os.Chown(filepath.Join(up, ".git"), 12345, 12345))
	dir, m := filepath.Join(up, "packages"), noMakepkg(t)
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "p1", ".SRCINFO"), old, old))
	if r := syncDir(t, m, dir); len(r.Broken) != 1 || r.Broken["p1"] == nil {
		t.Errorf("%v", r.Broken)
	}
}

// Without a history a minute of slack is given.
func TestWithoutAHistoryTimesDecide(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		older time.Duration
		text  string
		taken bool
	}{
		{time.Microsecond, "pkgbase = a\n\tpkgver = 1.0\n\tpkgrel = 1\n", true},
		{50 * time.Second, "pkgbase = a\n\tpkgver = 1.0\n\tpkgrel = 1\n", true},
		{time.Minute, "pkgbase = a\n\tpkgver = 1.0\n\tpkgrel = 1\n", false},
		{-time.Hour, "pkgbase = a\n\tpkgver = 1.0\n\tpkgrel = 2\n", false},
		{-time.Hour, "pkgbase = a\n\tepoch = 1\n\tpkgver = 1.0\n\tpkgrel = 1\n", true}, // the PKGBUILD may compute its epoch
	} {
		dir, m := t.TempDir(), noMakepkg(t)
		plainSource(t, filepath.Join(dir, "a"))
		write(t, filepath.Join(dir, "a", ".SRCINFO"), tt.text)
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		must(t, os.Chtimes(filepath.Join(dir, "a", "PKGBUILD"), at, at))
		must(t, os.Chtimes(filepath.Join(dir, "a", ".SRCINFO"), at.Add(-tt.older), at.Add(-tt.older)))
		if err := syncDir(t, m, dir).Broken["a"]; (err == nil) != tt.taken {
			t.Errorf("%v older, %q: %v", tt.older, tt.text, err)
		}
	}
}
