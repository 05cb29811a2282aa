package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
)

func (a *app) reproduceCommand() *cobra.Command {
	var with, arch string
	cmd := &cobra.Command{
		Use:   "reproduce BUILD",
		Short: "Print the commands that build it again, without buildbtw",
		Long: `reproduce prints a script for bash that fetches the source at exactly the build's
commit, has pacman use the iteration's packages, and builds.`,
		Example: `  bbtw reproduce curl-openssl-4/mpv | bash
  bbtw reproduce 1234 --with devtools > again.sh`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			id, err := findBuild(cmd.Context(), c, args[0], arch)
			if err != nil {
				return err
			}
			r, err := c.Reproduction(cmd.Context(), id)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			_, err = fmt.Fprint(a.out, map[string]string{"makepkg": r.Makepkg, "devtools": r.Devtools, "vm": r.VM}[with])
			return err
		},
	}
	cli.Word(cmd.Flags(), &with, "with", "makepkg", "what builds: makepkg on a machine of Arch Linux, devtools in a clean chroot, vm with vmexec", "makepkg", "devtools", "vm")
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.ValidArgsFunction = a.complete(buildNames)
	return cmd
}
