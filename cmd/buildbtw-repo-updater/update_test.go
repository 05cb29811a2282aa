package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/git/gitlab/gitlabtest"
)

// shelf is a GitLab with a group of projects, and a directory for their clones.
type shelf struct {
	t      *testing.T
	gitlab *gitlabtest.Server
	dir    string
	ids    map[string]int64
}

// newShelf sets the environment: tests with a shelf cannot be parallel.
func newShelf(t *testing.T, names ...string) *shelf {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	s := &shelf{t: t, gitlab: gitlabtest.Start(t, gitlabtest.Options{}), dir: filepath.Join(t.TempDir(), "packages"), ids: map[string]int64{}}
	for _, name := range names {
		s.ids[name] = s.gitlab.CreateProject("group/" + name)
		s.push(name, "first")
	}
	return s
}

// push commits to a project, which GitLab shows as activity.
func (s *shelf) push(name, text string) {
	s.t.Helper()
	_, err := s.gitlab.Push(s.t.Context(), s.ids[name], gitlabtest.Change{Files: map[string]string{"PKGBUILD": text + "\n"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.gitlab.SetActivity(s.ids[name], time.Now())
}

// run is the program with these arguments.
func (s *shelf) run(ctx context.Context, args ...string) (string, error) {
	s.t.Helper()
	cmd, rest := updateCommand(), args[1:]
	if args[0] == "print-changed" {
		cmd = printChangedCommand()
	} else {
		rest = append([]string{"--gitlab-url", s.gitlab.URL(), "--gitlab-token", gitlabtest.Token, "--group", "group", s.dir}, rest...)
	}
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(rest)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(ctx)
	s.t.Log(out.String())
	return out.String(), err
}

func (s *shelf) update(want string) {
	s.t.Helper()
	out, err := s.run(s.t.Context(), "update")
	if err != nil || !strings.Contains(out, want) {
		s.t.Errorf("%v, no %q in %q", err, want, out)
	}
}

func (s *shelf) holds(name, text string) {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.dir, name, "PKGBUILD"))
	if err != nil || string(got) != text+"\n" {
		s.t.Errorf("%s holds %q, %v; want %q", name, got, err, text)
	}
}

func (s *shelf) git(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", append([]string{"-C", filepath.Join(s.dir, name), "-c", "user.name=t", "-c", "user.email=t@localhost"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestClonesAreMadeAndFreshened(t *testing.T) {
	s := newShelf(t, "curl", "zlib", "sub/tree")
	s.update("3 projects: 3 fetched, 3 changed")
	s.holds("curl", "first")
	s.holds("sub/tree", "first")

	before := len(s.gitlab.Requests())
	s.update("3 projects: 0 fetched, 0 changed")
	if n := len(s.gitlab.Requests()) - before; n > 2 {
		t.Errorf("a run without changes made %d requests", n)
	}

	middle := time.Now()
	s.push("curl", "second")
	s.update("3 projects: 1 fetched, 1 changed")
	s.holds("curl", "second")
	s.holds("zlib", "first")
	out, err := s.run(t.Context(), "print-changed", "--since", middle.Format(time.RFC3339Nano))
	if err != nil || out != filepath.Join(s.dir, "curl")+"\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err = s.run(t.Context(), "print-changed", "--since", "1h", s.dir); err != nil || strings.Count(out, "\n") != 3 {
		t.Errorf("%q, %v", out, err)
	}
	if url := s.git("curl", "remote", "get-url", "origin"); strings.Contains(url, gitlabtest.Token) {
		t.Errorf("the token is in the clone: %s", url)
	}
}

