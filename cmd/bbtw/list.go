package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
)

func (a *app) listCommand() *cobra.Command {
	var f api.BuildspaceFilter
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List buildspaces",
		Example: `  bbtw list
  bbtw list --source openssl
  bbtw list --status active --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			spaces, err := c.Buildspaces(cmd.Context(), f)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(spaces)
			}
			if len(spaces) == 0 && isTerminal(a.out) {
				fmt.Fprintln(a.out, "No buildspaces yet. 'bbtw new CHANGESET' creates one.")
				return nil
			}
			t := newTable("NAME", "STATUS", "ITERATION", "BUILT", "FAILED", "TOTAL", "AGE", "CHANGESETS")
			for _, s := range spaces {
				t.add(append(append([]string{s.Name}, progress(s)...), age(s.CreatedAt, time.Now()), strings.Join(s.Changesets, " "))...)
			}
			return t.print(a.out)
		},
	}
	cmd.Flags().StringVar(&f.Status, "status", "", "only active or stopped ones")
	cmd.Flags().StringVar(&f.Source, "source", "", "only those with a changeset of this source")
	cmd.Flags().StringVarP(&f.Query, "query", "q", "", "only those whose name contains this")
	return cmd
}

// progress returns status, iteration, built, failed and total of a buildspace.
func progress(s api.Buildspace) []string {
	if s.Latest == nil {
		return []string{string(buildbtw.IterationStatusCalculating), "-", "0", "0", "0"}
	}
	n := s.Latest.Counts
	return []string{
		string(s.Latest.Status), strconv.Itoa(s.Latest.Number),
		strconv.Itoa(n[buildbtw.StatusBuilt]), strconv.Itoa(n[buildbtw.StatusFailed]), strconv.Itoa(s.Latest.Total),
	}
}
