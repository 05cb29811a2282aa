// Command bbtw is the packager's client: it plans, creates and follows
// rebuilds, and downloads their packages.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
)

func main() {
	a := &app{out: os.Stdout, errors: os.Stderr}
	os.Exit(cli.Run(a.command()))
}

// command returns the whole tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "bbtw",
		Short: "Rebuild what a change makes necessary",
		Long: `bbtw talks to a buildbtw server: it shows what a change would rebuild, creates
buildspaces, follows them, and fetches logs and packages.

A CHANGESET is SLUG, SLUG/BRANCH, SLUG/TAG or SLUG/COMMIT: a source, and where in
it the change is. A BUILD is a number as lists show it, or BUILDSPACE/PKGBASE.`,
		Example: `  bbtw plan curl                     what would a change of curl rebuild?
  bbtw new curl/openssl-4 --wait     rebuild it, and wait for the end
  bbtw watch curl-openssl-4          see it happen
  bbtw why curl-openssl-4/mpv        why is mpv in it, and what does it wait for?
  bbtw log -f curl-openssl-4/mpv     follow its log`,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.serverURL, "server-url", "http://127.0.0.1:8080", "URL of the server")
	flags.StringVar(&a.token, "token", "", "token to present; better in BUILDBTW_TOKEN_FILE")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Rebuilding:"},
		&cobra.Group{ID: groupLook, Title: "Looking:"},
		&cobra.Group{ID: groupChange, Title: "Stepping in:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupWork, a.planCommand(), a.newCommand(), a.watchCommand(), a.waitCommand(), a.downloadCommand(), a.repoCommand())
	add(groupLook, a.listCommand(), a.showCommand(), a.diffCommand(), a.whyCommand(), a.logCommand(), a.sourcesCommand(), a.workersCommand())
	add(groupChange, a.editCommand(), a.retryCommand(), a.rebuildCommand(), a.cancelCommand(), a.stopCommand(), a.startCommand(), a.iterateCommand())
	root.AddCommand(cli.VersionCommand())
	return root
}

const (
	groupWork   = "work"
	groupLook   = "look"
	groupChange = "change"
)
