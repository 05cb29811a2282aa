package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/planview"
)

// editFlags are the flags of "bbtw edit".
type editFlags struct {
	settingsFlags
	add, remove []string // changesets
}

func (a *app) editCommand() *cobra.Command {
	var f editFlags
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change the changesets or settings of a buildspace; makes a new iteration",
		Example: `  bbtw edit curl-openssl-4 --add nghttp2/main --remove libssh2
  bbtw edit curl-openssl-4 --exclude libreoffice-still --scope direct
  bbtw edit curl-openssl-4 --add curl/openssl-4.1     # another ref of the same source`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			edit := api.EditBuildspace{Settings: f.settings(cmd.Flags())}
			if edit == (api.EditBuildspace{}) && len(f.add)+len(f.remove) == 0 {
				return cli.Usage(errors.New("nothing to change; give --add, --remove or a setting"))
			}
			if edit.Changesets, err = f.changesets(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			space, err := c.EditBuildspace(cmd.Context(), args[0], edit)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(space)
			}
			fmt.Fprintf(a.out, "%s: %s\n", space.Name, strings.Join(space.Changesets, " "))
			if edit.Exclude == nil {
				return nil
			}
			plan, err := c.Plan(cmd.Context(), api.PlanRequest{Changesets: space.Changesets, Settings: api.Settings{Exclude: edit.Exclude}})
			if err != nil {
				return err
			}
			return planview.PrintUnknown(a.errors, plan)
		},
	}
	f.register(cmd.Flags())
	f.registerReuse(cmd.Flags())
	cmd.Flags().StringSliceVar(&f.add, "add", nil, "changesets to add; one of a source that is there replaces it")
	cmd.Flags().StringSliceVar(&f.remove, "remove", nil, "sources to remove from the changesets")
	a.completeFlag(cmd, "add", sourceNames) // changesets, here
	a.completeFlag(cmd, "remove", sourceNames)
	a.completeSettings(cmd)
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	f.registerFollow(cmd.Flags())
	return cmd
}

// changesets returns the buildspace's changesets with --add and --remove applied;
// nil when neither was given.
func (f *editFlags) changesets(ctx context.Context, c *api.Client, name string) (*[]string, error) {
	if len(f.add)+len(f.remove) == 0 {
		return nil, nil
	}
	space, err := c.Buildspace(ctx, name)
	if err != nil {
		return nil, err
	}
	list := space.Changesets
	for _, slug := range f.remove {
		i := indexOfSource(list, slug)
		if i < 0 {
			return nil, buildbtw.NotFound("%s has no changeset of %s; it has %s", name, slug, strings.Join(list, ", "))
		}
		list = slices.Delete(list, i, i+1)
	}
	for _, change := range f.add {
		slug, _, _ := strings.Cut(change, "/")
		if i := indexOfSource(list, slug); i >= 0 {
			list[i] = change
		} else {
			list = append(list, change)
		}
	}
	return &list, nil
}

func indexOfSource(changesets []string, slug string) int {
	return slices.IndexFunc(changesets, func(s string) bool {
		source, _, _ := strings.Cut(s, "/")
		return source == slug
	})
}