// Nothing that a person has done in a clone is lost.
func TestWorkOfPeopleStays(t *testing.T) {
	s := newShelf(t, "changed", "committed", "branch")
	s.update("3 changed")
	mine := filepath.Join(s.dir, "changed", "PKGBUILD")
	if err := os.WriteFile(mine, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.git("committed", "commit", "-q", "--allow-empty", "-m", "mine")
	own := s.git("committed", "rev-parse", "HEAD")
	s.git("branch", "checkout", "-q", "-b", "mine")
	for name := range s.ids {
		s.push(name, "second")
	}
	s.update("3 changed, 2 with changes of yours left alone")
	s.holds("changed", "mine")
	s.holds("branch", "first")
	if got := s.git("committed", "rev-parse", "HEAD"); got != own {
		t.Errorf("HEAD is %s, want %s", got, own)
	}
	for name := range s.ids {
		if got := s.git(name, "show", "origin/main:PKGBUILD"); got != "second" {
			t.Errorf("%s: the remote branch holds %q", name, got)
		}
	}
	s.git("changed", "checkout", "-q", "PKGBUILD")
	s.push("changed", "third")
	s.update("1 changed, 0 with changes of yours")
	s.holds("changed", "third")
}

func TestOneBrokenProjectStopsNoOther(t *testing.T) {
	s := newShelf(t, "good", "broken")
	s.gitlab.Fail("/broken.git/", 1000, gitlabtest.Status(500))
	out, err := s.run(t.Context(), "update")
	if !errors.Is(err, cli.ErrSilent) || !strings.Contains(out, "group/broken: source broken: the server has trouble") || !strings.Contains(out, "1 fetched, 1 changed") {
		t.Errorf("%v: %s", err, out)
	}
	s.holds("good", "first")
	if _, err := os.Stat(filepath.Join(s.dir, "broken")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a clone is there: %v", err)
	}
	s.gitlab.Heal()
	s.update("1 fetched, 1 changed") // the one that failed, and no other
	s.holds("broken", "first")
}

// A first fill that is interrupted goes on where it was.
func TestInterruptedFillIsResumed(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	s := newShelf(t, names...)
	s.gitlab.Fail("/[def].git/", 1000, gitlabtest.Silence())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_ = cmdtest.Poll(ctx, 5*time.Minute, func() (bool, error) { return s.all("a", "b", "c"), nil }) // else the next run changes more
	}()
	if _, err := s.run(ctx, "update", "--jobs", "6"); err == nil {
		t.Error("an interrupted run ends well")
	}
	s.gitlab.Heal()
	s.update("3 changed") // a clone that was done but not noted yet is fetched again
	for _, name := range names {
		s.holds(name, "first")
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*.new*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAProjectMayBeCalledLikeADraft(t *testing.T) {
	s := newShelf(t, "tool.new")
	s.update("1 projects: 1 fetched")
	s.ids["tool"] = s.gitlab.CreateProject("group/tool")
	s.push("tool", "another")
	s.update("2 projects: 1 fetched")
	s.holds("tool", "another")
	s.holds("tool.new", "first")
}

func (s *shelf) all(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(s.dir, name, "PKGBUILD"))
		return err != nil
	})
}

func TestProjectsThatMoveAndVanish(t *testing.T) {
	s := newShelf(t, "old", "gone", "stays")
	s.update("3 changed")
	s.gitlab.MoveProject(s.ids["old"], "group/new")
	s.ids["new"] = s.ids["old"]
	s.gitlab.ArchiveProject(s.ids["gone"], true)
	s.push("new", "second")
	out, err := s.run(t.Context(), "update", "--all")
	if err != nil || !strings.Contains(out, "group/old is called group/new now") || !strings.Contains(out, "group/gone was archived") || !strings.Contains(out, "2 projects") {
		t.Errorf("%v: %s", err, out)
	}
	s.holds("new", "second")
	s.holds("gone", "first")
	if _, err := os.Stat(filepath.Join(s.dir, "old")); err == nil {
		t.Error("the old clone is still there")
	}
}

