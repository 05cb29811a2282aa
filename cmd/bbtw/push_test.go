package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/git/gitmirror"
)

// pushWorld is projects with their remotes, a mirror that has made bumps of them, and a
// server that tells of the builds.
type pushWorld struct {
	t      *testing.T
	dir    string // remotes/NAME.git, sources/NAME
	server *httptest.Server
	env    []string // of bbtw
	remote string

	gone   atomic.Bool // nothing can go any more
	state  string      // of release 7
	mu     sync.Mutex
	builds []api.Build
	parent map[string]string // by id: the commit that the bundle lies on
	mirror *gitmirror.Mirror
}

func newPushWorld(t *testing.T) *pushWorld {
	t.Helper()
	w := &pushWorld{t: t, dir: t.TempDir(), parent: map[string]string{}, state: "released"}
	w.remote = "file://" + w.dir + "/remotes/{pkgbase}.git"
	config := filepath.Join(w.dir, "gitconfig")
	w.write(config, "[user]\n\tname = Anna\n\temail = anna@example.org\n[init]\n\tdefaultBranch = main\n")
	mux := http.NewServeMux()
	answer := func(pattern string, value func(*http.Request) any) {
		mux.HandleFunc("GET "+api.Prefix+pattern, func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			defer w.mu.Unlock()
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(value(r))
		})
	}
	answer("/buildspaces/work", func(*http.Request) any {
		return api.Buildspace{Name: "work", URL: w.server.URL + "/buildspaces/work", Latest: &api.Iteration{Number: 1}}
	})
	answer("/buildspaces/work/iterations/1/release", func(*http.Request) any {
		r := api.Release{Buildspace: "work", Iteration: 1, Goes: []api.ReleaseUnit{}}
		for _, b := range w.builds {
			if w.gone.Load() {
				break
			}
			r.Goes = append(r.Goes, api.ReleaseUnit{Pkgbase: b.Pkgbase, Version: b.Version, Build: b.ID})
		}
		return r
	})
	answer("/releases/7", func(*http.Request) any {
		return api.StoredRelease{Buildspace: "work", Iteration: 1, State: w.state, Goes: []api.ReleaseUnit{{Pkgbase: w.builds[0].Pkgbase, Version: w.builds[0].Version, Build: w.builds[0].ID}}}
	})
	answer("/builds/{id}", func(r *http.Request) any { return api.BuildDetail{Build: *w.build(r.PathValue("id"))} })
	mux.HandleFunc("GET "+api.Prefix+"/builds/{id}/commit.bundle", func(rw http.ResponseWriter, r *http.Request) {
		b := w.build(r.PathValue("id"))
		if err := w.mirror.Bundle(r.Context(), b.Commit, w.parent[b.ID], rw); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	})
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	w.env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+config, "GIT_CONFIG_NOSYSTEM=1", "XDG_STATE_HOME="+filepath.Join(w.dir, "state"),
		"BUILDBTW_SERVER_URL="+w.server.URL, "BUILDBTW_TOKEN=secret", "GIT_TERMINAL_PROMPT=0")
	var err error
	if w.mirror, err = gitmirror.Open(t.Context(), filepath.Join(w.dir, "mirror")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *pushWorld) build(id string) *api.Build {
	return &w.builds[slices.IndexFunc(w.builds, func(b api.Build) bool { return b.ID == id })]
}

func (w *pushWorld) write(path, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *pushWorld) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *pushWorld) source(name string) string { return filepath.Join(w.dir, "sources", name) }
func (w *pushWorld) bare(name string) string   { return filepath.Join(w.dir, "remotes", name+".git") }

// project makes a project with a source, its remote, and a build of a bump of it.
func (w *pushWorld) project(name string) (bump string) {
	w.t.Helper()
	w.write(filepath.Join(w.source(name), "PKGBUILD"), "pkgname="+name+"\npkgver=1:1.0\npkgrel=1\narch=(any)\n")
	w.write(filepath.Join(w.source(name), ".SRCINFO"), "pkgbase = "+name+"\n\tpkgver = 1.0\n\tpkgrel = 1\n\tepoch = 1\n\tarch = any\n\npkgname = "+name+"\n")
	w.git(w.source(name), "init", "--quiet")
	w.git(w.source(name), "add", ".")
	w.git(w.source(name), "commit", "--quiet", "-m", "new")
	w.git(w.dir, "clone", "--quiet", "--bare", w.source(name), w.bare(name))
	return w.addBuild(name, w.git(w.source(name), "rev-parse", "HEAD"))
}

