package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
	"buildbtw/runners"
)

// stageCommand makes the command of a stage. Every failure of it ends with one of
// the two exit codes that the runner understands.
func stageCommand(c *cobra.Command, act func(cmd *cobra.Command, s *settings, args []string) error) *cobra.Command {
	var s settings
	s.flags(c.Flags())
	c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return systemFailure(cli.ReadEnvironment(cmd)) }
	c.RunE = func(cmd *cobra.Command, args []string) error {
		s.builders.Complete(1)
		err := act(cmd, &s, args)
		if kind := buildbtw.KindOf(err); kind == buildbtw.KindConflict || kind == buildbtw.KindNotFound {
			return buildFailure(err)
		}
		return systemFailure(err)
	}
	return c
}

func configCommand() *cobra.Command {
	return stageCommand(&cobra.Command{
		Use:   "config",
		Short: "Stage: answer how jobs are executed here, as JSON",
		Long: `config is the first stage of a job. It cleans up after jobs whose gitlab-runner
was killed, and prints the JSON that the runner asks for.`,
		Example: "  config_exec = \"/usr/bin/buildbtw-executor\"\n  config_args = [\"config\"]",
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, s *settings, _ []string) error {
		job, err := readJob(os.Getenv)
		if err != nil {
			return err
		}
		dir, err := s.openState()
		if err != nil {
			return err
		}
		s.sweep(cmd.Context(), dir, job.ID)
		return json.NewEncoder(cmd.OutOrStdout()).Encode(configOf(dir.job(job.ID), machine.Hostname()))
	})
}

// config is the answer to the stage config (documented for custom executors).
// No job's script is executed, so the directories stay empty.
type config struct {
	Driver struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"driver"`
	BuildsDir       string `json:"builds_dir"`
	CacheDir        string `json:"cache_dir"`
	BuildsDirShared bool   `json:"builds_dir_is_shared"`
	Hostname        string `json:"hostname"`
	Shell           string `json:"shell"`
}

func configOf(d jobDir, host string) config {
	c := config{
		BuildsDir: filepath.Join(string(d), "builds"), CacheDir: filepath.Join(string(d), "cache"),
		Hostname: host, Shell: "bash",
	}
	c.Driver.Name, c.Driver.Version = program, cli.Version()
	return c
}

func prepareCommand() *cobra.Command {
	return stageCommand(&cobra.Command{
		Use:   "prepare",
		Short: "Stage: see whether the job can and may be executed here",
		Long: `prepare refuses jobs that no build of the server's stands behind, or that run for
another commit than the recorded one, and sees whether the runner works on this
machine. The build is leased only when it begins.`,
		Example: "  prepare_exec = \"/usr/bin/buildbtw-executor\"\n  prepare_args = [\"prepare\"]",
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, s *settings, _ []string) error { return prepare(cmd, s) })
}

func prepare(cmd *cobra.Command, s *settings) error {
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
	runner, err := findRunner()
	if err != nil {
		return err
	}
	s.sweep(cmd.Context(), dir, job.ID)
	if err := errors.Join(runners.CheckRoom(string(dir)), s.checkLimit(job)); err != nil {
		return err
	}
	st := state{Job: job.ID, Build: job.Build, Runner: runner, Begun: time.Now()}
	if job.Timeout > 0 {
		st.Until = st.Begun.Add(job.Timeout)
	}
	if err := dir.job(job.ID).writeState(st); err != nil {
		return err
	}
	list, err := s.builders.Make()
	if err != nil {
		return err
	}
	if err := machine.CheckSecrets(list, s.secrets()); err != nil {
		return err
	}
	for _, r := range list {
		if err := r.Probe(cmd.Context()); err != nil {
			return fmt.Errorf("runner %s cannot be used on this machine: %w", r.Name(), err)
		}
		if noter, ok := r.(runners.Noter); ok {
			for _, note := range noter.Notes() {
				if note.Warning {
					say("warning: runner %s: %s", r.Name(), note.Text)
				}
			}
		}
	}
	return s.checkBuild(cmd, job)
}

// shortest is the least time that a build must have: no package is built and uploaded in less.
const shortest = 3 * time.Second

// checkLimit returns why GitLab's time limit of a job is too short for any build.
func (s *settings) checkLimit(job gitlabJob) error {
	if job.Timeout <= 0 || job.Timeout >= s.grace+shortest {
		return nil
	}
	return fmt.Errorf("GitLab's limit for this job is %s, and a build is ended %s (--grace) before it: nothing can be built; "+
		"raise the runner's maximum job timeout and the timeout of the project's CI/CD settings above the server's --build-timeout", job.Timeout, s.grace)
}

// checkBuild asks the server for the build, so that a job that cannot succeed
// ends before anything is started.
func (s *settings) checkBuild(cmd *cobra.Command, job gitlabJob) error {
	client, _, err := s.client(briefly(s.patience))
	if err != nil {
		return err
	}
	b, err := client.Build(cmd.Context(), job.Build)
	if err != nil {
		if buildbtw.KindOf(err) == buildbtw.KindForbidden { // a token for machines only need not allow reading
			return nil
		}
		return err
	}
	if b.Commit != job.Commit {
		return buildbtw.Conflict("GitLab runs this job for commit %s, but the server recorded %s for build %s: nothing is built", job.Commit, b.Commit, job.Build)
	}
	say("%s %s for %s, of iteration %d of %s", b.Pkgbase, b.Version, b.Architecture, b.Iteration, b.Buildspace)
	return nil
}

func cleanupCommand() *cobra.Command {
	return stageCommand(&cobra.Command{
		Use:   "cleanup",
		Short: "Stage: leave nothing of the job on this machine",
		Long: `cleanup is the last stage of a job, also of one that failed or was cancelled. It
ends what a stage that was killed has left, and reports the build in its place.
It also cleans up after jobs whose gitlab-runner was killed.`,
		Example: "  cleanup_exec = \"/usr/bin/buildbtw-executor\"\n  cleanup_args = [\"cleanup\"]",
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, s *settings, _ []string) error {
		job, err := readJob(os.Getenv)
		if err != nil {
			return err
		}
		dir, err := s.openState()
		if err != nil {
			return err
		}
		d := dir.job(job.ID)
		st, err := d.readState()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			say("%v", err) // it is removed all the same
		}
		failure := s.clear(cmd.Context(), d, st)
		s.sweep(cmd.Context(), dir, job.ID)
		return failure
	})
}
