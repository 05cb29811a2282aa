package devtools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// executor returns a gitlab-runner whose jobs an executor with the runner pkgctl does,
// as a user who may use sudo.
func (s *site) executor(t *testing.T) gitlabrunner.Runner {
	t.Helper()
	token, state, temporary := filepath.Join(s.dir, "executor-token"), filepath.Join(s.dir, "state"), openDir(t)
	run(t, "install", "-m", "600", "-o", user, s.token(), token)
	run(t, "install", "-d", "-o", user, state)
	return gitlabrunner.Runner{
		Executor: "bash",
		Args: []string{
			"-ec", `chown -R "$0:" . && exec setpriv --reuid="$0" --regid="$0" --init-groups -- buildbtw-executor "$@"`, user,
		},
		TempDir: temporary, Graceful: time.Minute, Force: time.Minute, Pause: time.Second,
		Env: append(os.Environ(), "HOME=/tmp/"+user, "USER="+user, "LOGNAME="+user, "BUILDBTW_SERVER_URL="+s.server.URL, "BUILDBTW_WORKER_TOKEN_FILE="+token,
			"BUILDBTW_STATE_DIR="+state, "BUILDBTW_RUNNER=pkgctl", "BUILDBTW_GRACE=1s", "BUILDBTW_MAKE_JOBS=1"),
	}
}

