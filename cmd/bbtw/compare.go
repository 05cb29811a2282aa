package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) compareCommand() *cobra.Command {
	var chosen, files, arch string
	type row = api.Difference
	l := listing[row]{name: func(d row) string { return d.Name }, columns: []column[row]{
		{name: "NAME", text: func(d row) string { return d.Name }},
		{name: "A", text: func(d row) string { return sideWords(buildbtw.CompareList(chosen), d.A) }},
		{name: "B", text: func(d row) string { return sideWords(buildbtw.CompareList(chosen), d.B) }},
		{name: "CHANGES", text: changes},
		{name: "ARCH", wide: true, text: func(d row) string { return d.Architecture }},
		{name: "BUILD", wide: true, text: func(d row) string {
			if d.B == nil {
				return d.A.BuildID
			}
			return d.B.BuildID
		}},
	}}
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare what came out of two iterations, or of one and the base",
		Long: `Compares what came out of A and of B: builds that newly fail, still fail, are
fixed, newly blocked, added, removed, or slower by half; and of packages that both
have, versions, sonames, dependencies, provides and sizes that changed.

A and B are iterations of any buildspaces, as demo#3, or demo for its latest; or
base, the base repositories. (In a shell, a # within a word needs no quotes.)
How the plans of two iterations differ is in 'bbtw diff'.`,
		Example: `  bbtw compare demo#3 demo                       # the latest iteration with the third
  bbtw compare base curl-openssl-4               # what would users of the base get?
  bbtw compare demo#3 demo --list newly-failing -o name
  bbtw compare demo#3 demo --list sonames
  bbtw compare demo#3 demo --files libcalc       # its files that came and went`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if chosen == "" && (cmd.Flags().Changed("output") && l.output != "json" || l.sort != "") {
				return cli.Usage(fmt.Errorf("-o and --sort are for one list; choose it with --list"))
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			switch {
			case files != "":
				return a.compareFiles(cmd.Context(), c, args, arch, files)
			case chosen == "":
				return a.compare(cmd.Context(), c, args, a.isJSON(l.output))
			}
			lines, err := c.CompareList(cmd.Context(), args[0], args[1], buildbtw.CompareList(chosen))
			if err != nil {
				return err
			}
			return l.print(a, lines)
		},
		ValidArgsFunction: a.completeAll(buildspaceNames),
	}
	var lists []string
	for _, list := range buildbtw.CompareLists() {
		lists = append(lists, string(list))
	}
	cli.Word(cmd.Flags(), &chosen, "list", "", "this list alone, whole: "+cli.Either(lists), lists...)
	cmd.Flags().StringVar(&files, "files", "", "the files of this package that came and went")
	cmd.Flags().StringVar(&arch, "arch", "", "with --files: the architecture, if there are several")
	cmd.MarkFlagsMutuallyExclusive("list", "files")
	l.register(cmd.Flags())
	return cmd
}

func (a *app) compare(ctx context.Context, c *api.Client, args []string, asJSON bool) error {
	r, err := c.Compare(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.out, "from %s to %s\n", r.A, r.B)
	empty := true
	for _, l := range r.Lists {
		if l.Total == 0 {
			continue
		}
		empty = false
		fmt.Fprintf(a.out, "\n%s: %d\n", l.List.Title(), l.Total)
		for _, d := range l.First {
			words := []string{d.Name}
			if l.List != buildbtw.CompareAdded && l.List != buildbtw.CompareRemoved {
				was, is := sideWords(l.List, d.A), sideWords(l.List, d.B)
				if was != "" && is != "" && was != is {
					words = append(words, was+" → "+is)
				}
			}
			fmt.Fprintln(a.out, "  "+plain(strings.TrimSpace(strings.Join(append(words, changes(d)), " "))))
		}
		if left := l.Total - len(l.First); left > 0 {
			fmt.Fprintf(a.out, "  and %d more: bbtw compare %s %s --list %s\n", left, args[0], args[1], l.List)
		}
	}
	if empty {
		fmt.Fprintln(a.out, "The same came out of both.")
	}
	for _, words := range r.Missing {
		fmt.Fprintln(a.errors, "bbtw: "+plain(words))
	}
	if r.Unknown > 0 {
		fmt.Fprintf(a.errors, "bbtw: of %s it is not recorded which sonames and provides they have\n", plural(r.Unknown, "package"))
	}
	return nil
}

func (a *app) compareFiles(ctx context.Context, c *api.Client, args []string, arch, pkgname string) error {
	d, err := c.CompareFiles(ctx, args[0], args[1], arch, pkgname)
	if err != nil || a.json {
		if err == nil {
			err = a.printJSON(d)
		}
		return err
	}
	if len(d.Added)+len(d.Removed) == 0 {
		fmt.Fprintf(a.out, "%s has the same files in both.\n", pkgname)
	}
	for _, f := range d.Added {
		fmt.Fprintln(a.out, "+ "+plain(f))
	}
	for _, f := range d.Removed {
		fmt.Fprintln(a.out, "- "+plain(f))
	}
	return nil
}

// sideWords returns how a list shows a build or package on one side.
func sideWords(l buildbtw.CompareList, s *api.ComparedSide) string {
	switch {
	case s == nil:
		return ""
	case l == buildbtw.CompareSlower && s.Seconds != nil:
		return (time.Duration(*s.Seconds) * time.Second).String()
	case l == buildbtw.CompareSizes:
		return fmt.Sprintf("%.1f MiB", float64(s.Size)/(1<<20))
	case l == buildbtw.CompareOtherCommit:
		return fmt.Sprintf("%s (%.7s)", s.Version, s.Commit)
	case l.OfPackages():
		return s.Version
	}
	return string(s.Status)
}

// changes returns the added texts with + and the removed ones with -.
func changes(d api.Difference) string {
	var words []string
	for _, s := range d.Added {
		words = append(words, "+"+s)
	}
	for _, s := range d.Removed {
		words = append(words, "-"+s)
	}
	return strings.Join(words, " ")
}
