package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/machine"
)

func doctorCommand() *cobra.Command {
	var s settings
	var asJSON bool
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
			return machine.Doctor{
				Program: program, Server: &s.server, Builders: &s.builders, Log: s.log, Secrets: s.secrets(),
				Directory: "state directory " + s.stateDir, JSON: asJSON, CheckDirectory: s.checkState,
			}.Run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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

// secrets returns the files on this machine that no build may read: the token, and
// the settings of this program and of gitlab-runner when a secret is in them.
func (s *settings) secrets() []string {
	conf := cmp.Or(os.Getenv("BUILDBTW_EXECUTOR_CONF"), "/etc/buildbtw/executor.conf")
	runner := []string{"/etc/gitlab-runner/config.toml"}
	if home, err := os.UserHomeDir(); err == nil {
		runner = append(runner, filepath.Join(home, ".gitlab-runner/config.toml"))
	}
	return append(machine.WithSecrets(append(runner, conf)...), s.server.Secrets(s.stateDir)...)
}
