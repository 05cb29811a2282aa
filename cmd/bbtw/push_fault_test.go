package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hook has a remote run a script before it takes a push.
func (w *pushWorld) hook(name, script string) {
	w.t.Helper()
	path := filepath.Join(w.bare(name), "hooks", "pre-receive")
	w.write(path, "#!/bin/sh\n"+script)
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// refs returns main and the tag of the version, as commits.
func (w *pushWorld) refs(name string) (main, tag string) {
	w.t.Helper()
	for line := range strings.Lines(w.git(w.bare(name), "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")) {
		switch field := strings.Fields(line); field[0] {
		case "refs/heads/main":
			main = field[1]
		case "refs/tags/1-1.0-2":
			tag = field[len(field)-1]
		}
	}
	return main, tag
}

// TestPushWaitsWhereItIsAskedTooOften: as GitLab says it over SSH, and over HTTP.
func TestPushWaitsWhereItIsAskedTooOften(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	commit := w.project("hello")
	w.project("other")
	w.hook("hello", `[ -e second ] && exit; [ -e first ] && : >second; : >first
		echo 'GitLab: This endpoint has been requested too many times. Try again later.' >&2; exit 1`)
	code, out := w.push("--no-sign", "--only", "hello")
	w.want(code, out, 0, "hello: the remote is asked too often; again in 100ms", "again in 200ms", "hello 1:1.0-2: pushed")
	if main, tag := w.refs("hello"); main != commit || tag != commit {
		t.Errorf("main is at %s, the tag at %s", main, tag)
	}

	// It goes on: nothing is asked any more.
	var asked atomic.Int32
	limited := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(rw, "slowly", http.StatusTooManyRequests)
	}))
	t.Cleanup(limited.Close)
	w.remote = limited.URL + "/{project}.git"
	code, out = w.push("--no-sign", "--again")
	w.want(code, out, 1, "hello 1:1.0-2: failed: the remote is asked too often", "with a longer --pause", "2 of 2 pkgbases were left, since the others would fail alike")
	if strings.Contains(out, "other 1:1.0-2") || asked.Load() != waits+1 {
		t.Errorf("asked %d times:\n%s", asked.Load(), out)
	}
}

// TestPushStopsWhereNothingCanBeSigned: nobody waits for hundreds of failures, and no remote is
// changed.
func TestPushStopsWhereNothingCanBeSigned(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	w.project("hello")
	w.project("other")
	before, _ := w.refs("hello")
	home, err := os.MkdirTemp("", "gpg") // the path of its socket must be short
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "GNUPGHOME="+home)
	t.Cleanup(func() {
		kill := exec.CommandContext(context.Background(), "gpgconf", "--kill", "all")
		kill.Env = w.env
		_ = kill.Run()
		_ = os.RemoveAll(home)
	})
	code, out := w.push()
	w.want(code, out, 1, "hello 1:1.0-2: failed: the tag cannot be signed here", "choose a key with --key", "--no-sign", "2 of 2 pkgbases were left")
	if main, tag := w.refs("hello"); main != before || tag != "" || strings.Contains(out, "other 1:1.0-2") {
		t.Errorf("main is at %s, the tag at %q:\n%s", main, tag, out)
	}
	code, out = w.push("--json", "--dry-run")
	w.want(code, out, 0, `"outcome": "would be pushed"`)
}

// TestPushLooksWhetherATagIsSigned: db-update takes no others.
func TestPushLooksWhetherATagIsSigned(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	commit := w.project("hello")
	w.signingKey()
	code, out := w.push("--no-sign")
	w.want(code, out, 0, "hello 1:1.0-2: pushed")
	const refused = "hello 1:1.0-2: failed: the remote has the tag 1-1.0-2 without a signature; delete it there"
	code, out = w.push()
	w.want(code, out, 1, refused)
	w.git(w.bare("hello"), "tag", "--force", "1-1.0-2", commit) // without an object of its own
	code, out = w.push()
	w.want(code, out, 1, refused)
	w.git(w.bare("hello"), "tag", "--delete", "1-1.0-2")
	code, out = w.push()
	w.want(code, out, 0, "hello 1:1.0-2: pushed")
	code, out = w.push()
	w.want(code, out, 0, "hello 1:1.0-2: already there")
}

// TestPushLosesARace: main moves between the look and the push, which changes nothing then. What a
// plain repository refuses is said in its words, and the others go on.
func TestPushLosesARace(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	w.project("hello")
	w.project("kept")
	other := w.project("other")
	w.git(w.source("hello"), "commit", "--quiet", "--allow-empty", "-m", "meanwhile")
	w.git(w.source("hello"), "push", "--quiet", w.bare("hello"), "HEAD:refs/heads/side")
	moved := w.git(w.source("hello"), "rev-parse", "HEAD")
	w.hook("hello", "env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main "+moved+"\n")
	w.hook("kept", "echo 'main is for Anna alone' >&2; exit 1\n")
	code, out := w.push("--no-sign")
	w.want(code, out, 1, "hello 1:1.0-2: main moved: main moved while it was pushed; start again", "kept 1:1.0-2: failed", "main is for Anna alone", "other 1:1.0-2: pushed", "2 of 3 pkgbases were left; run it again")
	if main, tag := w.refs("hello"); main != moved || tag != "" {
		t.Errorf("main is at %s, the tag at %q", main, tag)
	}
	if main, tag := w.refs("other"); main != other || tag != other {
		t.Errorf("other: main is at %s, the tag at %q", main, tag)
	}
	code, out = w.push("--no-sign", "--only", "hello")
	w.want(code, out, 1, "hello 1:1.0-2: main moved: main has commits", "needs a new iteration")
}

// TestPushGoesOnAfterAKill: over SSH, with everything on the packager's side ended in the middle
// of the second push.
func TestPushGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	commits := map[string]string{}
	for _, name := range []string{"first", "second", "third"} {
		commits[name] = w.project(name)
	}
	w.env = append(w.env, "GIT_SSH_COMMAND=ssh "+w.sshd())
	begun, gate := filepath.Join(w.dir, "begun"), filepath.Join(w.dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	w.hook("second", "[ -e "+begun+" ] && exit 0; : >"+begun+"; read line <"+gate+"\n")
	cmd := exec.CommandContext(t.Context(), "bbtw", "release", "push", "work", "--remote", w.remote, "--pause", "0s", "--no-sign")
	cmd.Env, cmd.SysProcAttr = w.env, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(begun); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the second push did not begin")
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if main, tag := w.refs("first"); main != commits["first"] || tag != commits["first"] {
		t.Errorf("first was not pushed: main %s, tag %q", main, tag)
	}
	if main, tag := w.refs("second"); main == commits["second"] || tag != "" {
		t.Errorf("second was pushed: main %s, tag %q", main, tag)
	}
	w.gone.Store(true) // the list is that of the first time
	code, out := w.push("--no-sign")
	w.want(code, out, 0, "second 1:1.0-2: pushed", "third 1:1.0-2: pushed", "first 1:1.0-2: already there")
	if i, j := strings.Index(out, "third"), strings.Index(out, "first"); i > j {
		t.Errorf("what was done comes before what is left:\n%s", out)
	}
	for name, commit := range commits {
		if main, tag := w.refs(name); main != commit || tag != commit {
			t.Errorf("%s: main is at %s, the tag at %q", name, main, tag)
		}
	}
	// What waits at the gate ends, and changes nothing any more.
	line, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	if _, err := line.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	code, out = w.push("--no-sign")
	w.want(code, out, 0, "second 1:1.0-2: already there")
}
