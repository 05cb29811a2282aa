package main

import (
	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/machine"
)

func doctorCommand() *cobra.Command {
	var s settings
	var asJSON bool
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
			return machine.Doctor{
				Program: program, Server: &s.server, Builders: &s.builders, Log: s.log, Secrets: s.server.Secrets(s.workDir),
				Directory: "work directory " + s.workDir, JSON: asJSON, CheckDirectory: func() error { return machine.CheckDirectory(s.workDir) },
			}.Run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
