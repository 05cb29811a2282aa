package gitmirror_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// plainSource writes a plain directory with a PKGBUILD.
func plainSource(t testing.TB, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "PKGBUILD"), testPKGBUILD)
}

// mainSrcinfo reads the .SRCINFO at the branch main of a source.
func mainSrcinfo(t testing.TB, m *gitmirror.Mirror, slug string) string {
	t.Helper()
	commit := tipsOf(t, m)[slug+" main"]
	infos, err := m.ReadSrcinfos(t.Context(), []string{commit})
	if err != nil || infos[commit].Err != nil {
		t.Fatal(err, infos[commit].Err)
	}
	return string(infos[commit].Text)
}

// setTime sets the modification time of a file to a minute of a fixed day.
func setTime(t testing.TB, path string, minute int) {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestAPlainDirectoryBecomesCommitsWithASrcinfo(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "hello")
	plainSource(t, source)
	write(t, filepath.Join(source, "patches", `odd "name"`+"\n\xff"), "x")
	write(t, filepath.Join(source, "run.sh"), "#!/bin/sh\n")
	write(t, filepath.Join(source, ".gitignore"), "*\n")
	for _, left := range []string{"src/a", "pkg/b", "hello-1.0-1-any.pkg.tar.zst"} {
		write(t, filepath.Join(source, left), "left by makepkg")
	}
	if err := os.Chmod(filepath.Join(source, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run.sh", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	if r := mustSync(t, m, dir); len(r.Changed) != 1 {
		t.Errorf("changed %v", r.Changed)
	}

	if got := mainSrcinfo(t, m, "hello"); !strings.Contains(got, "pkgver = 1.0\n") {
		t.Errorf(".SRCINFO is %q", got)
	}
	commit := tipsOf(t, m)["hello main"]
	got := strings.Split(strings.Trim(gitIn(t, m.Dir(), "ls-tree", "-rz", "--format=%(objectmode) %(path)", commit), "\x00"), "\x00")
	want := []string{
		"100644 .SRCINFO", "100644 .gitignore", "100644 PKGBUILD", "120000 link", `100644 "patches/odd \"name\"\n\377"`, "100755 run.sh",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(source, ".SRCINFO")); err == nil {
		t.Error("the source's own directory was written to")
	}
}

func TestSnapshotsAreMadeOnlyOfChanges(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	recipe := filepath.Join(dir, "hello", "PKGBUILD")
	plainSource(t, filepath.Join(dir, "hello"))
	mustSync(t, m, dir)
	first := tipsOf(t, m)["hello main"]

	again := openMirror(t) // the same files give the same commit anywhere
	mustSync(t, again, dir)
	if got := tipsOf(t, again)["hello main"]; got != first {
		t.Errorf("commit %s in another mirror, %s in the first", got, first)
	}
	setTime(t, recipe, 1)
	m, err := gitmirror.Open(t.Context(), m.Dir()) // nothing remembered but what is in the mirror
	if err != nil {
		t.Fatal(err)
	}
	m.FindPrograms(func(string) (string, error) { return "", exec.ErrNotFound })
	if r := mustSync(t, m, dir); len(r.Changed) != 0 {
		t.Errorf("a new time alone changed %v", r.Changed)
	}
	m.FindPrograms(exec.LookPath)
	write(t, recipe, strings.ReplaceAll(testPKGBUILD, "1.0", "2.0"))
	if r := mustSync(t, m, dir); len(r.Changed) != 1 {
		t.Errorf("changed %v", r.Changed)
	}
	if got := mainSrcinfo(t, m, "hello"); !strings.Contains(got, "pkgver = 2.0\n") {
		t.Errorf(".SRCINFO is %q", got)
	}
	if got := gitIn(t, m.Dir(), "rev-parse", "refs/sources/hello/heads/main^"); got != first {
		t.Errorf("parent is %s, want %s", got, first)
	}
}

func TestWhichSrcinfoIsTaken(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	const mine, made = "pkgbase = mine\n", "pkgbase = hello\n"
	tests := []struct {
		name                string
		recipeMin, ownMin   int
		change              func(t *testing.T, dir string) // after a first pass
		wantFirst, wantThen string
	}{
		{name: "the directory's when it is newer", recipeMin: 1, ownMin: 2, wantFirst: mine},
		{name: "makepkg's when the directory's is older", recipeMin: 2, ownMin: 1, wantFirst: made},
		{
			name: "makepkg's when only the PKGBUILD changed, whatever its time", recipeMin: 1, ownMin: 2, wantFirst: mine,
			change: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "PKGBUILD"), testPKGBUILD+"# changed\n")
				setTime(t, filepath.Join(dir, "PKGBUILD"), 0)
			}, wantThen: made,
		},
		{
			name: "the directory's when both changed", recipeMin: 2, ownMin: 1, wantFirst: made,
			change: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "PKGBUILD"), testPKGBUILD+"# changed\n")
				setTime(t, filepath.Join(dir, "PKGBUILD"), 3)
				write(t, filepath.Join(dir, ".SRCINFO"), mine+"# new\n")
				setTime(t, filepath.Join(dir, ".SRCINFO"), 4)
			}, wantThen: mine,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, m := t.TempDir(), openMirror(t)
			source := filepath.Join(dir, "hello")
			plainSource(t, source)
			write(t, filepath.Join(source, ".SRCINFO"), mine)
			setTime(t, filepath.Join(source, "PKGBUILD"), tt.recipeMin)
			setTime(t, filepath.Join(source, ".SRCINFO"), tt.ownMin)
			mustSync(t, m, dir)
			if got := mainSrcinfo(t, m, "hello"); !strings.HasPrefix(got, tt.wantFirst) {
				t.Errorf("first .SRCINFO %q", got)
			}
			if tt.change == nil {
				return
			}
			tt.change(t, source)
			mustSync(t, m, dir)
			if got := mainSrcinfo(t, m, "hello"); !strings.HasPrefix(got, tt.wantThen) {
				t.Errorf("then .SRCINFO %q", got)
			}
		})
	}
}

