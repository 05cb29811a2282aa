package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw/api"
)

func (a *app) repoCommand() *cobra.Command {
	var iteration int
	cmd := &cobra.Command{
		Use:   "repo NAME",
		Short: "Print the section for pacman.conf that makes pacman use the result",
		Example: `  bbtw repo curl-openssl-4
  bbtw repo curl-openssl-4 --iteration 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			it, err := c.Iteration(cmd.Context(), args[0], iteration)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(it.Repository)
			}
			if len(it.Repository) == 0 {
				return errors.New("this iteration has no repository: it has no builds")
			}
			return a.printSections(it.Repository)
		},
	}
	cmd.Flags().IntVar(&iteration, "iteration", api.Latest, "number of the iteration (default: the latest)")
	return cmd
}

// printSections prints every section once: with $arch in its URL one serves all
// architectures.
func (a *app) printSections(list []api.ArchRepository) error {
	printed := map[string]bool{}
	for _, r := range list {
		if printed[r.PacmanConf] {
			continue
		}
		printed[r.PacmanConf] = true
		if _, err := fmt.Fprintln(a.out, r.PacmanConf); err != nil {
			return err
		}
	}
	return nil
}
