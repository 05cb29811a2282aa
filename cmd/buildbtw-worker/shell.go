package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/runners"
)

func shellCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "shell BUILD [-- COMMAND...]",
		Short: "Open a shell in the directories of a build that failed here",
		Long: `shell opens a shell on this machine where a build failed, in the same box: with
what was installed for it, as the user who built, with makepkg's environment, in
$srcdir, without network and without secrets. What it changes stays for the next
shell; nothing of it reaches the server. With a command it runs that and ends with
its exit code.

It is for builds of a worker that runs with --keep-failed, of runner makepkg. Start
it as the worker's user, with the worker's settings: the same --work-dir or --name,
and --build-user if it has one; those in the environment count here, too. The last
line of the build's log has the machine and the build's number.`,
		Example: `  buildbtw-worker shell 1234
  buildbtw-worker shell 1234 -- make -C hello check
  sudo buildbtw-worker shell 1234 --work-dir /var/lib/buildbtw-worker
  buildbtw-worker shell 1234 -- cat config.log | less`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.complete()
			if at := cmd.ArgsLenAtDash(); len(args) > 1 && at != 1 {
				return cli.Usage(fmt.Errorf("%q is one argument too many; write a command after --", args[1]))
			}
			kept, err := runners.OpenKept(s.workDir, args[0])
			if err != nil {
				return err
			}
			defer func() { _ = kept.Close() }()
			return openShell(cmd, &s, kept, args[1:])
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

func openShell(cmd *cobra.Command, s *settings, kept *runners.Kept, command []string) error {
	s.builders.Names = []string{kept.Runner}
	list, err := s.builders.Make()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(r runners.Runner) bool { return r.Name() == kept.Runner })
	shell, ok := list[i].(runners.Sheller)
	if !ok {
		return buildbtw.Invalid("the runner %s opens no shells", kept.Runner)
	}
	if err := list[i].Probe(cmd.Context()); err != nil {
		return err
	}
	if len(command) == 0 && term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s %s, attempt %d; kept until %s. There is no network. Ctrl-D leaves.\n",
			kept.Job.Pkgbase, kept.Job.Version, kept.Job.Attempt, kept.Until.Local().Format("2006-01-02 15:04"))
	}
	code, err := shell.Shell(cmd.Context(), kept.Build(), os.Getenv("TERM"), command)
	if err == nil && code != 0 {
		err = cli.WithCode(cli.ErrSilent, code)
	}
	return err
}
