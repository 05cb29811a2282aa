package main_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/cmd/internal/gitlabrunner"
)

// recorded are the stages of a job as a real gitlab-runner 18.0 calls them.
func recorded(upload string) []string {
	return []string{
		"config", "prepare", "prepare_script", "get_sources", "build_script", "after_script",
		"upload_artifacts_on_" + upload, "cleanup_file_variables", "cleanup",
	}
}

func TestJobBuildsAndReports(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "log-lines=2000"})
	result := s.play(s.job("tool"), nil)
	if diff := cmp.Diff(recorded("success"), result.Stages()); diff != "" || result.State != "success" {
		t.Errorf("%+v\n%s", result, diff)
	}
	b := s.build("tool")
	if b.Status != buildbtw.StatusBuilt {
		t.Errorf("the build is %s", b.Status)
	}
	log := s.log.String()
	for _, want := range []string{"buildbtw: building tool 1-1 for x86_64, attempt 1", s.server.URL + "/builds/" + b.ID, "line 2000 of 2000", "buildbtw: built"} {
		if !strings.Contains(log, want) {
			t.Errorf("the job's log has no %q", want)
		}
	}
	if strings.Contains(log, "line 1 of 2000") || len(log) > 8<<10 {
		t.Errorf("all of the build's log is in the job's: %d bytes", len(log))
	}
	if strings.Contains(log, token) {
		t.Error("the token is in the job's log")
	}
	if strings.Contains(log, "level=") {
		t.Errorf("lines for programs are in the job's log:\n%s", log)
	}
	full, err := s.client.Log(t.Context(), api.LogRequest{Build: b.ID})
	s.must(err)
	text, err := io.ReadAll(full)
	s.must(err)
	s.must(full.Close())
	if !bytes.Contains(text, []byte("line 1 of 2000\n")) || !bytes.Contains(text, []byte("line 2000 of 2000\n")) {
		t.Error("the server's log is not complete")
	}
}

// What the build comes to decides what the runner makes of the job.
func TestJobsThatFail(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"bad": "outcome=failed", "machine": "outcome=infrastructure\nmessage=disk full", "nothing": "outcome=exit0-no-package"})
	for _, test := range []struct {
		name    string
		reason  string
		outcome buildbtw.Outcome
		status  buildbtw.Status
		says    string
	}{
		{"bad", "script_failure", buildbtw.OutcomeFailed, buildbtw.StatusFailed, "failed: build() failed"},
		{"machine", "runner_system_failure", buildbtw.OutcomeInfrastructure, buildbtw.StatusPending, "infrastructure: disk full"},
		{"nothing", "script_failure", buildbtw.OutcomeFailed, buildbtw.StatusFailed, "made no package for nothing"},
	} {
		result := s.play(s.job(test.name), nil)
		if result.State != "failed" || result.Reason != test.reason || !slices.Equal(result.Stages(), recorded("failure")) {
			t.Errorf("%s: %+v", test.name, result)
		}
		if got, status := s.outcome(test.name), s.build(test.name).Status; got != test.outcome || status != test.status {
			t.Errorf("%s: the attempt is %s, the build %s", test.name, got, status)
		}
		if !strings.Contains(s.log.String(), test.says) {
			t.Errorf("%s: the log has no %q", test.name, test.says)
		}
		if first := test.name + " 1-1 for x86_64, attempt 1 on "; !strings.Contains(s.log.String(), first) {
			t.Errorf("%s: the first line of a short log, %q, is missing", test.name, first)
		}
	}
}

func TestJobsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "", "other": ""})
	other := s.build("other")
	early := []string{"config", "prepare", "cleanup"}
	for _, test := range []struct {
		name   string
		change func(sha *string, v map[string]string)
		says   string
	}{
		{"another commit", func(sha *string, _ map[string]string) { *sha = strings.Repeat("a", 40) }, "is of commit"},
		{"another commit, and the variable says the same", func(sha *string, v map[string]string) {
			*sha = strings.Repeat("a", 40)
			v["BUILDBTW_COMMIT"] = *sha
		}, "the server recorded"},
		{"commit in a variable only", func(sha *string, v map[string]string) {
			v["CI_COMMIT_SHA"], *sha = *sha, strings.Repeat("b", 40)
		}, "nothing is built"},
		{"none of ours", func(_ *string, v map[string]string) { delete(v, "BUILDBTW_BUILD_ID") }, "was not made by a buildbtw server"},
		{"no such build", func(_ *string, v map[string]string) { v["BUILDBTW_BUILD_ID"] = "99999" }, "99999"},
		{"another source's build", func(_ *string, v map[string]string) { v["BUILDBTW_BUILD_ID"] = other.ID }, "nothing is built"},
	} {
		result := s.play(s.parse(s.response("tool", test.change)), nil)
		if result.Reason != "script_failure" || !slices.Equal(result.Stages(), early) {
			t.Errorf("%s: %+v", test.name, result)
		}
		if !strings.Contains(s.log.String(), test.says) {
			t.Errorf("%s: the log has no %q", test.name, test.says)
		}
	}
	if got := s.outcome("tool"); got != "" {
		t.Errorf("somebody tried to build: %s", got)
	}
	if result := s.play(s.job("tool"), nil); result.State != "success" {
		t.Fatalf("%+v", result)
	}
	result := s.play(s.job("tool"), nil) // a job that GitLab repeats, of a build that is done
	if result.Reason != "script_failure" || !strings.Contains(s.log.String(), "is built; it is not to be built now") {
		t.Errorf("%+v", result)
	}
}

func TestServerThatIsAwayIsNotTheJobsFault(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	job := s.job("tool")
	s.runner.Env = append(s.runner.Env, "BUILDBTW_SERVER_URL=http://127.0.0.1:1", "BUILDBTW_PATIENCE=1s")
	result := s.play(job, nil)
	want := []string{"config", "prepare", "cleanup", "config", "prepare", "cleanup", "config", "prepare", "cleanup"}
	if result.Reason != "runner_system_failure" || !slices.Equal(result.Stages(), want) {
		t.Errorf("%+v", result)
	}
}

// GitLab cancels: the build is handed back within the grace period, and nothing
// is left.
func TestCancelledJob(t *testing.T) {
	t.Parallel()
	for how, stages := range map[string][]string{
		gitlabrunner.Canceled:  {"config", "prepare", "prepare_script", "get_sources", "build_script", "cleanup"},
		gitlabrunner.Canceling: recorded("failure"),
	} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, map[string]string{"tool": "outcome=hang"})
			result := s.play(s.job("tool"), s.cancelWhen("tool", how))
			if result.Reason != "job_canceled" || !slices.Equal(result.Stages(), stages) {
				t.Errorf("%+v", result)
			}
			if got, status := s.outcome("tool"), s.build("tool").Status; got != buildbtw.OutcomeReleased || status != buildbtw.StatusPending {
				t.Errorf("the attempt is %s, the build %s", got, status)
			}
		})
	}
}

// The server stops a build that nobody needs any more: the job ends as failed, and
// the server hears that it was obeyed.
func TestBuildThatTheServerStops(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "outcome=hang"})
	packager, err := s.server.Client(api.Options{})
	s.must(err)
	stopped := make(chan error, 1)
	ready := s.cancelWhen("tool", "")
	go func() {
		<-ready
		_, err := packager.CancelBuild(t.Context(), s.build("tool").ID)
		stopped <- err
	}()
	result := s.play(s.job("tool"), nil)
	s.must(<-stopped)
	if result.State != "failed" || s.build("tool").Status != buildbtw.StatusSkipped {
		t.Errorf("%+v, the build is %s", result, s.build("tool").Status)
	}
}

