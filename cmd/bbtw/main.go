// Command bbtw is the packager's client: it plans, creates and follows
// rebuilds, and downloads their packages.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
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

Servers with names stand in $XDG_CONFIG_HOME/buildbtw/bbtw.toml (~/.config/…):

  default = "team"              # unless a command says otherwise
  [servers.team]
  url = "https://build.example.org"
  token-file = "/home/anna/.config/buildbtw/team"   # or 'bbtw auth login'

A CHANGESET is SLUG, SLUG/BRANCH, SLUG/TAG or SLUG/COMMIT: a source, and where in
it the change is. A BUILD is a number as lists show it, or BUILDSPACE/PKGBASE.`,
		Example: `  bbtw plan curl                     what would a change of curl rebuild?
  bbtw new curl/openssl-4 --wait     rebuild it, and wait for the end
  bbtw watch curl-openssl-4          see it happen
  bbtw why curl-openssl-4/mpv        why is mpv in it, and what does it wait for?
  bbtw log -f curl-openssl-4/mpv     follow its log
  bbtw --server team list            of another server, which the configuration names`,
	}
	flags := root.PersistentFlags()
	a.flags = flags
	flags.StringVar(&a.serverName, "server", "", "name of a server in the configuration ($XDG_CONFIG_HOME/buildbtw/bbtw.toml)")
	flags.StringVar(&a.serverURL, "server-url", "", "URL of the server (default: that of --server, else the one that you started or signed in to last, else "+local.DefaultURL+")")
	flags.StringVar(&a.token, "token", "", "token to present; better in BUILDBTW_TOKEN_FILE (default: that of 'bbtw auth login', or of a server that you run yourself)")
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
	add(groupWork, a.planCommand(), a.newCommand(), a.watchCommand(), a.waitCommand(), a.downloadCommand(), a.releaseCommand(), a.repoCommand(), a.notifyCommand(), a.authCommand())
	add(groupLook, a.listCommand(), a.showCommand(), a.diffCommand(), a.compareCommand(), a.checkCommand(), a.baseCommand(), a.overlapsCommand(), a.whyCommand(), a.logCommand(), a.activityCommand(), a.commitsCommand(), a.pushesCommand(), a.linksCommand(), a.filesCommand(), a.searchCommand(), a.sourcesCommand(), a.workersCommand(), a.retentionCommand(), a.reproduceCommand(), a.openCommand())
	add(groupChange, a.editCommand(), a.fixCommand(), a.retryCommand(), a.baselineCommand(), a.rebuildCommand(), a.cancelCommand(), a.abandonCommand(), a.stopCommand(), a.startCommand(), a.pinCommand(), a.unpinCommand(), a.archiveCommand(), a.deleteCommand(), a.iterateCommand(), a.followCommand(), a.muteCommand(), a.rebaseCommand(), a.mergeCommand())
	root.AddCommand(a.versionCommand())
	return root
}

const (
	groupWork   = "work"
	groupLook   = "look"
	groupChange = "change"
)
