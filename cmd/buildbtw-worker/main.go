// Command buildbtw-worker is the build machine's program: it claims builds from
// a server, executes them with a runner, and reports the results.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/runners/fetch"
)

func main() {
	fetch.Inside()
	os.Exit(cli.Run(command()))
}

// command returns the whole tree of commands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "buildbtw-worker",
		Short: "Execute builds for a buildbtw server",
		Long: `buildbtw-worker claims builds from a buildbtw server, executes them, and uploads
the packages. It needs no open port and no state: start as many as there are
machines. A restart of the server costs no running build.

Every flag can also be set by an environment variable: --server-url is
BUILDBTW_SERVER_URL.`,
		Example: `  # is this machine ready?
  buildbtw-worker doctor

  # two builds at a time, with real makepkg in a sandbox
  buildbtw-worker run --server-url https://buildbtw.example.org --worker-token-file /etc/buildbtw/token --jobs 2`,
	}
	root.AddCommand(runCommand(), shellCommand(), doctorCommand(), cli.VersionCommand())
	return root
}
