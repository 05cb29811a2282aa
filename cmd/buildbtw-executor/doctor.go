package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
)

func doctorCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether this machine is ready to execute jobs, a line per check",
		Long: `doctor checks the token, the server, the state directory and every --runner, and
says what to do where something is wrong. It ends with 1 when something is. Run
it as gitlab-runner's user, with the environment of gitlab-runner.`,
		Example: `  sudo -u gitlab-runner BUILDBTW_SERVER_URL=https://buildbtw.example.org \
    BUILDBTW_WORKER_TOKEN_FILE=/etc/buildbtw/token buildbtw-executor doctor`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.builders.Complete(1)
			return doctor(cmd.Context(), &s, cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

func doctor(ctx context.Context, s *settings, out io.Writer) error {
	list, err := s.builders.Make()
	if err != nil {
		return err
	}
	log, err := cli.NewLogger(os.Stderr, s.logFormat)
	if err != nil {
		return err
	}
	d := machine.Doctor{Out: out}
	d.Report("server "+s.server.URL, s.server.Check(ctx, program, log))
	d.Report("state directory "+s.stateDir, s.checkState())
	for _, r := range list {
		d.Report("runner "+r.Name(), r.Probe(ctx))
	}
	return d.Result()
}

func (s *settings) checkState() error {
	dir, err := s.openState()
	if err != nil {
		return err
	}
	jobs, err := dir.jobs()
	if err != nil {
		return err
	}
	for _, d := range jobs {
		if _, err := d.readState(); err != nil {
			return fmt.Errorf("%s holds no readable state; the next job will clean it up (%w)", d, err)
		}
	}
	return machine.CheckDirectory(string(dir))
}
