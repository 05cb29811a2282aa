package main

import (
	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/planview"
)

func (a *app) planCommand() *cobra.Command {
	var settings settingsFlags
	var from fromFlags
	var view planview.Options
	cmd := &cobra.Command{
		Use:   "plan [CHANGESET...] [--from FILE|-|URL]",
		Short: "Show what would be rebuilt, in which order, and why",
		Long: `Shows what a change would rebuild, without creating anything: how many builds each
scope would mean, the builds by level with the reason of each, the cycle
edges that are ignored, sources that cannot be read, and names that nothing provides.`,
		Example: `  bbtw plan curl
  bbtw plan curl/openssl-4 --scope direct
  bbtw plan --all --scope all glibc
  bbtw plan --dot libcalc | dot -Tsvg > plan.svg
  bbtw plan --json curl | jq .scopes
  bbtw plan --from names.txt`,
		Args: from.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			request := api.PlanRequest{Settings: settings.settings(cmd.Flags())}
			if request.Changesets, err = a.applyList(cmd.Context(), c, from, args, &request.Settings); err != nil {
				return err
			}
			plan, err := c.Plan(cmd.Context(), request)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(plan)
			}
			return planview.Print(a.out, plan, view)
		},
	}
	settings.register(cmd.Flags())
	from.register(cmd)
	cmd.Flags().StringSliceVar(&settings.add, "add", nil, "more pkgbases to build")
	view.Register(cmd.Flags())
	a.completeSettings(cmd)
	cmd.ValidArgsFunction = a.completeAll(sourceNames)
	return cmd
}
