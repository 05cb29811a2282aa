package main

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/local"
)

func (a *app) openCommand() *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "open [NAME | BUILD]",
		Short: "Open the pages in the browser, signed in",
		Long: `open signs your browser in with a link that works once, within two minutes, and
shows the page of a buildspace or build.`,
		Example: `  bbtw open
  bbtw open curl-openssl-4
  bbtw open curl-openssl-4/mpv
  bbtw open --no-browser        print the link, for a browser on another machine`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			path := "/"
			if len(args) == 1 {
				if path, err = pageOf(cmd, client, args[0]); err != nil {
					return err
				}
			}
			code, err := client.NewSignInCode(cmd.Context())
			if buildbtw.KindOf(err) == buildbtw.KindUnauthenticated {
				return buildbtw.Unauthenticated("%w. Only the user who runs the server is known to bbtw without that", err)
			}
			if err != nil {
				return err
			}
			page, fragment, _ := strings.Cut(code.URL, "#")
			link := page + "?next=" + url.QueryEscape(path) + "#" + fragment
			if !noBrowser {
				if err := a.openInBrowser(cmd.Context(), link); err == nil {
					return a.tell(map[string]string{"status": "opened"}, "")
				}
				if !a.json {
					fmt.Fprintln(a.errors, "No browser could be started; open this link yourself, within two minutes:")
				}
			}
			return a.tell(map[string]string{"url": link}, "%s\n", link)
		},
	}
	cmd.ValidArgsFunction = a.complete(buildspaceNames, buildNames)
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "print the link instead of starting a browser")
	return cmd
}

// openInBrowser starts the browser with a file that leads to the link. In the link
// itself, as an argument, every user of the machine could read the code (ps), and use
// it first.
func (a *app) openInBrowser(ctx context.Context, link string) error {
	s, err := a.server(ctx)
	if err != nil {
		return err
	}
	if err := s.keepsLogins(); err != nil {
		return err
	}
	file, err := local.KeepLink(s.stateDir, link, time.Now())
	if err != nil {
		return err
	}
	return exec.CommandContext(ctx, "xdg-open", file).Run()
}

// pageOf returns the path of the page about a buildspace or a build.
func pageOf(cmd *cobra.Command, client *api.Client, name string) (string, error) {
	if _, _, isBuild := splitBuild(name); isBuild || isNumber(name) {
		id, err := findBuild(cmd.Context(), client, name, "")
		return "/builds/" + url.PathEscape(id), err
	}
	space, err := client.Buildspace(cmd.Context(), name)
	return "/buildspaces/" + url.PathEscape(space.Name), err
}