// Clones belong to projects, not to names: two that swap theirs, one that takes that of one
// that is gone, and a chain, keep their working trees.
func TestProjectsThatTakeEachOthersNames(t *testing.T) {
	s := newShelf(t, "one", "two", "three", "gone")
	for _, name := range []string{"one", "two", "three", "gone"} {
		s.push(name, name)
	}
	s.update("4 changed")
	s.gitlab.MoveProject(s.ids["one"], "group/free")
	s.gitlab.MoveProject(s.ids["two"], "group/one")
	s.gitlab.MoveProject(s.ids["one"], "group/two")
	s.gitlab.MoveProject(s.ids["three"], "group/next")
	s.ids["one"], s.ids["two"], s.ids["next"] = s.ids["two"], s.ids["one"], s.ids["three"]
	// Of two that swapped names GitLab may show one.
	s.gitlab.SetActivity(s.ids["two"], time.Now().Add(-3*time.Hour))
	s.gitlab.SetActivity(s.ids["one"], time.Now())
	s.gitlab.SetActivity(s.ids["next"], time.Now())
	s.update("0 failed")
	s.holds("one", "two")
	s.holds("two", "one")
	s.holds("next", "three")

	s.gitlab.ArchiveProject(s.ids["gone"], true)
	s.gitlab.MoveProject(s.ids["gone"], "group/archived")
	s.ids["gone"] = s.gitlab.CreateProject("group/gone")
	s.push("gone", "another")
	out, err := s.run(t.Context(), "update")
	if !errors.Is(err, cli.ErrSilent) || !strings.Contains(out, "is the clone of another project") {
		t.Errorf("%v: %s", err, out)
	}
	s.holds("gone", "gone")
	if err := os.Rename(filepath.Join(s.dir, "gone"), filepath.Join(s.dir, "mine")); err != nil {
		t.Fatal(err)
	}
	s.update("1 fetched, 1 changed")
	s.holds("gone", "another")
	s.push("gone", "again")
	s.update("0 failed")
	s.holds("gone", "again")
}

// A run that is cut off while clones are moved goes on from there.
func TestMovingIsResumed(t *testing.T) {
	s := newShelf(t, "one", "two")
	s.push("one", "one")
	s.push("two", "two")
	s.update("2 changed")
	aside := func(name string) string { return filepath.Join(s.dir, fmt.Sprintf("%d.moved.git", s.ids[name])) }
	for _, name := range []string{"one", "two"} {
		if err := os.Rename(filepath.Join(s.dir, name), aside(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "two"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := s.run(t.Context(), "update", "--all")
	if !errors.Is(err, cli.ErrSilent) || !strings.Contains(out, "two is there already; move it away") {
		t.Errorf("%v: %s", err, out)
	}
	s.holds("one", "one")
	if err := os.Remove(filepath.Join(s.dir, "two")); err != nil {
		t.Fatal(err)
	}
	s.update("1 fetched")
	s.holds("two", "two")
}

// A project that was empty when it was cloned gets its files with its first push, unless
// somebody has begun with files of the same names.
func TestAProjectThatWasEmpty(t *testing.T) {
	s := newShelf(t)
	for _, name := range []string{"empty", "begun"} {
		s.ids[name] = s.gitlab.CreateProject("group/" + name)
	}
	s.update("2 fetched")
	if err := os.WriteFile(filepath.Join(s.dir, "begun/PKGBUILD"), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.push("empty", "first")
	s.push("begun", "first")
	s.update("2 fetched, 2 changed, 1 with changes of yours")
	s.holds("empty", "first")
	s.holds("begun", "mine")
	s.push("empty", "second")
	s.update("0 failed")
	s.holds("empty", "second")
}

func TestWrongUse(t *testing.T) {
	s := newShelf(t, "one")
	for _, args := range [][]string{{"update", "--jobs", "0"}, {"print-changed"}, {"print-changed", "--since", "soon"}, {"print-changed", "--since", "1h"}} {
		if out, err := s.run(t.Context(), args...); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	s.update("1 changed")
	if _, err := s.run(t.Context(), "update", "--group", "other"); err == nil || !strings.Contains(err.Error(), "holds clones of group") {
		t.Errorf("another group in the same directory: %v", err)
	}
}
