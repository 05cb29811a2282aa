// Command buildbtw-signer signs releases with a key that gpg-agent holds, by rules of its
// own. It needs no server and no package files.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/signing/remote"
)

func main() {
	os.Exit(cli.Run(command()))
}

// command returns the whole tree of commands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "buildbtw-signer",
		Short: "Sign releases of a buildbtw server with a key that the server never sees",
		Long: `buildbtw-signer gets the list of a release's files, decides by its own rules whether
to sign them, and has gpg-agent make the signatures. It keeps a log of everything
that it signed or refused. Run it as a user of its own, best on a host of its own:
whoever controls the buildbtw server can then ask for signatures, but not take the
key, nor sign for other targets, older versions or more files than the rules allow.

Every flag can also be set by an environment variable: --max-per-hour is
BUILDBTW_MAX_PER_HOUR.`,
		Example: `  # is everything ready? A line per check
  buildbtw-signer doctor --target stable --log /var/lib/buildbtw-signer/log

  # on the server's host, as another user: buildbtw serve --signer unix:/run/buildbtw-signer/socket
  buildbtw-signer serve --listen /run/buildbtw-signer/socket --target stable --log /var/lib/buildbtw-signer/log

  # on another host, in ~/.ssh/authorized_keys: buildbtw serve --signer ssh:signer@sign.example.org
  restrict,command="buildbtw-signer sign --target stable --log /var/lib/buildbtw-signer/log" ssh-ed25519 AAAA…`,
	}
	root.AddCommand(serveCommand(), signCommand(), doctorCommand(), cli.VersionCommand())
	return root
}

func signCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign one list from standard input",
		Long: `sign reads the list of a release as JSON from standard input and writes the
signatures, or why there are none, to standard output. It is what sshd runs for a
key with a forced command.`,
		Example: `  buildbtw-signer sign --target stable --log ~/signed <list.json >signatures.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := s.signer(cmd.Context())
			if err != nil {
				return err
			}
			return remote.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), signer)
		},
	}
	s.flags(cmd.Flags())
	return cmd
}
