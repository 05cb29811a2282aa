package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/pacman/alpm"
)

// searchCommand finds what has a name.
func (a *app) searchCommand() *cobra.Command {
	l := foundListing()
	cmd := &cobra.Command{
		Use:   "search NAME",
		Short: "Find packages, sources, buildspaces, builds and commits by a part of their name",
		Long: `Finds what has a text in its name, the best first: packages and what they provide,
with their version in the base repositories, their newest build and how many packages
depend on them; sources, buildspaces, the build with this number, and commits. A slip
is forgiven: crul finds curl. For who links with a library there is 'bbtw links'.`,
		Example: `  bbtw search ssl
  bbtw search d25b372
  bbtw search curl --json`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			found, err := c.Search(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.isJSON(l.output) {
				return a.printJSON(found)
			}
			rows := foundRows(found)
			if len(rows) == 0 {
				fmt.Fprintf(a.errors, "Nothing is called %s.\n", plain(args[0]))
			}
			if err := l.print(a, rows); err != nil {
				return err
			}
			if found.MoreNames {
				fmt.Fprintln(a.errors, "There are more; type more of the name.")
			}
			if _, library := alpm.ParseSoname(args[0]); library {
				fmt.Fprintf(a.errors, "Who links with it: bbtw links %s\n", plain(args[0]))
			}
			return nil
		},
	}
	l.register(cmd.Flags())
	return cmd
}

// foundRow is a line of what was found.
type foundRow struct{ name, kind, version, base, newest, where, dependents string }

func foundListing() listing[foundRow] {
	type row = foundRow
	return listing[row]{name: func(r row) string { return r.name }, columns: []column[row]{
		{name: "NAME", text: func(r row) string { return r.name }},
		{name: "KIND", text: func(r row) string { return r.kind }},
		{name: "VERSION", text: func(r row) string { return r.version }},
		{name: "BASE", text: func(r row) string { return r.base }},
		{name: "STATUS", text: func(r row) string { return r.newest }, status: func(r row) string { return r.newest }},
		{name: "IN", text: func(r row) string { return r.where }},
		{name: "DEPENDENTS", text: func(r row) string { return r.dependents }},
	}}
}

func foundRows(found api.Found) []foundRow {
	var rows []foundRow
	for _, n := range found.Names {
		r := foundRow{name: n.Name, kind: n.Kind, version: n.Version}
		if n.Pkgbase != "" && n.Pkgbase != n.Name {
			r.kind += " of " + n.Pkgbase
		}
		if n.Base != nil {
			r.base = n.Base.Version
		}
		if b := n.Newest; b != nil {
			r.newest, r.where = string(b.Status), fmt.Sprintf("%s #%d", b.Buildspace, b.Iteration)
		}
		if n.Dependents > 0 {
			r.dependents = strconv.Itoa(n.Dependents)
		}
		rows = append(rows, r)
	}
	for _, b := range found.Buildspaces {
		rows = append(rows, foundRow{name: b.Name, kind: "buildspace", newest: string(b.Status)})
	}
	for _, b := range found.Builds {
		rows = append(rows, foundRow{
			name: b.Pkgbase, kind: "build " + b.ID, version: b.Version, newest: string(b.Status), where: fmt.Sprintf("%s #%d", b.Buildspace, b.Iteration),
		})
	}
	for _, m := range found.Commits {
		r := foundRow{name: m.Source, kind: "commit " + m.Commit[:min(len(m.Commit), 10)]}
		if m.Buildspace != "" {
			r.where = fmt.Sprintf("%s #%d", m.Buildspace, m.Iteration)
		}
		rows = append(rows, r)
	}
	return rows
}