// A build is ended before GitLab's time limit, so that it can be reported.
// What GitLab's limit for a job ends has not failed: the server lets it run for longer.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "outcome=hang"})
	job := func(seconds string) gitlabrunner.Job {
		return s.parse(bytes.Replace(s.response("tool", nil), []byte(`"timeout":60`), []byte(`"timeout":`+seconds), 1))
	}
	result := s.play(job("6"), nil)
	if result.Reason != "runner_system_failure" || s.outcome("tool") != buildbtw.OutcomeInfrastructure || s.build("tool").Status != buildbtw.StatusPending {
		t.Errorf("%+v, %s", result, s.outcome("tool"))
	}
	for _, words := range []string{"which is GitLab's limit for this job", "the server lets builds run for 12h0m0s"} {
		if !strings.Contains(s.log.String(), words) {
			t.Errorf("the job's log has no %q", words)
		}
	}
	attempts := s.build("tool").Attempts
	result = s.play(job("3"), nil)
	if result.Reason != "runner_system_failure" || slices.Contains(result.Stages(), "build_script") || !strings.Contains(s.log.String(), "nothing can be built") {
		t.Errorf("a job that has no time: %+v", result)
	}
	if got := s.build("tool").Attempts; got != attempts {
		t.Errorf("a job that has no time made attempt %d", got)
	}
}

// A machine without room takes no job: that costs no attempt.
func TestFullDiskTakesNoJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	s.must(os.MkdirAll(s.path("state"), 0o700))
	if err := syscall.Mount("tmpfs", s.path("state"), "tmpfs", 0, "size=100m,mode=700"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.path("state"), syscall.MNT_DETACH) })
	result := s.play(s.job("tool"), nil)
	if result.Reason != "runner_system_failure" || slices.Contains(result.Stages(), "build_script") || !strings.Contains(s.log.String(), "a build needs at least 256 MiB to begin") {
		t.Errorf("%+v", result)
	}
	if b := s.build("tool"); b.Attempts != 0 || b.Status != buildbtw.StatusPending {
		t.Errorf("the build is %s after %d attempts", b.Status, b.Attempts)
	}
}

// A runner that is killed leaves the executor behind: it hands the build back, and
// the next job cleans up.
func TestKilledRunner(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "outcome=hang\noutcome.2=built"})
	file := s.path("job.json")
	s.must(os.WriteFile(file, s.response("tool", nil), 0o600))
	self, err := os.Executable()
	s.must(err)
	runner, err := cmdtest.Start(cmdtest.Spec{Args: []string{self}, Env: append(s.runner.Env, playJob+"="+file), Log: s.path("runner.log")})
	s.must(err)
	<-s.cancelWhen("tool", "")
	runner.Kill()
	s.until("the build is handed back", func() bool { return s.build("tool").Status == buildbtw.StatusPending })
	if got := s.outcome("tool"); got != buildbtw.OutcomeReleased {
		t.Errorf("the attempt is %s\n%s", got, runner.Log())
	}
	left := s.path("tmp/custom-executor1")
	s.must(os.Mkdir(left, 0o700))
	for _, name := range []string{"response.json", "script.sh"} {
		text, err := os.ReadFile(file)
		s.must(err)
		s.must(os.WriteFile(filepath.Join(left, name), text, 0o600))
	}
	result := s.play(s.job("tool"), nil)
	if result.State != "success" || !strings.Contains(s.log.String(), "cleaned up after job") {
		t.Errorf("%+v\n%s", result, s.log)
	}
}

// A network that is away for longer than a lease costs nothing: the build goes on, its
// result is taken, and there is one attempt.
func TestNetworkThatIsAwayForLongerThanALease(t *testing.T) {
	t.Parallel()
	for name, wish := range map[string]string{
		"ends meanwhile":         "sleep=2s\nsize=100000",
		"goes on, and ends then": "sleep=12s",
		"fails meanwhile":        "sleep=2s\noutcome=failed",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteWithLease(t, map[string]string{"tool": wish}, "2s")
			wire, err := cmdtest.NewWire(t.Context(), strings.TrimPrefix(s.server.URL, "http://"))
			s.must(err)
			defer wire.Close()
			s.runner.Env = append(s.runner.Env, "BUILDBTW_SERVER_URL="+wire.URL())
			go func() {
				s.until("the build has begun", func() bool {
					list, err := s.client.Attempts(t.Context(), s.build("tool").ID)
					return err == nil && len(list) == 1 && list[0].LogSize > 0
				})
				wire.Cut()
				s.until("the lease has run out", func() bool { return s.outcome("tool") == buildbtw.OutcomeLost })
				wire.Mend()
			}()
			state, status := "success", buildbtw.StatusBuilt
			if strings.Contains(wish, "failed") {
				state, status = "failed", buildbtw.StatusFailed
			}
			if result := s.play(s.job("tool"), nil); result.State != state {
				t.Errorf("%+v\n%s", result, s.log)
			}
			attempts, err := s.client.Attempts(t.Context(), s.build("tool").ID)
			s.must(err)
			if b := s.build("tool"); b.Status != status || b.Retries != 0 || len(attempts) != 1 {
				t.Errorf("the build is %+v, of attempts %+v", b, attempts)
			}
			events, err := s.client.Events(t.Context(), api.EventFilter{})
			s.must(err)
			if !slices.ContainsFunc(events, func(e api.Event) bool { return e.Cause == buildbtw.CauseReturned }) {
				t.Error("the lease did not run out")
			}
		})
	}
}