// gitlabJob returns a job for a pending build.
func (s *site) gitlabJob(t *testing.T, buildspace, pkgbase string, number int) gitlabrunner.Job {
	t.Helper()
	var b api.Build
	s.wait(t, buildspace, pkgbase, func(found api.Build, _ []api.Attempt, _ string) bool {
		b = found
		return b.Status == buildbtw.StatusPending
	})
	variables := []map[string]any{}
	for key, value := range map[string]string{"CI_JOB_ID": strconv.Itoa(number), "CI_COMMIT_SHA": b.Commit, "BUILDBTW_BUILD_ID": b.ID, "BUILDBTW_COMMIT": b.Commit} {
		variables = append(variables, map[string]any{"key": key, "value": value, "public": true})
	}
	raw, err := json.Marshal(map[string]any{
		"id": number, "token": "job token", "git_info": map[string]any{"sha": b.Commit, "repo_url": "https://gitlab.invalid/x.git"},
		"runner_info": map[string]any{"timeout": 600}, "variables": variables,
	})
	if err != nil {
		t.Fatal(err)
	}
	job, err := gitlabrunner.ParseJob(raw)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// twoLibraries has a library with one version on two branches, and what is built with it.
func twoLibraries(t *testing.T, args ...string) *site {
	t.Helper()
	branch := func(text string) map[string]string {
		return source("lib", "", "package() { install -d \"$pkgdir/usr/share/lib-of-the-test\"; echo "+text+" >\"$pkgdir/usr/share/lib-of-the-test/text\"; }\n")
	}
	s := startSite(t, map[string]map[string]string{
		"lib": branch("main"),
		"app": source("app", "makedepends = lib", "build() { echo \"TEXT $(cat /usr/share/lib-of-the-test/text)\"; echo \"REPOSITORIES $(grep '^\\[' /etc/pacman.conf | tr '\\n' ' ')\"; }\n"+packageNothing),
	}, args...)
	if err := cmdtest.Commit(filepath.Join(s.dir, "sources/lib"), "other", "other", branch("other")); err != nil {
		t.Fatal(err)
	}
	err := cmdtest.Poll(t.Context(), patience, func() (bool, error) {
		_, err := s.client.Plan(t.Context(), api.PlanRequest{Changesets: []string{"lib/other"}})
		if buildbtw.KindOf(err) == buildbtw.KindNotFound {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sees wants the application to have been built with the library of its buildspace.
func (s *site) sees(t *testing.T, buildspace, text string) {
	t.Helper()
	for _, b := range s.builds(t, buildspace) {
		log := s.log(t.Context(), b.ID)
		want := "\nTEXT " + text + "\nREPOSITORIES [options] [" + buildspace + "] [core] [extra]"
		if b.Pkgbase == "app" && !strings.Contains(log, want) {
			t.Errorf("%s: no %q\n%s", buildspace, want, log)
		}
	}
}

// Jobs of an executor that run at the same time have a chroot each, and see their own
// buildspace only, although its packages have the names and versions of the other's.
func TestTwoExecutorJobsAtOnce(t *testing.T) {
	need(t)
	startMirror(t)
	s := twoLibraries(t)
	r := s.executor(t)
	buildspaces := map[string]string{"alpha": "lib", "beta": "lib/other"}
	for name, changeset := range buildspaces {
		s.create(t, name, changeset, "app")
	}
	number := 0
	for _, pkgbase := range []string{"lib", "app"} {
		logs := map[string]*bytes.Buffer{}
		var jobs sync.WaitGroup
		for name := range buildspaces {
			number++
			job, log := s.gitlabJob(t, name, pkgbase, number), &bytes.Buffer{}
			logs[name] = log
			jobs.Go(func() {
				if result := r.Play(job, nil, log); result.State != "success" {
					t.Errorf("%s, %s: %+v\n%s", name, pkgbase, result, log)
				}
			})
		}
		jobs.Wait()
		var places []string
		for name := range buildspaces {
			list, err := s.client.Builds(t.Context(), api.BuildFilter{Buildspace: name, Iteration: api.Latest, Pkgbase: pkgbase})
			if err != nil {
				t.Fatal(err)
			}
			_, place, _ := strings.Cut(s.log(t.Context(), list[0].ID), "\nchroot ")
			places = append(places, place[:min(1, len(place))])
		}
		if slices.Sort(places); !slices.Equal(places, []string{"1", "2"}) {
			t.Errorf("%s: they were built in the chroots %q, so not at the same time", pkgbase, places)
		}
	}
	for name, changeset := range buildspaces {
		s.allBuilt(t, name, 2)
		_, branch, _ := strings.Cut(changeset, "/")
		if branch == "" {
			branch = "main"
		}
		s.sees(t, name, branch)
	}
	nothingLeft(t, time.Minute)
	if left, err := os.ReadDir(filepath.Join(s.dir, "state/jobs")); err != nil || len(left) > 0 {
		t.Errorf("jobs are left: %v %v", left, err)
	}
}

// An executor that is killed in the middle of a build leaves nothing, and the next job
// on its machine builds.
func TestAKilledExecutorLeavesNothing(t *testing.T) {
	need(t)
	startMirror(t)
	s := startSite(t, map[string]map[string]string{"silent": source("silent", "", waiting["silent"]+packageNothing), "next": source("next", "", packageNothing)})
	r := s.executor(t)
	s.create(t, "silent", "silent")
	job, log, ended := s.gitlabJob(t, "silent", "silent", 1), &bytes.Buffer{}, make(chan gitlabrunner.Result, 1)
	go func() { ended <- r.Play(job, nil, log) }()
	s.wait(t, "silent", "silent", isWaiting)
	killed := 0
	for _, id := range processes(t, "buildbtw-executor run ") {
		if err := syscall.Kill(id, syscall.SIGKILL); err == nil {
			killed++
		}
	}
	if result := <-ended; killed == 0 || result.State != "failed" {
		t.Errorf("%d were killed: %+v\n%s", killed, result, log)
	}
	nothingLeft(t, time.Minute)
	s.create(t, "next", "next")
	if result := r.Play(s.gitlabJob(t, "next", "next", 2), nil, log); result.State != "success" {
		t.Errorf("%+v\n%s", result, log)
	}
}

// processes lists the ids of the processes whose command line begins so.
func processes(t *testing.T, begin string) []int {
	t.Helper()
	var ids []int
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(strings.ReplaceAll(string(text), "\x00", " "), begin) {
			continue
		}
		var id int
		if _, err := fmt.Sscanf(name, "/proc/%d/cmdline", &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}
