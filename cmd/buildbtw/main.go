// Command buildbtw is the server: web pages, JSON API, pacman repositories and
// the scheduler in one process.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Run(command()))
}

// command returns the whole tree of commands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "buildbtw",
		Short: "Rebuild what a change makes necessary, in order, in isolation",
		Long: `buildbtw rebuilds what a change makes necessary: name a changed package, and it
finds everything that depends on it, builds it in order against the new version,
and keeps the result in a pacman repository of its own until you are content.

Every flag can also be set by an environment variable: --data-dir is
BUILDBTW_DATA_DIR. Secrets can be read from a file: BUILDBTW_<FLAG>_FILE.`,
		Example: `  # a server with two workers, on packages in ./packages
  buildbtw serve --sources dir:./packages --workers 2

  # what would be rebuilt for a change of curl, without a server
  buildbtw plan --sources dir:./packages curl`,
	}
	root.AddCommand(serveCommand(), configCommand(), planCommand(), simulateCommand(), doctorCommand(), migrateCommand(), backupCommand(), restoreCommand(), cli.VersionCommand())
	return root
}
