package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/planview"
)

// newFlags are the flags of "bbtw new".
type newFlags struct {
	settingsFlags
	fromFlags
	name      string
	yes, wait bool
}

func (a *app) newCommand() *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new [CHANGESET...] [--from FILE|-|URL]",
		Short: "Create a buildspace: rebuild what a change makes necessary",
		Long: `Creates a buildspace for the changesets and everything that depends on them. A
push to one of them makes a new iteration by itself.

With --from it builds the packages of a list: as changesets when none is given, else in
addition to them. Their dependents are built only if --scope says so.

A large buildspace asks for confirmation; --yes gives it.`,
		Example: `  bbtw new curl/openssl-4
  bbtw new -n poppler-25 poppler --scope direct --exclude libreoffice-still
  bbtw new libcalc --wait --yes
  sogrep -r all libcalc.so | bbtw new libcalc/2.0 --from -
  bbtw new -n python-rebuild --from https://archlinux.org/todo/python-314/json`,
		Args: f.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.create(cmd.Context(), f, api.NewBuildspace{
				Name: f.name, Changesets: args, Settings: f.settings(cmd.Flags()), Confirm: f.yes,
			})
		},
	}
	flags := cmd.Flags()
	f.settingsFlags.register(flags)
	f.fromFlags.register(cmd)
	f.registerReuse(flags)
	flags.StringSliceVar(&f.add, "add", nil, "more pkgbases to build")
	f.registerFollow(flags)
	flags.StringVarP(&f.name, "name", "n", "", "name (default: made from the first changeset)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation of a large buildspace")
	flags.BoolVar(&f.wait, "wait", false, "follow it to the end; exit code 1 when a build failed")
	a.completeSettings(cmd)
	cmd.ValidArgsFunction = a.completeAll(sourceNames)
	return cmd
}

// create shows the summary of the plan, creates the buildspace and, if asked
// to, follows it.
func (a *app) create(ctx context.Context, f newFlags, n api.NewBuildspace) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	if n.Changesets, err = a.applyList(ctx, c, f.fromFlags, n.Changesets, &n.Settings); err != nil {
		return err
	}
	plan, err := c.Plan(ctx, api.PlanRequest{Changesets: n.Changesets, Settings: n.Settings})
	if err != nil {
		return err
	}
	if !a.json {
		if err := planview.PrintSummary(a.out, plan); err != nil {
			return err
		}
	}
	space, err := a.createConfirmed(ctx, c, n)
	if err != nil {
		return err
	}
	if a.json && !f.wait {
		return a.printJSON(space)
	}
	if !a.json {
		fmt.Fprintf(a.out, "Created %s: %s\n", space.Name, space.URL)
	}
	if !f.wait {
		return nil
	}
	return a.follow(ctx, c, followed{name: space.Name})
}

// createConfirmed creates the buildspace; when the server wants a confirmation
// for its size, it asks for one on the terminal.
func (a *app) createConfirmed(ctx context.Context, c *api.Client, n api.NewBuildspace) (api.Buildspace, error) {
	space, err := c.CreateBuildspace(ctx, n)
	if n.Confirm || buildbtw.KindOf(err) != buildbtw.KindUnconfirmed {
		return space, err
	}
	ok, askErr := a.confirm(buildbtw.MessageOf(err) + " Create it?")
	if askErr != nil || !ok {
		return space, buildbtw.Unconfirmed("%w. --yes confirms it", err)
	}
	n.Confirm = true
	return c.CreateBuildspace(ctx, n)
}
