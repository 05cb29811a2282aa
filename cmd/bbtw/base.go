package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
)

func (a *app) baseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "base | base accept REPOSITORY",
		Short: "Which base repositories have lost so much that they are not believed?",
		Long: `Lists the base repositories of which the server has not taken a newer version,
because it lost more than a hundredth of its packages. The last good copy is used
until the packages come back, or an administrator accepts that they are gone. The
exit code is 1 when there are any.`,
		Example: `  bbtw base
  bbtw base accept core
  bbtw base accept core --arch aarch64 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			refused, err := c.RefusedBases(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(refused)
			}
			for _, r := range refused {
				fmt.Fprintln(a.out, plain(r.Name+" for "+r.Architecture+": "+r.Words))
			}
			if len(refused) > 0 {
				return fmt.Errorf("%d base repositories are used as they were; 'bbtw base accept REPOSITORY' takes what their servers have", len(refused))
			}
			fmt.Fprintln(a.out, "all base repositories are used as their servers have them")
			return nil
		},
	}
	cmd.AddCommand(a.acceptBaseCommand())
	return cmd
}

func (a *app) acceptBaseCommand() *cobra.Command {
	var arch string
	var yes bool
	cmd := &cobra.Command{
		Use:   "accept REPOSITORY",
		Short: "Take a newer version of a base repository although it lost packages",
		Example: `  bbtw base accept core
  bbtw base accept core --arch aarch64 --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(refusedNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			all, err := c.RefusedBases(cmd.Context())
			if err != nil {
				return err
			}
			refused := slices.DeleteFunc(all, func(r api.RefusedBase) bool { return r.Name != args[0] || arch != "" && r.Architecture != arch })
			switch {
			case len(refused) == 0:
				return buildbtw.NotFound("no newer version of %s was refused; 'bbtw base' lists those that were", args[0])
			case len(refused) > 1:
				return buildbtw.Conflict("%s was refused for more than one architecture; choose one with --arch", args[0])
			}
			r := refused[0]
			if !yes {
				for _, name := range r.Lost {
					fmt.Fprintln(a.out, "  "+plain(name))
				}
				ok, err := a.confirm(fmt.Sprintf("%s for %s has %d packages and lost these %d. Take it?", r.Name, r.Architecture, r.After, len(r.Lost)))
				if err != nil {
					return err
				}
				if !ok {
					return buildbtw.Unconfirmed("nothing was accepted; --yes confirms it")
				}
			}
			if err := c.AcceptBase(cmd.Context(), r); err != nil {
				return err
			}
			return a.tell(r, "%s for %s is used as its server has it\n", r.Name, r.Architecture)
		},
	}
	cmd.Flags().StringVar(&arch, "arch", "", "of this architecture")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
