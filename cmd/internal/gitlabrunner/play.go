package gitlabrunner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"buildbtw/internal/proc"
)

// Runner is a runner's configuration.
type Runner struct {
	Executor string   // the program: config_exec and the others
	Args     []string // before config, prepare, run SCRIPT STAGE, cleanup
	Env      []string // the runner's own environment
	TempDir  string   // in which every prepare attempt gets a directory; exists

	Graceful time.Duration // graceful_kill_timeout; 0: 10 min
	Force    time.Duration // force_kill_timeout; 0: 10 min
	Pause    time.Duration // between two attempts to prepare; 0: 3 s
}

// prepareAttempts is how often a runner prepares when the machine is at fault.
const prepareAttempts = 3

// maxConfig bounds the executor's answer to config, in bytes.
const maxConfig = 1 << 20

// Exit codes that the runner announces to the executor.
const (
	buildFailureCode  = 1
	systemFailureCode = 2
)

// played is a job on its way.
type played struct {
	Runner
	job   Job
	trace io.Writer
	dir   string            // of this prepare attempt
	env   map[string]string // job_env of config's answer
	stop  stopper
	calls []Call
}

// stopper is why a job is to end.
type stopper struct {
	mu   sync.Mutex
	why  string // empty, Canceled, Canceling or timeout
	told chan struct{}
}

const timedOut = "timeout"

func (s *stopper) set(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		s.why = why
		close(s.told)
	}
}

func (s *stopper) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Play executes a job and writes the executor's output to trace. Canceled or
// Canceling, received from cancel, cancels the job.
func (r Runner) Play(job Job, cancel <-chan string, trace io.Writer) Result {
	p := &played{Runner: r, job: job, trace: piped{trace}, stop: stopper{told: make(chan struct{})}}
	over := make(chan struct{})
	defer close(over)
	go func() {
		var limit <-chan time.Time
		if job.Timeout > 0 {
			timer := time.NewTimer(job.Timeout)
			defer timer.Stop()
			limit = timer.C
		}
		select {
		case why := <-cancel:
			p.stop.set(why)
		case <-limit:
			p.stop.set(timedOut)
		case <-over:
		}
	}()
	result := p.run()
	result.Calls = p.calls
	return result
}

// piped is a writer that is no file, so that the executor gets a pipe of the runner's,
// which breaks when the runner is killed, as a real one's does.
type piped struct{ io.Writer }

// run prepares, executes the stages, and cleans up.
func (p *played) run() Result {
	defer func() { os.RemoveAll(p.dir) }()
	for attempt := 1; ; attempt++ {
		code := p.prepare()
		switch {
		case code == 0:
			result := p.stages()
			p.call("cleanup", "")
			return result
		case p.stop.reason() != "":
			p.call("cleanup", "")
			return p.stopped()
		case code == buildFailureCode:
			p.call("cleanup", "")
			return Result{State: "failed", Reason: "script_failure", ExitCode: code}
		case attempt == prepareAttempts:
			p.call("cleanup", "")
			return Result{State: "failed", Reason: "runner_system_failure", ExitCode: code}
		}
		p.call("cleanup", "")
		time.Sleep(cmp.Or(p.Pause, 3*time.Second))
	}
}

// prepare calls config and prepare with a fresh directory.
func (p *played) prepare() int {
	os.RemoveAll(p.dir)
	dir, err := os.MkdirTemp(p.TempDir, "custom-executor")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "response.json"), p.job.Raw, 0o600)
	}
	if err != nil {
		fmt.Fprintln(p.trace, "ERROR:", err)
		return systemFailureCode
	}
	p.dir, p.env = dir, nil
	if code := p.config(); code != 0 {
		return code
	}
	return p.call("prepare", "")
}

func (p *played) config() int {
	answer := proc.NewHead(maxConfig)
	code := p.execute(invocation{stage: "config", args: []string{"config"}, stdout: answer})
	if code != 0 || len(answer.Bytes()) == 0 {
		return code
	}
	var c struct {
		JobEnv map[string]string `json:"job_env"`
	}
	if err := json.Unmarshal(answer.Bytes(), &c); err != nil {
		fmt.Fprintf(p.trace, "ERROR: the executor's configuration is no JSON: %v\n", err)
		return systemFailureCode
	}
	p.env = c.JobEnv
	return 0
}

// stages calls run for the sub-stages of a job.
func (p *played) stages() Result {
	result := Result{State: "success"}
	if code := p.call("prepare_script", "true"); code != 0 {
		result = p.failure(code)
	}
	for attempt := 1; result.State == "success"; attempt++ {
		code := p.call("get_sources", "git clone")
		if code == 0 {
			break
		}
		if attempt >= p.job.Attempts || p.stop.reason() != "" {
			result = p.failure(code)
			break
		}
		p.call("clear_worktree", "git clean")
	}
	if result.State == "success" {
		if code := p.call("build_script", "the job's own script"); code != 0 {
			result = p.failure(code)
		}
	}
	if why := p.stop.reason(); why == Canceled || why == timedOut {
		return result // only cleanup follows
	}
	p.call("after_script", "true")
	upload := "upload_artifacts_on_success"
	if result.State != "success" {
		upload = "upload_artifacts_on_failure"
	}
	p.call(upload, "true")
	p.call("cleanup_file_variables", "true")
	return result
}

