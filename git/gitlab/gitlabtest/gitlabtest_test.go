package gitlabtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// gitIn runs git as a packager with a token would.
func gitIn(t *testing.T, dir, token string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{
		"-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main", "-c", "credential.helper=!f() { echo username=x; echo password=" + token + "; }; f",
	}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := gitIn(t, dir, Token, args...)
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return out
}

// listener collects webhooks.
type listener struct {
	mu   sync.Mutex
	got  []map[string]any
	with []http.Header
}

func (l *listener) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	l.got, l.with = append(l.got, body), append(l.with, r.Header)
}

func TestGitClonesAndPushes(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	heard := &listener{}
	hook := httptest.NewServer(heard)
	defer hook.Close()
	s.AddHook(Hook{URL: hook.URL, Secret: "psst", Group: "arch"})
	id := s.CreateProject("arch/zlib")
	first, err := s.Push(t.Context(), id, Change{Files: map[string]string{"PKGBUILD": "pkgname=zlib\n", "dir/x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "zlib")
	mustGit(t, "/", "clone", "-q", s.URL()+"/arch/zlib.git", clone)
	if text, err := os.ReadFile(filepath.Join(clone, "dir/x")); err != nil || string(text) != "y" {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(clone, "new"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustGit(t, clone, "add", "new")
	mustGit(t, clone, "commit", "-qm", "second")
	mustGit(t, clone, "push", "-q", "origin", "main", "main:refs/tags/v1")
	second := mustGit(t, clone, "rev-parse", "HEAD")
	s.Settle()
	var kinds []string
	for i, body := range heard.got {
		kinds = append(kinds, body["object_kind"].(string)+" "+body["after"].(string))
		if heard.with[i].Get("X-Gitlab-Token") != "psst" {
			t.Errorf("headers: %v", heard.with[i])
		}
	}
	if want := []string{"push " + first, "push " + second, "tag_push " + second}; !sameSet(kinds, want) {
		t.Errorf("webhooks: %v, want %v", kinds, want)
	}
}

func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestTokensDecideOverGit(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.Allow("reader", ReadOnly)
	id := s.CreateProject("arch/zlib")
	if _, err := s.Push(t.Context(), id, Change{Files: map[string]string{"a": "1"}}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "x")
	if out, err := gitIn(t, "/", "forged", "clone", "-q", s.URL()+"/arch/zlib.git", dir); err == nil {
		t.Errorf("a forged token clones: %s", out)
	}
	if out, err := gitIn(t, "/", "reader", "clone", "-q", s.URL()+"/arch/zlib.git", dir); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := gitIn(t, dir, "reader", "push", "-q", "origin", "main:other"); err == nil {
		t.Errorf("a reader pushes: %s", out)
	}
}

func TestARenamedProjectRedirects(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	id := s.CreateProject("arch/old")
	if _, err := s.Push(t.Context(), id, Change{Files: map[string]string{"a": "1"}}); err != nil {
		t.Fatal(err)
	}
	s.MoveProject(id, "arch/new")
	mustGit(t, "/", "clone", "-q", s.URL()+"/arch/old.git", filepath.Join(t.TempDir(), "x"))
	if err := s.DeleteProject(id); err != nil {
		t.Fatal(err)
	}
	if out, err := gitIn(t, "/", Token, "clone", "-q", s.URL()+"/arch/old.git", filepath.Join(t.TempDir(), "y")); err == nil {
		t.Errorf("a deleted project is cloned: %s", out)
	}
}

func TestActivityIsNotedOnceAnHour(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := Start(t, Options{Now: func() time.Time { return now }})
	id := s.CreateProject("arch/a")
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {59 * time.Minute, 0}, {time.Hour, time.Hour}} {
		now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC).Add(step.at)
		if _, err := s.Push(t.Context(), id, Change{Files: map[string]string{"a": step.at.String()}}); err != nil {
			t.Fatal(err)
		}
		p, _, _ := s.find("arch/a")
		if got := p.active.Sub(p.created); got != step.want {
			t.Errorf("pushed after %v: active after %v, want %v", step.at, got, step.want)
		}
	}
}

// A runner takes the jobs with its tags alone, hears that it is to report each minute, and
// whoever looks is told how its jobs end; more pipelines than a project may have are
// refused with 400.
func TestRunnersAndRates(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ended []EndedJob
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := Start(t, Options{
		Tags: []string{"buildbtw"}, PipelinesPerMinute: 3, Now: func() time.Time { return now },
		JobEnded: func(j EndedJob) { mu.Lock(); ended = append(ended, j); mu.Unlock() },
	})
	id := s.CreateProject("arch/zlib")
	if _, err := s.Push(t.Context(), id, Change{Files: map[string]string{"a": "1"}}); err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) (int, http.Header, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/api/v4"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Private-Token", Token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var out map[string]any
		_ = json.NewDecoder(answer.Body).Decode(&out)
		return answer.StatusCode, answer.Header, out
	}
	create := func(tag string) int {
		t.Helper()
		status, _, _ := call("POST", "/projects/"+formatID(id)+"/pipeline", `{"ref":"main","variables":[{"key":"BUILDBTW_RUNNER_TAG","value":"`+tag+`"}]}`)
		return status
	}
	for _, tag := range []string{"other", "", "buildbtw"} {
		if status := create(tag); status != http.StatusCreated {
			t.Fatalf("a pipeline with tag %q: %d", tag, status)
		}
	}
	if status := create("buildbtw"); status != http.StatusBadRequest {
		t.Errorf("the fourth pipeline in a minute: %d", status)
	}
	now = now.Add(time.Minute)
	if status := create("third"); status != http.StatusCreated {
		t.Errorf("the first pipeline in the next minute: %d", status)
	}
	const ask = `{"token":"` + RunnerToken + `"}`
	status, _, job := call("POST", "/jobs/request", ask)
	if status != http.StatusCreated {
		t.Fatalf("no job for the runner: %d", status)
	}
	if status, _, _ := call("POST", "/jobs/request", ask); status != http.StatusNoContent {
		t.Errorf("a job that is not tagged for the runner: %d", status)
	}
	number := strconv.FormatFloat(job["id"].(float64), 'f', 0, 64)
	status, header, _ := call("PUT", "/jobs/"+number, `{"token":"`+job["token"].(string)+`","state":"failed","failure_reason":"script_failure"}`)
	if status != http.StatusOK || header.Get("X-GitLab-Trace-Update-Interval") != "60" {
		t.Errorf("the end of the job: %d, %v", status, header)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ended) != 1 || ended[0].Project != "arch/zlib" || ended[0].Status != "failed" || ended[0].Reason != "script_failure" {
		t.Errorf("ended: %+v", ended)
	}
}