func (w *pushWorld) addBuild(name, commit string) string {
	w.t.Helper()
	if _, err := w.mirror.SyncDir(w.t.Context(), filepath.Join(w.dir, "sources")); err != nil {
		w.t.Fatal(err)
	}
	made, err := w.mirror.Bump(w.t.Context(), gitmirror.BumpsOf{Buildspace: name, Iteration: 1}, []gitmirror.Bump{{Commit: commit, Version: "1:1.0-2"}})
	if err != nil || made[0].Err != nil {
		w.t.Fatal(err, made)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprint(len(w.builds) + 1)
	w.builds = append(w.builds, api.Build{ID: id, Pkgbase: name, Source: name, Version: "1:1.0-2", Commit: made[0].Commit, SourceCommit: commit})
	w.parent[id] = commit
	return made[0].Commit
}

// push runs bbtw release push, and returns its exit code and the lines of its output.
func (w *pushWorld) push(args ...string) (code int, out string) {
	w.t.Helper()
	return w.pushNamed("work", args...)
}

func (w *pushWorld) pushNamed(name string, args ...string) (code int, out string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "bbtw", append([]string{"release", "push", name, "--remote", w.remote, "--pause", "0s"}, args...)...)
	cmd.Env = w.env
	text, _ := cmd.CombinedOutput() // the exit code tells
	return cmd.ProcessState.ExitCode(), string(text)
}

func (w *pushWorld) want(code int, out string, wantCode int, words ...string) {
	w.t.Helper()
	for _, word := range words {
		if !strings.Contains(out, word) {
			w.t.Errorf("without %q:\n%s", word, out)
		}
	}
	if code != wantCode {
		w.t.Errorf("exit code %d, want %d:\n%s", code, wantCode, out)
	}
}

func TestPushFastForwardsMainAndTags(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	hello, other, taken := w.project("hello"), w.project("other"), w.project("taken")
	w.project("moved")
	w.git(w.source("moved"), "commit", "--quiet", "--allow-empty", "-m", "meanwhile")
	w.git(w.source("moved"), "push", "--quiet", w.bare("moved"), "main")
	w.git(w.bare("taken"), "tag", "1-1.0-2", "main")
	before := w.git(w.bare("hello"), "rev-parse", "main")

	code, out := w.push("--no-sign", "--dry-run")
	w.want(code, out, 1, "hello 1:1.0-2: would be pushed: main from "+before[:12]+" to "+hello[:12], "moved 1:1.0-2: main moved: main has commits", "2 of 4 pkgbases were left")
	if got := w.git(w.bare("hello"), "for-each-ref", "--format=%(refname)"); got != "refs/heads/main" {
		t.Errorf("a dry run made %q", got)
	}

	code, out = w.push("--no-sign")
	w.want(code, out, 1, "hello 1:1.0-2: pushed ("+hello[:12]+", tag 1-1.0-2)", "other 1:1.0-2: pushed", "needs a new iteration", "taken 1:1.0-2: failed: the remote has the tag 1-1.0-2, at another commit")
	for name, commit := range map[string]string{"hello": hello, "other": other} {
		if got := w.git(w.bare(name), "rev-parse", "main", "1-1.0-2^{commit}"); got != commit+"\n"+commit {
			t.Errorf("%s has main and tag at %q, want %s", name, got, commit)
		}
		if kind := w.git(w.bare(name), "cat-file", "-t", "1-1.0-2"); kind != "tag" {
			t.Errorf("the tag is a %s", kind)
		}
	}
	if got := w.git(w.bare("moved"), "log", "-1", "--format=%s", "main"); got != "meanwhile" {
		t.Errorf("moved is at %q", got)
	}
	if got := w.git(w.bare("taken"), "rev-parse", "main"); got == taken {
		t.Error("taken was pushed without its tag")
	}

	// It goes on with the same list, although nothing can go any more, and asks the remotes.
	w.gone.Store(true)
	w.git(w.bare("taken"), "tag", "-d", "1-1.0-2")
	w.git(w.bare("other"), "tag", "-d", "1-1.0-2") // half of it is gone: that half is pushed again
	code, out = w.push("--no-sign")
	w.want(code, out, 1, "taken 1:1.0-2: pushed", "hello 1:1.0-2: already there", "other 1:1.0-2: pushed", "1 of 4 pkgbases were left")
	code, out = w.push("--no-sign", "--only", "hello,other", "--json")
	w.want(code, out, 0, `"outcome": "already there"`)

	// Somebody pushed on top: it is there all the same.
	w.git(w.source("hello"), "fetch", "--quiet", w.bare("hello"), "main")
	w.git(w.source("hello"), "reset", "--quiet", "--hard", "FETCH_HEAD")
	w.git(w.source("hello"), "commit", "--quiet", "--allow-empty", "-m", "later")
	w.git(w.source("hello"), "push", "--quiet", w.bare("hello"), "main")
	code, out = w.push("--no-sign", "--only", "hello")
	w.want(code, out, 0, "hello 1:1.0-2: already there")
}

