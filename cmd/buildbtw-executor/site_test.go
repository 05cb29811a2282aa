package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/cmd/internal/gitlabrunner"
)

// playJob makes the test's program a runner that plays one job: one that can be
// killed.
const playJob = "EXECUTOR_TEST_PLAYS_JOB"

func TestMain(m *testing.M) {
	if file := os.Getenv(playJob); file != "" {
		os.Exit(playFile(file))
	}
	os.Exit(cmdtest.Main(m.Run))
}

// playFile plays the job of a file with the runner that the environment tells.
func playFile(file string) int {
	raw, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	job, err := gitlabrunner.ParseJob(raw)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	runner := gitlabrunner.Runner{Executor: "buildbtw-executor", Env: os.Environ(), TempDir: filepath.Dir(file)}
	fmt.Println(runner.Play(job, nil, os.Stdout).State)
	return 0
}

const token = "a-token-of-the-build-machines"

// site is a server with a buildspace of packages that the fake runner builds, and
// a runner.
type site struct {
	t      *testing.T
	dir    string
	server *cmdtest.Server
	client *api.Client
	runner gitlabrunner.Runner
	log    *buffer // of the job
	lastID int64
}

// buffer is a job's log, which two programs write to while the test reads.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newSite starts a server with a source for each name, which asks the fake runner
// for what its text says, and makes a buildspace of each.
func newSite(t *testing.T, sources map[string]string) *site {
	t.Helper()
	return newSiteWithLease(t, sources, "20s")
}

func newSiteWithLease(t *testing.T, sources map[string]string, lease string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), log: &buffer{}, lastID: 4710}
	for name, wish := range sources {
		if wish == demoSource {
			s.must(commitDemo(name, filepath.Join(s.dir, "sources", name)))
			continue
		}
		s.must(cmdtest.Commit(filepath.Join(s.dir, "sources", name), "main", "first", map[string]string{
			"PKGBUILD": "# never run\n", ".fake": wish,
			".SRCINFO": fmt.Sprintf("pkgbase = %[1]s\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = %[1]s\n", name),
		}))
	}
	s.must(os.WriteFile(s.path("token"), []byte(token+"\n"), 0o600))
	s.must(os.MkdirAll(s.path("tmp"), 0o700))
	server, err := cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: []string{"--data-dir", s.path("data"), "--sources", "dir:" + s.path("sources"), "--worker-token-file", s.path("token"), "--lease", lease},
		Log:  s.path("server.log"),
	})
	s.must(err)
	s.server = server
	t.Cleanup(server.Kill)
	s.client, err = api.New(server.URL, token, api.Options{})
	s.must(err)
	s.runner = gitlabrunner.Runner{
		Executor: "buildbtw-executor", TempDir: s.path("tmp"), Graceful: 20 * time.Second, Force: 5 * time.Second, Pause: time.Millisecond,
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "BUILDBTW_SERVER_URL=" + server.URL, "BUILDBTW_WORKER_TOKEN_FILE=" + s.path("token"),
			"BUILDBTW_STATE_DIR=" + s.path("state"), "BUILDBTW_RUNNER=fake", "BUILDBTW_GRACE=1s", "BUILDBTW_VM_CACHE_DIR=" + s.path("vm"),
		},
	}
	for name := range sources {
		s.create(name)
	}
	return s
}

// demoSource instead of a wish for the fake runner: the demo's source of that
// name.
const demoSource = "of the demo"

func commitDemo(name, dir string) error {
	root, err := cmdtest.Root()
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "infrastructure/demo/sources", name))); err != nil {
		return err
	}
	return cmdtest.Commit(dir, "main", "first", nil)
}

// create makes a buildspace, as its packager does: with no token of a machine.
func (s *site) create(name string) {
	s.t.Helper()
	packager, err := s.server.Client(api.Options{})
	s.must(err)
	_, err = packager.CreateBuildspace(s.t.Context(), api.NewBuildspace{Name: name, Changesets: []string{name}})
	s.must(err)
	s.until(name+" is pending", func() bool {
		list, err := s.client.Builds(s.t.Context(), api.BuildFilter{Buildspace: name})
		return err == nil && len(list) == 1 && list[0].Status == buildbtw.StatusPending
	})
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	if err := cmdtest.Poll(s.t.Context(), 5*time.Minute, func() (bool, error) { return ok(), nil }); err != nil {
		s.t.Fatalf("%s: %v\n%s", what, err, s.log)
	}
}

