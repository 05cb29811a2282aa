package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
	"buildbtw/runners"
)

func runCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Claim and execute builds until told to stop",
		Long: `run claims builds, one per --jobs at a time, and executes them.

On SIGTERM or SIGINT it claims no more, gives running builds --drain-timeout to
finish, and hands the others back to the server. A second signal ends it at
once.`,
		Example: `  buildbtw-worker run
  buildbtw-worker run --server-url https://buildbtw.example.org --worker-token-file /etc/buildbtw/token
  buildbtw-worker run --jobs 4 --labels big-memory --drain-timeout 30m
  buildbtw-worker run --keep-failed 4h   # then: buildbtw-worker shell BUILD
  buildbtw-worker run --runner fake --name test-1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := s.log.New(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if s.exitWithParent {
				exitWithParent(log)
				if !cmd.Flags().Changed("drain-timeout") {
					s.drain = 0 // the parent stops now, and the server with it
				}
			}
			return run(cmd.Context(), &s, log)
		},
	}
	s.flags(cmd.Flags())
	cli.Time(cmd.Flags(), &s.drain, "drain-timeout", time.Minute, 0, cli.Long, "how long running builds may go on after SIGTERM before they are handed back")
	cli.Time(cmd.Flags(), &s.keepFailed, "keep-failed", 0, 0, cli.Long, "keep the directories of failed builds for so long, for 'buildbtw-worker shell' (of runner makepkg in its sandbox; the last 5, 20 GiB together)")
	cmd.Flags().BoolVar(&s.exitWithParent, "exit-with-parent", false, "end together with the process that started this one")
	return cmd
}

func run(ctx context.Context, s *settings, log *slog.Logger) error {
	s.complete()
	log = log.With("worker", s.name)
	client, err := s.server.Client(program, log, runners.Backoff(log))
	if err != nil {
		return err
	}
	list, err := s.builders.Make()
	if err != nil {
		return err
	}
	if err := machine.CheckSecrets(list, s.server.Secrets(s.workDir)); err != nil {
		return err
	}
	if list, err = usable(ctx, list, log); err != nil {
		return err
	}
	agent, err := runners.NewAgent(runners.Options{
		Client: client, Worker: s.name, Architectures: s.builders.Architectures, Labels: s.labels, Version: cli.Version(),
		Runners: list, Slots: s.slots, WorkDir: s.workDir, Log: log, Drain: s.drain, KeepFailed: s.keepFailed,
	})
	if err != nil {
		return err
	}
	defer agent.Close()
	log.Info("worker asks for builds", "server", s.server.URL, "runners", names(list), "architectures", s.builders.Architectures, "jobs", s.slots, "work_dir", s.workDir, "version", cli.Version())
	err = agent.Run(ctx)
	log.Info("worker has stopped")
	return err
}

// usable leaves out runners that cannot work here. None at all is an error: a
// worker that claims builds only to hand them back does harm.
func usable(ctx context.Context, list []runners.Runner, log *slog.Logger) ([]runners.Runner, error) {
	var good []runners.Runner
	var failure error
	for _, r := range list {
		if err := r.Probe(ctx); err != nil {
			log.Error("a runner cannot be used", "runner", r.Name(), "error", err)
			failure = fmt.Errorf("no runner can be used on this machine; %s: %w", r.Name(), err)
			continue
		}
		good = append(good, r)
		if noter, ok := r.(runners.Noter); ok {
			for _, note := range noter.Notes() {
				level := slog.LevelInfo
				if note.Warning {
					level = slog.LevelWarn
				}
				log.Log(ctx, level, note.Text, "runner", r.Name())
			}
		}
	}
	if len(good) == 0 {
		return nil, failure
	}
	return good, nil
}

func names(list []runners.Runner) []string {
	out := make([]string, 0, len(list))
	for _, r := range list {
		out = append(out, r.Name())
	}
	return out
}

// exitWithParent has the kernel kill this process when its parent dies. The
// builds' processes die with it in the same way, and the next worker of the same
// name gets the same builds again. The kernel means the parent's thread, so the
// parent is also watched.
func exitWithParent(log *slog.Logger) {
	runtime.LockOSThread() // the setting belongs to a thread, which must live as long as main does
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		log.Warn("the kernel does not tell when the parent dies; looking every second", "error", err)
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(time.Second)
		}
		log.Error("the process that started this worker is gone")
		os.Exit(cli.ExitFailed)
	}()
}