// failure returns the result of a job for an exit code of run.
func (p *played) failure(code int) Result {
	if p.stop.reason() != "" {
		return p.stopped()
	}
	switch code {
	case buildFailureCode:
		return Result{State: "failed", Reason: "script_failure", ExitCode: p.finerCode()}
	case systemFailureCode:
		return Result{State: "failed", Reason: "runner_system_failure", ExitCode: code}
	}
	fmt.Fprintf(p.trace, "ERROR: unknown Custom executor executable exit code %d\n", code)
	return Result{State: "failed", Reason: "runner_system_failure", ExitCode: code}
}

func (p *played) stopped() Result {
	reason := "job_canceled"
	if p.stop.reason() == timedOut {
		reason = "job_execution_timeout"
	}
	return Result{State: "failed", Reason: reason}
}

// finerCode returns the exit code in BUILD_EXIT_CODE_FILE, if the executor has
// written one.
func (p *played) finerCode() int {
	text, err := os.ReadFile(p.exitCodeFile())
	if err != nil {
		return buildFailureCode
	}
	var code int
	if _, err := fmt.Sscan(string(text), &code); err != nil {
		return buildFailureCode
	}
	return code
}

func (p *played) exitCodeFile() string { return filepath.Join(p.dir, "build_exit_code") }

// call calls the executor for a stage. A script makes it a sub-stage of run.
func (p *played) call(stage, script string) int {
	if p.dir == "" {
		return 0
	}
	i := invocation{stage: stage, args: []string{stage}, stdout: p.trace}
	if script == "" {
		return p.execute(i)
	}
	file, err := p.writeScript(script)
	if err != nil {
		fmt.Fprintln(p.trace, "ERROR:", err)
		return systemFailureCode
	}
	i.args = []string{"run", file, stage}
	return p.execute(i)
}

// writeScript writes the job's script as GitLab would: here one that leaves a
// file behind if it is executed, which it must not be.
func (p *played) writeScript(script string) (string, error) {
	dir, err := os.MkdirTemp(p.dir, "script")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "script")
	text := "#!/usr/bin/env bash\n# " + script + "\ntouch " + filepath.Join(p.TempDir, "a-script-was-executed") + "\n"
	return file, os.WriteFile(file, []byte(text), 0o700)
}

// invocation is one call of the executor.
type invocation struct {
	stage  string
	args   []string
	stdout io.Writer
}

// execute starts the executor in a process group of its own and waits for it. A
// job that is to end gets TERM, and KILL when it does not obey; cleanup is let
// be.
func (p *played) execute(i invocation) int {
	start := time.Now()
	cmd := exec.CommandContext(context.Background(), p.Executor, append(append([]string{}, p.Args...), i.args...)...)
	cmd.Dir, cmd.Env = p.dir, p.environment(i.stage)
	cmd.Stdout, cmd.Stderr = i.stdout, p.trace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 2 * time.Second // for pipes that a surviving child keeps open
	code := systemFailureCode
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(p.trace, "ERROR:", err)
	} else {
		code = p.wait(cmd, i.stage)
	}
	p.calls = append(p.calls, Call{Stage: i.stage, Code: code, Took: time.Since(start)})
	return code
}

func (p *played) wait(cmd *exec.Cmd, stage string) int {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // ProcessState has the code
		close(ended)
	}()
	told := p.stop.told
	if stage == "cleanup" || p.stop.reason() == Canceling { // the stages after a cancelled build are not cancelled again
		told = nil
	}
	select {
	case <-ended:
	case <-told:
		p.end(cmd, ended)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

func (p *played) end(cmd *exec.Cmd, ended <-chan struct{}) {
	proc.Signal(cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
		return
	case <-time.After(cmp.Or(p.Graceful, 10*time.Minute)):
	}
	proc.Signal(cmd.Process.Pid, syscall.SIGKILL)
	select {
	case <-ended:
	case <-time.After(cmp.Or(p.Force, 10*time.Minute)):
	}
}

// environment returns the runner's own environment, the variables of the
// executor's contract, the job's variables under a prefix and, after config,
// those of its answer.
func (p *played) environment(stage string) []string {
	env := append([]string{}, p.Env...)
	env = append(env, "TMPDIR="+p.dir,
		fmt.Sprintf("BUILD_FAILURE_EXIT_CODE=%d", buildFailureCode), fmt.Sprintf("SYSTEM_FAILURE_EXIT_CODE=%d", systemFailureCode),
		"BUILD_EXIT_CODE_FILE="+p.exitCodeFile(), "JOB_RESPONSE_FILE="+filepath.Join(p.dir, "response.json"))
	for name, value := range p.job.Variables {
		env = append(env, "CUSTOM_ENV_"+name+"="+value)
	}
	if stage != "config" {
		for name, value := range p.env {
			env = append(env, name+"="+value)
		}
	}
	return env
}