func (s *site) build(name string) api.Build {
	s.t.Helper()
	list, err := s.client.Builds(s.t.Context(), api.BuildFilter{Buildspace: name})
	s.must(err)
	if len(list) != 1 {
		s.t.Fatalf("%s has %d builds", name, len(list))
	}
	return list[0]
}

// outcome is how the last attempt at a build ended.
func (s *site) outcome(name string) buildbtw.Outcome {
	s.t.Helper()
	list, err := s.client.Attempts(s.t.Context(), s.build(name).ID)
	s.must(err)
	if len(list) == 0 {
		return ""
	}
	return list[0].Outcome
}

// response is GitLab's answer with the job of a build; change may spoil it.
func (s *site) response(name string, change func(sha *string, variables map[string]string)) []byte {
	s.t.Helper()
	b := s.build(name)
	s.lastID++
	sha := b.Commit
	variables := map[string]string{
		"CI_JOB_ID": strconv.FormatInt(s.lastID, 10), "CI_COMMIT_SHA": sha,
		"BUILDBTW_BUILD_ID": b.ID, "BUILDBTW_COMMIT": b.Commit,
	}
	if change != nil {
		change(&sha, variables)
	}
	list := []any{}
	for key, value := range variables {
		list = append(list, map[string]any{"key": key, "value": value, "public": true})
	}
	raw, err := json.Marshal(map[string]any{
		"id": s.lastID, "token": "job token", "git_info": map[string]any{"sha": sha, "repo_url": "https://gitlab.invalid/x.git"},
		"runner_info": map[string]any{"timeout": 60}, "variables": list,
	})
	s.must(err)
	return raw
}

func (s *site) job(name string) gitlabrunner.Job {
	s.t.Helper()
	return s.parse(s.response(name, nil))
}

func (s *site) parse(raw []byte) gitlabrunner.Job {
	s.t.Helper()
	j, err := gitlabrunner.ParseJob(raw)
	s.must(err)
	return j
}

// play executes a job and sees that it has left nothing.
func (s *site) play(job gitlabrunner.Job, cancel <-chan string) gitlabrunner.Result {
	s.t.Helper()
	result := s.runner.Play(job, cancel, io.MultiWriter(s.log, testLog{s.t}))
	s.nothingLeft()
	return result
}

func (s *site) nothingLeft() {
	s.t.Helper()
	for _, dir := range []string{"state/jobs", "tmp"} {
		entries, err := os.ReadDir(s.path(dir))
		if err != nil && !os.IsNotExist(err) {
			s.t.Error(err)
		}
		for _, e := range entries {
			s.t.Errorf("%s/%s is left", dir, e.Name())
		}
	}
	if list := processesIn(s.t, s.path("state")); list != "" {
		s.t.Errorf("processes are left: %s", list)
	}
}

// processesIn lists the processes of builds below a directory.
func processesIn(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte("BUILDBTW_BUILD_IN="+dir+"/")) {
			found = append(found, name)
		}
	}
	return strings.Join(found, " ")
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// cancelWhen cancels a job once its build has begun on the server.
func (s *site) cancelWhen(name, how string) <-chan string {
	cancel := make(chan string, 1)
	ctx := s.t.Context()
	go func() {
		_ = cmdtest.Poll(ctx, 5*time.Minute, func() (bool, error) {
			list, err := s.client.Builds(ctx, api.BuildFilter{Buildspace: name, Status: "building"})
			return err == nil && len(list) == 1, nil
		})
		cancel <- how
	}()
	return cancel
}

// stage calls one stage by itself, as the runner does.
func (s *site) stage(job gitlabrunner.Job, env []string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	response := s.path("response.json")
	s.must(os.WriteFile(response, job.Raw, 0o600))
	cmd := exec.CommandContext(s.t.Context(), "buildbtw-executor", args...)
	cmd.Dir = s.dir
	cmd.Env = append(append([]string{}, s.runner.Env...), "JOB_RESPONSE_FILE="+response, "BUILD_FAILURE_EXIT_CODE=71", "SYSTEM_FAILURE_EXIT_CODE=72", "BUILD_EXIT_CODE_FILE="+s.path("code"))
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as gitlab-runner does
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}
