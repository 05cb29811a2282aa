package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
	"buildbtw/runners"
)

func runCommand() *cobra.Command {
	return stageCommand(&cobra.Command{
		Use:   "run SCRIPT STAGE",
		Short: "Stage: execute the build, at build_script",
		Long: `run is called for every sub-stage of a job. At build_script (which newer runners
may call step_script) it leases the build from the server, executes it, uploads
the packages and reports. Nothing happens at the others: the source comes from
the server into the isolation, and packages and logs go to the server.

SCRIPT, which GitLab has made of the job, is never executed.`,
		Example: "  run_exec = \"/usr/bin/buildbtw-executor\"\n  run_args = [\"run\"]",
		Args:    cobra.ExactArgs(2),
	}, func(cmd *cobra.Command, s *settings, args []string) error {
		switch stage := args[1]; stage {
		case "build_script", "step_script":
			return build(cmd.Context(), s)
		case "prepare_script":
			say("%s %s on %s", program, cli.Version(), cmp.Or(s.name, machine.Hostname()))
		case "get_sources":
			say("the source is fetched inside the isolation; nothing is checked out here")
		default: // there is nothing to do, and no stage of a future runner may fail
		}
		return nil
	})
}

// build returns the stage that the job is for.
func build(ctx context.Context, s *settings) error {
	job, err := readJob(os.Getenv)
	if err != nil {
		return err
	}
	if err := job.check(); err != nil {
		return err
	}
	dir, err := s.openState()
	if err != nil {
		return err
	}
	d := dir.job(job.ID)
	st, err := d.readState()
	if err != nil {
		return fmt.Errorf("the stage prepare has left no state: %w", err)
	}
	slot, release, err := dir.takeSlot()
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := watchRunner(ctx, st.Runner)
	defer cancel()
	report, err := s.execute(ctx, execution{job: job, machine: dir, dir: d, slot: slot, state: st})
	if err != nil {
		return err
	}
	s.tell(job, report)
	return conclude(report)
}

// execution is a job's build on its way.
type execution struct {
	job     gitlabJob
	machine stateDir // has the secret of all jobs of this machine
	dir     jobDir
	slot    int
	state   state
}

// execute has an agent see the build through.
func (s *settings) execute(ctx context.Context, e execution) (runners.Report, error) {
	list, err := s.builders.Make()
	if err != nil {
		return runners.Report{}, err
	}
	for _, r := range list {
		if err := r.Probe(ctx); err != nil { // every stage is a process of its own, so nothing is known from an earlier probe
			return runners.Report{}, fmt.Errorf("runner %s cannot be used on this machine: %w", r.Name(), err)
		}
	}
	client, log, err := s.client(runners.Backoff)
	if err != nil {
		return runners.Report{}, err
	}
	name, err := s.workerName(e.machine)
	if err != nil {
		return runners.Report{}, err
	}
	agent, err := runners.NewAgent(runners.Options{
		Client: client, Worker: name, Architectures: s.builders.Architectures, Version: cli.Version(),
		Runners: list, WorkDir: e.dir.work(), SecretDir: string(e.machine), Log: log, Tail: int64(s.tail),
	})
	if err != nil {
		return runners.Report{}, err
	}
	defer agent.Close()
	report, err := agent.RunSingle(ctx, runners.Single{
		Build: e.job.Build, Pipeline: e.job.Pipeline, Job: e.job.ID, Commit: e.job.Commit, Slot: e.slot,
		Deadline: s.deadline(e.state),
		Limit:    fmt.Sprintf("GitLab's limit for this job (less --grace %s): raise the runner's maximum job timeout and the timeout of the project's CI/CD settings", s.grace),
		Leased:   func(leased api.Job) error { return s.leased(e, leased) },
	})
	if err != nil {
		return report, err
	}
	e.state.Lease, e.state.Outcome = "", report.Outcome
	return report, e.dir.writeState(e.state)
}

// deadline returns when the build must have ended for its end to be reported before
// GitLab ends the job.
func (s *settings) deadline(st state) time.Time {
	if st.Until.IsZero() {
		return time.Time{}
	}
	return st.Until.Add(-s.grace)
}

// leased saves the lease, so that a later stage can give it back, and prints
// the address of the log.
func (s *settings) leased(e execution, job api.Job) error {
	say("building %s %s for %s, attempt %d", job.Pkgbase, job.Version, job.Architecture, job.Attempt)
	say("log and packages: %s", s.buildURL(job.BuildID))
	if left, most := time.Until(s.deadline(e.state)), time.Duration(job.TimeoutSeconds*float64(time.Second)); !e.state.Until.IsZero() && (most == 0 || left < most) {
		say("warning: GitLab's limit leaves this job %s; the server's limit for a build is %s (0s: none)", left.Round(time.Second), most)
	}
	e.state.Lease = job.Lease
	return e.dir.writeState(e.state)
}

func (s *settings) buildURL(build string) string {
	return strings.TrimRight(s.server.URL, "/") + "/builds/" + build
}

// tell prints the end of the log and the outcome of the build.
func (s *settings) tell(job gitlabJob, r runners.Report) {
	if tail := printable(r.Tail, len(r.Tail) < s.tail); tail != "" {
		say("the end of the log:")
		fmt.Fprint(os.Stderr, tail)
	}
	switch {
	case r.Lost != nil:
		say("the server has not taken the result (%s): %v", r.Outcome, r.Lost)
	case r.Message != "":
		say("%s: %s", r.Outcome, r.Message)
	default:
		say("%s", r.Outcome)
	}
	say("all of the log: %s", s.buildURL(job.Build))
}

// printable returns the end of a log, or all of it, as whole lines without control
// characters.
func printable(tail []byte, all bool) string {
	text := strings.ToValidUTF8(string(tail), "")
	if _, after, found := strings.Cut(text, "\n"); found && !all {
		text = after
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// conclude makes an exit code of a report, and notes a finer one where the runner
// wants it.
func conclude(r runners.Report) error {
	if r.Lost != nil {
		return systemFailure(cli.ErrSilent)
	}
	switch r.Outcome {
	case buildbtw.OutcomeBuilt:
		return nil
	case buildbtw.OutcomeFailed, buildbtw.OutcomeTimedOut, buildbtw.OutcomeStalled, buildbtw.OutcomeCancelled:
		noteExitCode(r.Outcome)
		return buildFailure(cli.ErrSilent)
	}
	return systemFailure(cli.ErrSilent)
}

// noteExitCode writes the reason of a failure as an exit code for GitLab's job:
// a pipeline can allow or retry some of these codes. They are those of
// timeout(1) and of a shell after SIGINT, where there is one.
func noteExitCode(o buildbtw.Outcome) {
	file := os.Getenv(envExitCodeFile)
	code := map[buildbtw.Outcome]int{
		buildbtw.OutcomeFailed: 1, buildbtw.OutcomeTimedOut: 124, buildbtw.OutcomeStalled: 125, buildbtw.OutcomeCancelled: 130,
	}[o]
	if file == "" {
		return
	}
	if err := os.WriteFile(file, fmt.Appendln(nil, code), 0o600); err != nil {
		say("the exit code could not be noted: %v", err)
	}
}