// Two gitlab-runners with state directories of their own do not shoot each other's builds
// down: by default each has a name of its own, and a name that both were given is the one's
// who had it first.
func TestExecutorsWithStateDirectoriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"one": "outcome=hang", "two": "", "three": ""})
	env := slices.Clone(s.runner.Env)
	second := func(job gitlabrunner.Job, more ...string) gitlabrunner.Result {
		t.Helper()
		runner := s.runner
		runner.Env = append(slices.Clone(env), append([]string{"BUILDBTW_STATE_DIR=" + s.path("state2")}, more...)...)
		return runner.Play(job, nil, s.log)
	}
	for _, test := range []struct {
		names    []string
		other    string
		succeeds bool
	}{
		{nil, "two", true},
		{[]string{"BUILDBTW_NAME=shared"}, "three", false},
	} {
		s.runner.Env = append(slices.Clone(env), test.names...)
		cancel, first := make(chan string, 1), make(chan gitlabrunner.Result, 1)
		job := s.job("one")
		go func() { first <- s.runner.Play(job, cancel, s.log) }()
		running := func() bool { return s.build("one").Status == buildbtw.StatusBuilding }
		s.until("the first one builds", running)
		attempts := s.build("one").Attempts
		result := second(s.job(test.other), test.names...)
		if (result.State == "success") != test.succeeds {
			t.Errorf("%v: the second executor: %+v\n%s", test.names, result, s.log)
		}
		if b := s.build("one"); !running() || b.Attempts != attempts {
			t.Errorf("%v: the first build is %s, attempt %d", test.names, b.Status, b.Attempts)
		}
		cancel <- gitlabrunner.Canceled
		<-first
		s.until("the first one is handed back", func() bool { return s.build("one").Status == buildbtw.StatusPending })
	}
	if b := s.build("three"); b.Attempts != 0 || !strings.Contains(s.log.String(), "worker shared is connected from") || !strings.Contains(s.log.String(), "--name") {
		t.Errorf("the second of a name made %d attempts:\n%s", b.Attempts, s.log)
	}
	workers, err := s.client.Workers(t.Context())
	s.must(err)
	if len(workers) != 3 || workers[0].Name == workers[1].Name || !strings.HasPrefix(workers[0].Name, "gitlab-") {
		t.Errorf("workers %+v", workers)
	}
}

// withStandIn has the runner build in virtual machines that a stand-in of vmexec
// makes.
func (s *site) withStandIn(fault, script string) {
	s.t.Helper()
	root, err := cmdtest.Root()
	s.must(err)
	text, err := os.ReadFile(filepath.Join(root, "runners/vm/testdata/vmexec"))
	s.must(err)
	bin := s.path("bin")
	s.must(os.MkdirAll(bin, 0o755))
	s.must(os.WriteFile(filepath.Join(bin, "vmexec"), bytes.ReplaceAll(text, []byte("@FAULT@"), []byte(fault)), 0o755))
	s.must(os.WriteFile(s.path("guest.sh"), []byte(script), 0o644))
	s.runner.Env = append(s.runner.Env, "PATH="+bin+":"+os.Getenv("PATH"), "BUILDBTW_RUNNER=vm", "BUILDBTW_VM_BACKEND=vmexec", "BUILDBTW_VM_SCRIPT="+s.path("guest.sh"))
}

