// Command buildbtw-repo-updater updates a directory of clones, one for each
// project of a GitLab group. It needs no server.
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
		Use:   "buildbtw-repo-updater",
		Short: "Keep a directory of package sources fresh",
		Long: `buildbtw-repo-updater clones every project of a GitLab group into a directory, and
then fetches what has changed: a run in which nothing did asks GitLab once or
twice. It can be interrupted at any time and goes on where it was.

Every flag can also be set by an environment variable: --gitlab-token is
BUILDBTW_GITLAB_TOKEN, and BUILDBTW_GITLAB_TOKEN_FILE names a file with it.`,
		Example: `  buildbtw-repo-updater update ~/packages
  buildbtw-repo-updater print-changed --since 24h`,
	}
	root.AddCommand(updateCommand(), printChangedCommand(), cli.VersionCommand())
	return root
}
