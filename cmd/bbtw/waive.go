package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

// waiveCommand records what somebody decides about what a buildspace releases.
func (a *app) waiveCommand() *cobra.Command {
	var reason, remove string
	var list bool
	cmd := &cobra.Command{
		Use:   "waive NAME break|drop|hold PKG... | waive NAME together A B",
		Short: "Record a decision about what is released: break, drop, hold, together",
		Long: `Records what you decide about what a buildspace releases. It counts at once, for
this buildspace and all its iterations, until somebody removes it.

  break PKGNAME     its dependencies may become unmet: its users' pacman -Syu stops there
  drop PKGNAME      it leaves the repositories, if nothing there needs it
  hold PKGBASE      what was built of it is not released
  together A B      the packages of two pkgbases are released both or neither

--reason is kept and shown with your name; several packages get the same one.`,
		Example: `  bbtw release waive curl-openssl-4 hold mpv --reason "crashes at start"
  bbtw release waive curl-openssl-4 drop oldlib oldlib-docs --reason "unused since 2019"
  bbtw release waive curl-openssl-4 together kwin kscreen --reason "tested so"
  bbtw release waive curl-openssl-4 --list
  bbtw release waive curl-openssl-4 --remove 3`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (list || remove != "") && len(args) > 1 || list && remove != "" {
				return cli.Usage(errors.New("--list and --remove each stand alone after the name of the buildspace"))
			}
			c, err := a.client(cmd.Context())
			switch {
			case err != nil:
				return err
			case list:
				return a.listWaivers(cmd.Context(), c, args[0])
			case remove != "":
				return a.removeWaiver(cmd.Context(), c, args[0], remove)
			case len(args) < 3:
				return cli.Usage(errors.New("say what to do with which package: break PKG, drop PKG, hold PKG or together A B"))
			}
			waivers, err := c.Waive(cmd.Context(), args[0], api.NewWaiver{Kind: buildbtw.WaiverKind(args[1]), Names: args[2:], Reason: reason})
			if err != nil {
				return err
			}
			return a.printWaivers(waivers)
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; a line of text that is shown with the decision")
	cmd.Flags().BoolVar(&list, "list", false, "list what was decided")
	cmd.Flags().StringVar(&remove, "remove", "", "number of a decision to take back")
	return cmd
}

func (a *app) listWaivers(ctx context.Context, c *api.Client, buildspace string) error {
	waivers, err := c.Waivers(ctx, buildspace)
	if err != nil {
		return err
	}
	if len(waivers) == 0 && !a.json {
		fmt.Fprintln(a.out, "nothing is waived")
	}
	return a.printWaivers(waivers)
}

func (a *app) removeWaiver(ctx context.Context, c *api.Client, buildspace, id string) error {
	if err := c.RemoveWaiver(ctx, buildspace, id); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"removed": id})
	}
	fmt.Fprintln(a.out, plain("waiver "+id+" is removed"))
	return nil
}

// printWaivers prints a line for each.
func (a *app) printWaivers(list []api.Waiver) error {
	if a.json {
		return a.printJSON(list)
	}
	for _, w := range list {
		fmt.Fprintln(a.out, plain(fmt.Sprintf("%s  %s %s, %s: %s", w.ID, w.By, w.Words, w.At.Local().Format("2006-01-02"), w.Reason)))
	}
	return nil
}