const guestScript = `. ./job.env
mkdir -p /buildbtw/out/packages /tmp/p && cd /tmp/p
printf 'pkgname = %s\npkgbase = %s\npkgver = 1-1\narch = x86_64\nsize = 1\n' "$BUILDBTW_PKGBASE" "$BUILDBTW_PKGBASE" >.PKGINFO
tar -cf "/buildbtw/out/packages/$BUILDBTW_PKGBASE-1-1-x86_64.pkg.tar" .PKGINFO
echo 0 >/buildbtw/out/result
`

func TestJobInAVirtualMachine(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "", "silent": ""})
	s.withStandIn("", guestScript)
	if result := s.play(s.job("tool"), nil); result.State != "success" || s.build("tool").Status != buildbtw.StatusBuilt {
		t.Errorf("%+v, %s", result, s.build("tool").Status)
	}
	s.withStandIn("lies", guestScript) // ends with 0 and has done nothing
	result := s.play(s.job("silent"), nil)
	if result.Reason != "runner_system_failure" || s.outcome("silent") != "" && s.outcome("silent") != buildbtw.OutcomeInfrastructure {
		t.Errorf("%+v, %s", result, s.outcome("silent"))
	}
}

// An executor that is killed cannot end its machine nor report: cleanup does.
func TestKilledExecutor(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": ""})
	s.withStandIn("", "trap '' TERM; echo begun; setsid sleep 1000 & sleep 1000")
	s.runner.Env = append(s.runner.Env, "BUILDBTW_NAME=killed")
	begun := s.cancelWhen("tool", gitlabrunner.Canceled)
	cancel := make(chan string, 1)
	go func() {
		how := <-begun
		s.until("the machine runs", func() bool { return processesIn(t, s.path("state")) != "" })
		for _, pid := range executors(t, s.path("state")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		cancel <- how
	}()
	result := s.play(s.job("tool"), cancel)
	if result.State != "failed" {
		t.Errorf("%+v", result)
	}
	if got, status := s.outcome("tool"), s.build("tool").Status; got != buildbtw.OutcomeInfrastructure || status != buildbtw.StatusPending {
		t.Errorf("the attempt is %s, the build %s", got, status)
	}
}

// The wrapper takes the settings from a file, hands on signals, and ends as the
// program does.
func TestWrapper(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"tool": "outcome=hang\noutcome.2=built"})
	root, err := cmdtest.Root()
	s.must(err)
	conf := s.path("executor.conf")
	settings := slices.DeleteFunc(slices.Clone(s.runner.Env), func(entry string) bool { return !strings.HasPrefix(entry, "BUILDBTW_") })
	s.must(os.WriteFile(conf, []byte(strings.Join(settings, "\n")+"\n"), 0o600))
	s.runner.Executor = filepath.Join(root, "infrastructure/buildbtw-executor.sh")
	s.runner.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "BUILDBTW_EXECUTOR_CONF=" + conf}
	if result := s.play(s.job("tool"), s.cancelWhen("tool", gitlabrunner.Canceled)); result.Reason != "job_canceled" || s.outcome("tool") != buildbtw.OutcomeReleased {
		t.Errorf("%+v, %s", result, s.outcome("tool"))
	}
	if result := s.play(s.job("tool"), nil); result.State != "success" {
		t.Errorf("%+v", result)
	}
	s.runner.Env = append(s.runner.Env, "BUILDBTW_EXECUTOR=/nonexistent")
	if result := s.play(s.job("tool"), nil); result.Reason != "runner_system_failure" {
		t.Errorf("%+v", result)
	}
}

// executors finds the processes of buildbtw-executor that use a state directory.
func executors(t *testing.T, state string) (pids []int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pgrep", "-x", "buildbtw-execut").Output()
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(out)) {
		env, err := os.ReadFile("/proc/" + field + "/environ")
		if err == nil && bytes.Contains(env, []byte("BUILDBTW_STATE_DIR="+state)) {
			var pid int
			for _, c := range field {
				pid = pid*10 + int(c-'0')
			}
			pids = append(pids, pid)
		}
	}
	return pids
}