// TestPushOfARelease pushes what was released, whatever can go now.
func TestPushOfARelease(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	commit := w.project("hello")
	w.project("other")
	w.gone.Store(true)
	code, out := w.push("--no-sign")
	w.want(code, out, 1, "nothing of work #1 can go now; of what was released give the release's id")
	code, out = w.pushNamed("7", "--no-sign")
	w.want(code, out, 0, "hello 1:1.0-2: pushed")
	if strings.Contains(out, "other") || w.git(w.bare("hello"), "rev-parse", "main") != commit {
		t.Errorf("it pushed something else:\n%s", out)
	}
	w.mu.Lock()
	w.state = "withdrawn"
	w.mu.Unlock()
	code, out = w.pushNamed("7", "--no-sign")
	w.want(code, out, 1, "release 7 is withdrawn")
}

// TestPushLooksAtWhatTheServerMade: what changes more than the pkgrel is not signed.
func TestPushLooksAtWhatTheServerMade(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	w.project("hello")
	commit := w.git(w.source("hello"), "rev-parse", "HEAD")
	for _, c := range []struct{ path, text, words string }{
		{"PKGBUILD", "pkgname=hello\npkgver=1:1.0\npkgrel=2\narch=(any)\nsource=(evil)\n", `changes "+source=(evil)" in PKGBUILD`},
		{"hello.install", "post_install() { evil; }\n", "changes hello.install, not only the pkgrel"},
		{".SRCINFO", "pkgbase = hello\n", "does not change the pkgrel"},
	} {
		w.git(w.source("hello"), "checkout", "--quiet", "--force", "-B", "evil", commit)
		w.write(filepath.Join(w.source("hello"), c.path), c.text)
		w.git(w.source("hello"), "add", ".")
		w.git(w.source("hello"), "commit", "--quiet", "-m", "Rebuild as 1:1.0-2")
		if _, err := w.mirror.SyncDir(t.Context(), filepath.Join(w.dir, "sources")); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.builds[0].Commit = w.git(w.source("hello"), "rev-parse", "HEAD")
		w.mu.Unlock()
		code, out := w.push("--no-sign", "--again")
		w.want(code, out, 1, c.words, "1 of 1 pkgbase were left")
	}
	w.mu.Lock()
	w.builds[0].BuiltVersion = "1:1.1-1"
	w.mu.Unlock()
	code, out := w.push("--no-sign", "--again")
	w.want(code, out, 1, "pkgver() made 1:1.1-1")
	code, out = w.push("--remote", "git@example.org:hello.git")
	w.want(code, out, 2, "--remote needs {pkgbase}, {project} or {source}")
	if got := w.git(w.bare("hello"), "rev-parse", "main"); got != commit {
		t.Errorf("main is at %s", got)
	}
}

// TestPushSignsOverSSH: with a real sshd and a real key of gpg.
func TestPushSignsOverSSH(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	commit := w.project("hello")
	options := w.sshd()
	w.signingKey()
	w.env = append(w.env, "GIT_SSH_COMMAND=ssh "+options)
	code, out := w.push()
	w.want(code, out, 0, "hello 1:1.0-2: pushed")
	if got := w.git(w.bare("hello"), "rev-parse", "main"); got != commit {
		t.Errorf("main is at %s", got)
	}
	if out := w.git(w.bare("hello"), "verify-tag", "--raw", "1-1.0-2"); !strings.Contains(out, "[GNUPG:] GOODSIG ") {
		t.Errorf("the tag's signature: %s", out)
	}
}

