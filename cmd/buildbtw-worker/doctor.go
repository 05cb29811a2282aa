package main

import (
	"context"
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
		Short: "Say whether this machine is ready to build, a line per check",
		Long: `doctor checks the token, the server, the work directory and every --runner with
the same settings as run, and says what to do where something is wrong. It ends
with 1 when something is.`,
		Example: `  buildbtw-worker doctor
  buildbtw-worker doctor --runner makepkg --runner pkgctl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.complete()
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
	d.Report("work directory "+s.workDir, machine.CheckDirectory(s.workDir))
	for _, r := range list {
		d.Report("runner "+r.Name(), r.Probe(ctx))
	}
	return d.Result()
}