func TestWithoutMakepkgOnlySourcesThatNeedItAreBroken(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	m.FindPrograms(func(string) (string, error) { return "", exec.ErrNotFound })
	plainSource(t, filepath.Join(dir, "needs"))
	plainSource(t, filepath.Join(dir, "has"))
	write(t, filepath.Join(dir, "has", ".SRCINFO"), "pkgbase = has\n")
	report := syncDir(t, m, dir)
	if err := report.Broken["needs"]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "apt install makepkg") {
		t.Errorf("needs: %v", err)
	}
	if diff := cmp.Diff([]string{"has"}, report.Changed); diff != "" || len(report.Broken) != 1 {
		t.Errorf("changed:\n%s\nbroken: %v", diff, report.Broken)
	}
}

func TestAPkgbuildThatMakepkgRefusesIsBrokenUntilItChanges(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	m.SetClock(func() time.Time { return time.Now().Add(time.Hour) }) // all files are at rest
	recipe := filepath.Join(dir, "hello", "PKGBUILD")
	write(t, recipe, "pkgname=hello\npkgver=1-0\npkgrel=1\narch=(any)\n")
	runs := 0
	m.FindPrograms(func(name string) (string, error) {
		if name == "makepkg" {
			runs++
		}
		return exec.LookPath(name)
	})
	for range 2 {
		err := syncDir(t, m, dir).Broken["hello"]
		if err == nil || !strings.Contains(buildbtw.MessageOf(err), "pkgver is not allowed") {
			t.Fatalf("got %v", err)
		}
	}
	if runs != 1 {
		t.Errorf("makepkg ran %d times for one content", runs)
	}
	write(t, recipe, testPKGBUILD)
	mustSync(t, m, dir)
}