// sshd starts a real one, makes the remotes be reached over it, and returns ssh's options.
func (w *pushWorld) sshd() string {
	w.t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		w.t.Skip("sshd is not installed (Debian: apt install openssh-server): pushing over SSH is not tested")
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	dir := w.t.TempDir()
	for _, key := range []string{"host", "client"} {
		if out, err := exec.CommandContext(w.t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			w.t.Fatalf("%v: %s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "client.pub"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(filepath.Join(dir, "authorized_keys"), string(public))
	w.write(filepath.Join(dir, "config"), fmt.Sprintf(
		"Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n", port, dir, dir))
	cmd := exec.CommandContext(w.t.Context(), sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.remote = fmt.Sprintf("ssh://%s@127.0.0.1:%d%s/remotes/{pkgbase}.git", me.Username, port, w.dir)
	return fmt.Sprintf("-i %s/client -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectionAttempts=30 -o IdentitiesOnly=yes", dir)
}

// signingKey makes a key that git signs with.
func (w *pushWorld) signingKey() {
	w.t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		w.t.Skip("gpg is not installed: signing is not tested")
	}
	home, err := os.MkdirTemp("", "gpg") // the path of its socket must be short
	if err != nil {
		w.t.Fatal(err)
	}
	w.env = append(w.env, "GNUPGHOME="+home)
	run := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Env = w.env
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	w.t.Cleanup(func() {
		run("gpgconf", "--kill", "all")
		_ = os.RemoveAll(home)
	})
	run("gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", "--quick-gen-key", "Anna <anna@example.org>", "ed25519", "sign", "never")
}

// TestPushToGitLab: over HTTPS to the stand-in; a protected main gets a merge request, and
// its tag once that is merged.
func TestPushToGitLab(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	free, kept := w.project("free"), w.project("kept")
	g := gitlabtest.Start(t, gitlabtest.Options{})
	w.env = append(w.env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=credential.helper", "GIT_CONFIG_VALUE_0=!f() { echo username=x; echo password="+gitlabtest.Token+"; }; f")
	w.remote = g.URL() + "/packages/{pkgbase}.git"
	ids := map[string]int64{}
	for _, name := range []string{"free", "kept"} {
		ids[name] = g.CreateProject("packages/" + name)
		w.git(w.source(name), "push", "--quiet", g.URL()+"/packages/"+name+".git", "main")
	}
	if err := g.Protect(t.Context(), ids["kept"]); err != nil {
		t.Fatal(err)
	}
	refs := func(name string) map[string]string {
		t.Helper()
		have := map[string]string{}
		for line := range strings.Lines(w.git(w.dir, "ls-remote", g.URL()+"/packages/"+name+".git")) {
			id, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
			have[ref] = id
		}
		return have
	}
	code, out := w.push("--no-sign", "--no-merge-request")
	w.want(code, out, 1, "free 1:1.0-2: pushed", "kept 1:1.0-2: failed", "You are not allowed to push code to protected branches")
	if have := refs("free"); have["refs/heads/main"] != free || have["refs/tags/1-1.0-2^{}"] != free {
		t.Errorf("free has %v", have)
	}
	code, out = w.push("--no-sign")
	w.want(code, out, 1, "free 1:1.0-2: already there", "kept 1:1.0-2: merge request: main is protected; a merge request of the branch buildbtw/work was asked for")
	if have := refs("kept"); have["refs/heads/buildbtw/work"] != kept || have["refs/tags/1-1.0-2"] != "" || have["refs/heads/main"] == kept {
		t.Errorf("kept has %v", have)
	}
	if got := g.MergeRequests(ids["kept"]); !slices.Equal(got, []string{"merge_request.create", "merge_request.target=main", "merge_request.title=kept 1:1.0-2"}) {
		t.Errorf("asked for %q", got)
	}
	code, out = w.push("--no-sign")
	w.want(code, out, 1, "kept 1:1.0-2: merge request: the branch buildbtw/work waits to be merged")
	if err := g.SetRef(t.Context(), ids["kept"], "refs/heads/main", kept); err != nil {
		t.Fatal(err)
	}
	code, out = w.push("--no-sign")
	w.want(code, out, 0, "kept 1:1.0-2: pushed")
	if have := refs("kept"); have["refs/tags/1-1.0-2^{}"] != kept {
		t.Errorf("kept has %v", have)
	}
}
