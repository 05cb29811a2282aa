package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) pinCommand() *cobra.Command {
	return a.keepCommand("pin", "pinned", "Never remove anything of a buildspace, or of an iteration", "")
}

func (a *app) unpinCommand() *cobra.Command {
	return a.keepCommand("unpin", "not pinned any more", "Let the server remove again what the policy does not keep", "")
}

func (a *app) archiveCommand() *cobra.Command {
	return a.keepCommand("archive", "archived", "Remove packages and repositories, and keep the history",
		"The packages and repositories of %s are removed; what was built and how stays known.")
}

func (a *app) deleteCommand() *cobra.Command {
	return a.keepCommand("delete", "deleted", "Delete a stopped buildspace, or an iteration, with its history",
		"%s is deleted with its packages, logs and history.")
}

// keepCommand is a command that does something to a buildspace or to one of its iterations.
// With a question, which names it, it asks.
func (a *app) keepCommand(use, past, short, question string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     use + " NAME[#ITERATION]",
		Short:   short,
		Example: fmt.Sprintf("  bbtw %[1]s curl-openssl-4\n  bbtw %[1]s 'curl-openssl-4#3'", use),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, number, one := strings.Cut(args[0], "#")
			iteration := 0
			if one {
				var err error
				if iteration, err = strconv.Atoi(number); err != nil || iteration < 1 {
					return cli.Usage(fmt.Errorf("%q is no number of an iteration; write for example %s#3", number, name))
				}
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if question != "" && !yes {
				ok, err := a.confirm(fmt.Sprintf(question, args[0]) + " Go on?")
				if err != nil {
					return err
				}
				if !ok {
					return errors.New("nothing was done; confirm it with --yes")
				}
			}
			if err := c.Keep(cmd.Context(), use, name, iteration); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(api.Kept{Buildspace: name, Iteration: iteration, Action: use})
			}
			fmt.Fprintf(a.out, "%s is %s\n", args[0], past)
			return nil
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
	if question != "" {
		cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	return cmd
}

// retentionCommand shows what is kept and what would be removed.
func (a *app) retentionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "What is kept, and what the policy would remove now",
		Long: `Shows what is on the server's disk, and what its policy (--retention-newest and others of
'buildbtw serve') would remove now. It changes nothing.

Never removed are the newest iterations of a buildspace, what is pinned (bbtw pin), what is
being built, kept by a worker or released, and what others have taken packages from.`,
		Example: "  bbtw retention\n  bbtw retention --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.Retention(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.printRetention(r)
			return nil
		},
	}
	cmd.AddCommand(a.orphansCommand())
	return cmd
}

func (a *app) printRetention(r api.Retention) {
	if d := r.Disk; d != nil {
		fmt.Fprintf(a.out, "database      %s\nrepositories  %s\ntargets       %s\nuploads       %s\nlogs          %s\n",
			megabytes(d.Database), megabytes(d.Repositories), megabytes(d.Targets), megabytes(d.Uploads), megabytes(d.Logs))
		fmt.Fprintf(a.out, "%s, %d of them without packages\n", plural(d.Iterations, "iteration"), d.Archived)
		if n := len(d.Orphans.Repositories) + d.Orphans.Logs; n > 0 {
			fmt.Fprintf(a.out, "nothing in the database names %s, %s; 'bbtw retention orphans' lists them\n", orphanWords(d.Orphans), megabytes(d.Orphans.Frees))
		}
	}
	if r.Progress.Doing != "" {
		fmt.Fprintf(a.out, "now: %s (%s given back)\n", r.Progress.Doing, megabytes(r.Progress.Bytes))
	}
	for _, d := range r.Due {
		fmt.Fprintf(a.out, "%s of %s#%d: %s, %s, %s\n", d.Remove, d.Buildspace, d.Iteration, plural(d.Builds, "build"), plural(d.Packages, "package"), megabytes(d.Bytes))
	}
	if s := r.Shared; s != (api.DueShared{}) {
		fmt.Fprintf(a.out, "of what builds share: %s on the base alone, %s of installed packages for %s, %s\n",
			plural(s.Baselines, "build"), plural(s.Sets, "list"), plural(s.Installed, "attempt"), plural(s.Interfaces, "interface"))
	}
	if len(r.Due) == 0 && r.Shared == (api.DueShared{}) {
		fmt.Fprintln(a.out, "nothing is to be removed")
		return
	}
	fmt.Fprintf(a.out, "removing the packages gives back %s: files that others have, too, stay\n", megabytes(r.Frees))
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// orphanWords counts files that nothing names.
func orphanWords(o api.Orphans) string {
	return buildbtw.Counted(len(o.Repositories), "repository", "repositories") + " and " + plural(o.Logs, "log")
}

// orphansCommand lists and removes files that nothing names.
func (a *app) orphansCommand() *cobra.Command {
	var remove, yes bool
	cmd := &cobra.Command{
		Use:     "orphans",
		Short:   "List files that nothing in the database names, and remove them (administrators)",
		Example: "  bbtw retention orphans\n  bbtw retention orphans --remove",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			o, err := c.Orphans(cmd.Context())
			if err != nil {
				return err
			}
			number := len(o.Repositories) + o.Logs
			if !remove || number == 0 {
				if a.json {
					return a.printJSON(o)
				}
				for _, name := range o.Repositories {
					fmt.Fprintln(a.out, name)
				}
				fmt.Fprintf(a.out, "%s that nothing names, %s\n", orphanWords(o), megabytes(o.Frees))
				return nil
			}
			if !yes {
				ok, err := a.confirm(fmt.Sprintf("Remove %s for good, %s?", orphanWords(o), megabytes(o.Frees)))
				if err != nil {
					return err
				}
				if !ok {
					return errors.New("nothing was done; confirm it with --yes")
				}
			}
			o, err = c.RemoveOrphans(cmd.Context(), api.RemoveOrphans{Repositories: len(o.Repositories), Logs: o.Logs})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(o)
			}
			fmt.Fprintf(a.out, "%s were given back\n", megabytes(o.Frees))
			return nil
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove them")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
