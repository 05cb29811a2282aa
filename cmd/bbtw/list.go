package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) listCommand() *cobra.Command {
	var f api.BuildspaceFilter
	var names, overlaps bool
	type row = api.Buildspace
	l := listing[row]{name: func(s row) string { return s.Name }, columns: []column[row]{
		{name: "NAME", text: func(s row) string { return s.Name }},
		{name: "STATUS", text: func(s row) string { return progress(s)[0] }, status: func(s row) string { return progress(s)[0] }},
		{name: "ITERATION", text: func(s row) string { return progress(s)[1] }},
		{name: "BUILT", text: func(s row) string { return progress(s)[2] }},
		{name: "FAILED", text: func(s row) string { return progress(s)[3] }},
		{name: "TOTAL", text: func(s row) string { return progress(s)[4] }},
		{name: "AGE", text: func(s row) string { return age(s.CreatedAt, time.Now()) }, by: func(a, b row) int { return b.CreatedAt.Compare(a.CreatedAt) }},
		{name: "CHANGESETS", text: func(s row) string { return strings.Join(s.Changesets, " ") }},
		{name: "SCOPE", wide: true, text: func(s row) string { return string(s.Scope) }},
		{name: "PRIORITY", wide: true, text: func(s row) string { return string(s.Priority) }},
		{name: "BY", wide: true, text: func(s row) string { return s.CreatedBy }},
		{name: "URL", wide: true, text: func(s row) string { return s.URL }},
	}}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List buildspaces",
		Example: `  bbtw list
  bbtw list --source openssl
  bbtw list --sort=-failed -o wide
  bbtw list --status active --json
  bbtw list --overlaps
  bbtw list --names                       # one per line, for scripts`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if overlaps {
				return a.listOverlaps(cmd.Context(), c)
			}
			spaces, err := c.Buildspaces(cmd.Context(), f)
			if err != nil {
				return err
			}
			if names {
				l.sorted(spaces)
				return printNames(a, spaces, func(s row) string { return s.Name })
			}
			if len(spaces) == 0 && isTerminal(a.out) && !a.isJSON(l.output) {
				fmt.Fprintln(a.out, "No buildspaces yet. 'bbtw new CHANGESET' creates one.")
				return nil
			}
			return l.print(a, spaces)
		},
	}
	cli.Word(cmd.Flags(), &f.Status, "status", "", "only active or stopped ones", string(buildbtw.BuildspaceActive), string(buildbtw.BuildspaceStopped))
	cmd.Flags().StringVar(&f.Source, "source", "", "only those with a changeset of this source")
	cmd.Flags().StringVarP(&f.Query, "query", "q", "", "only those whose name contains this")
	cmd.Flags().BoolVar(&names, "names", false, "print the names, one per line, and nothing else")
	cmd.Flags().BoolVar(&overlaps, "overlaps", false, "instead list what open buildspaces have in common, and what has moved since they were planned")
	l.register(cmd.Flags())
	a.completeFlag(cmd, "source", sourceNames)
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
