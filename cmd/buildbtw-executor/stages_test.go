package main_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestConfigAnswersWithJSONAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	s.must(os.MkdirAll(s.path("state/jobs/17"), 0o700))
	s.must(os.WriteFile(s.path("state/jobs/17/state.json"), []byte(`{"job":17,"runner":{"pid":999999999,"start":1}}`), 0o600))
	stdout, stderr, code := s.stage(s.job("tool"), nil, "config")
	var answer map[string]any
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || code != 0 {
		t.Fatalf("code %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	driver, _ := answer["driver"].(map[string]any)
	if driver["name"] != "buildbtw-executor" || answer["builds_dir_is_shared"] != false || answer["hostname"] == "" ||
		!strings.HasPrefix(answer["builds_dir"].(string), s.path("state")) {
		t.Errorf("%v", answer)
	}
	if !strings.Contains(stderr, "cleaned up after job 17") {
		t.Errorf("it says %q", stderr)
	}
	if _, err := os.Stat(s.path("state/jobs/17")); !os.IsNotExist(err) {
		t.Errorf("what job 17 has left is still there: %v", err)
	}
}

// Jobs whose runner is there are let be, whatever other jobs do.
func TestJobsOfLivingRunnersStay(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	first, second := s.job("tool"), s.job("tool")
	if _, stderr, code := s.stage(first, nil, "prepare"); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	for _, stage := range []string{"config", "prepare", "cleanup"} {
		if _, stderr, code := s.stage(second, nil, stage); code != 0 || strings.Contains(stderr, "cleaned up") {
			t.Errorf("%s: code %d: %s", stage, code, stderr)
		}
	}
	entries, err := os.ReadDir(s.path("state/jobs"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, _, code := s.stage(first, nil, "cleanup"); code != 0 {
		t.Errorf("code %d", code)
	}
	s.nothingLeft()
}

func TestScriptsAreNeverExecuted(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	job := s.job("tool")
	script := s.path("script")
	s.must(os.WriteFile(script, []byte("#!/bin/bash\ntouch "+s.path("executed")+"\n"), 0o700))
	if _, stderr, code := s.stage(job, nil, "prepare"); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	for _, stage := range []string{
		"prepare_script", "get_sources", "clear_worktree", "restore_cache", "download_artifacts", "step_script", "step_release",
		"after_script", "archive_cache", "archive_cache_on_failure", "upload_artifacts_on_success", "upload_artifacts_on_failure",
		"cleanup_file_variables", "a_stage_of_the_future",
	} {
		stdout, stderr, code := s.stage(job, nil, "run", script, stage)
		if code != 0 || stdout != "" {
			t.Errorf("%s: code %d: %s%s", stage, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(s.path("executed")); err == nil {
		t.Error("the script of a job was executed on the build machine")
	}
	if b := s.build("tool"); b.Status != "built" { // by step_script
		t.Errorf("the build is %s", b.Status)
	}
}

// Only the two codes that the runner names mean something to it.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	job := s.job("tool")
	wrong := s.parse(s.response("tool", func(sha *string, _ map[string]string) { *sha = strings.Repeat("0", 40) }))
	for _, test := range []struct {
		name string
		code int
		env  []string
		args []string
		says string
	}{
		{"no prepare before", 72, nil, []string{"run", "/script", "build_script"}, "has left no state"},
		{"refused", 71, nil, []string{"prepare"}, "is of commit"},
		{"runner that cannot work", 72, []string{"BUILDBTW_RUNNER=pkgctl"}, []string{"prepare"}, "pkgctl"},
		{"state directory of somebody else", 72, []string{"BUILDBTW_STATE_DIR=/tmp"}, []string{"prepare"}, "state directory"},
		{"token that is not there", 72, []string{"BUILDBTW_WORKER_TOKEN_FILE=/nonexistent"}, []string{"prepare"}, "/nonexistent"},
		{"no job", 72, []string{"JOB_RESPONSE_FILE="}, []string{"config"}, "no job of a gitlab-runner"},
		{"half a job", 72, []string{"JOB_RESPONSE_FILE=" + s.path("token")}, []string{"config"}, "read the job"},
		{"job whose file is gone", 72, []string{"JOB_RESPONSE_FILE=/nonexistent"}, []string{"cleanup"}, "read the job"},
	} {
		j := job
		if test.code == 71 {
			j = wrong
		}
		stdout, stderr, code := s.stage(j, test.env, test.args...)
		if code != test.code || !strings.Contains(stderr, test.says) || stdout != "" {
			t.Errorf("%s: code %d: %s%s", test.name, code, stdout, stderr)
		}
	}
}

// The answer that GitLab gave to the runner counts, not what somebody has set as
// a variable of the job.
func TestEnvironmentCannotSpeakForTheJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "", "other": ""})
	other := s.build("other")
	env := []string{
		"CUSTOM_ENV_CI_JOB_ID=1", "CUSTOM_ENV_CI_COMMIT_SHA=" + other.Commit, "CUSTOM_ENV_BUILDBTW_BUILD_ID=" + other.ID,
		"CUSTOM_ENV_BUILDBTW_COMMIT=" + other.Commit, "CUSTOM_ENV_BUILDBTW_SERVER_URL=http://evil.invalid",
	}
	job := s.job("tool")
	for _, args := range [][]string{{"config"}, {"prepare"}, {"run", "/script", "build_script"}, {"cleanup"}} {
		if _, stderr, code := s.stage(job, env, args...); code != 0 {
			t.Fatalf("%v: code %d: %s", args, code, stderr)
		}
	}
	if tool, other := s.build("tool").Status, s.build("other").Status; tool != "built" || other != "pending" {
		t.Errorf("tool is %s, other %s", tool, other)
	}
	// An old runner, which writes no such file, has the environment only.
	env = append(env[1:], "CUSTOM_ENV_CI_JOB_ID=4999", "JOB_RESPONSE_FILE=")
	for _, args := range [][]string{{"prepare"}, {"run", "/script", "build_script"}, {"cleanup"}} {
		if _, stderr, code := s.stage(job, env, args...); code != 0 {
			t.Fatalf("%v: code %d: %s", args, code, stderr)
		}
	}
	if got := s.build("other").Status; got != "built" {
		t.Errorf("other is %s", got)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	stdout, _, code := s.stage(s.job("tool"), nil, "doctor")
	if want := "ok    server " + s.server.URL + "\nok    state directory " + s.path("state") + "\nok    secrets\nok    runner fake\n"; stdout != want || code != 0 {
		t.Errorf("code %d:\n%s", code, stdout)
	}
	job := s.job("tool")
	s.must(os.WriteFile(s.path("token"), []byte("another token of the machines"), 0o600))
	stdout, _, code = s.stage(job, []string{"BUILDBTW_RUNNER=vm", "BUILDBTW_VM_BACKEND=qemu", "BUILDBTW_STATE_DIR=/tmp"}, "doctor")
	for _, want := range []string{"FAIL  server " + s.server.URL, "FAIL  state directory /tmp: ", "FAIL  runner vm: ", "--vm-kernel"} {
		if !strings.Contains(stdout, want) || code != 1 {
			t.Errorf("code %d, no %q:\n%s", code, want, stdout)
		}
	}
}

// Neither the token nor a file of settings that has one may be readable by a build:
// doctor says so, and no job gets beyond prepare.
func TestSecretsThatABuildCouldReadAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	job, conf := s.job("tool"), s.path("executor.conf")
	env := []string{"BUILDBTW_EXECUTOR_CONF=" + conf}
	for _, test := range []struct {
		conf        string
		token, mode os.FileMode
		says        string
	}{
		{"BUILDBTW_RUNNER=fake\n", 0o600, 0o644, ""},
		{"BUILDBTW_WORKER_TOKEN=abc\n", 0o600, 0o600, ""},
		{"BUILDBTW_WORKER_TOKEN=abc\n", 0o600, 0o644, "chmod 600 " + conf},
		{"BUILDBTW_RUNNER=fake\n", 0o644, 0o644, "chmod 600 " + s.path("token")},
	} {
		s.must(os.WriteFile(conf, []byte(test.conf), 0o600))
		s.must(os.Chmod(conf, test.mode))
		s.must(os.Chmod(s.path("token"), test.token))
		stdout, _, doctor := s.stage(job, env, "doctor")
		_, stderr, prepare := s.stage(job, env, "prepare")
		if refused := test.says != ""; (doctor != 0) != refused || (prepare != 0) != refused || !strings.Contains(stdout, test.says) || !strings.Contains(stderr, test.says) {
			t.Errorf("%+v: doctor %d\n%s\nprepare %d\n%s", test, doctor, stdout, prepare, stderr)
		}
	}
}