func TestAPkgbuildRunsWithoutPrivilege(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	t.Run("in a sandbox", func(t *testing.T) {
		m := openMirror(t)
		if !m.Confined(t.Context()) {
			t.Skip("bubblewrap is not installed or not allowed here")
		}
		seesNothing(t, m)
	})
	t.Run("not without bubblewrap", func(t *testing.T) {
		m, dir := withoutBubblewrap(t), t.TempDir()
		ran := filepath.Join(t.TempDir(), "ran")
		write(t, filepath.Join(dir, "hello", "PKGBUILD"), "touch "+ran+"\n"+testPKGBUILD)
		err := syncDir(t, m, dir).Broken["hello"]
		if err == nil || !strings.Contains(buildbtw.MessageOf(err), "commit a .SRCINFO") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Error("the PKGBUILD was run")
		}
		write(t, filepath.Join(dir, "hello", ".SRCINFO"), "pkgbase = hello\n\tpkgver = 1.0\n\tpkgrel = 1\n\tarch = any\n\npkgname = hello\n")
		mustSync(t, m, dir)
	})
}

// seesNothing checks what a PKGBUILD can read of the machine.
func seesNothing(t *testing.T, m *gitmirror.Mirror) {
	t.Helper()
	dir := t.TempDir()
	defer syscall.Umask(syscall.Umask(0o077)) // as a careful server's
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "x")
	if err := os.Chmod(secret, 0o600); err != nil {
		t.Fatal(err)
	}
	plainSource(t, filepath.Join(dir, "hello"))
	write(t, filepath.Join(dir, "hello", "PKGBUILD"), testPKGBUILD+
		"pkgdesc=\"uid $(id -u) groups $(id -G) home $HOME secret $(cat "+secret+" 2>/dev/null) fd $(ls /proc/self/fd | wc -w)\"\n")
	mustSync(t, m, dir)
	got := mainSrcinfo(t, m, "hello")
	if strings.Contains(got, "uid 0 ") || strings.Contains(got, "groups 0") || !strings.Contains(got, "secret  fd") && !strings.Contains(got, "secret fd") {
		t.Errorf("the PKGBUILD saw too much: %s", got)
	}
}

func TestAPkgbuildThatHangsIsStopped(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	m.StopPkgbuildsAfter(100 * time.Millisecond)
	write(t, filepath.Join(dir, "hello", "PKGBUILD"), "trap '' TERM\nsleep 1000 & wait\n"+testPKGBUILD)
	err := syncDir(t, m, dir).Broken["hello"]
	if err == nil || !strings.Contains(buildbtw.MessageOf(err), "took longer") {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryMayTurnIntoARepositoryAndBack(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "hello")
	plainSource(t, source)
	mustSync(t, m, dir)
	commit := newSource(t, source, "committed")
	gitIn(t, source, "branch", "more")
	mustSync(t, m, dir)
	if diff := cmp.Diff(map[string]string{"hello main": commit, "hello more": commit}, tipsOf(t, m)); diff != "" {
		t.Errorf("as a repository (-want +got):\n%s", diff)
	}
	if err := os.RemoveAll(filepath.Join(source, ".git")); err != nil {
		t.Fatal(err)
	}
	mustSync(t, m, dir)
	if tips := tipsOf(t, m); len(tips) != 1 || tips["hello main"] == commit {
		t.Errorf("as a directory again: %v", tips)
	}
}

func TestATooLargeDirectoryIsBroken(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	plainSource(t, filepath.Join(dir, "hello"))
	if err := os.Truncate(filepath.Join(dir, "hello", "PKGBUILD"), gitmirror.MaxDirBytes+1); err != nil {
		t.Fatal(err)
	}
	if err := syncDir(t, m, dir).Broken["hello"]; buildbtw.KindOf(err) != buildbtw.KindTooLarge {
		t.Errorf("got %v", err)
	}
}
