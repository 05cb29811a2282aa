package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) overlapsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "overlaps NAME",
		Short: "Show what a buildspace has in common with other open ones, and what releasing one takes from the other",
		Long: `Lists the packages that other open buildspaces build, too, the changesets that lack
commits of the base ref, and what the base has overtaken. For each other buildspace it
computes what could not be released any more if that one went first, and the other way
round: who comes second needs a new iteration, which 'bbtw rebase' asks for. If both
lose, 'bbtw merge' makes one of them.`,
		Example: `  bbtw overlaps curl-openssl-4
  bbtw list --overlaps           # of all open buildspaces`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			o, err := c.Overlaps(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(o)
			}
			if len(o.With)+len(o.Behind)+len(o.Stale)+len(o.Outdated) == 0 {
				fmt.Fprintf(a.out, "%s #%d overlaps with no open buildspace, and nothing it builds has moved.\n", o.Buildspace, o.Iteration)
				return nil
			}
			a.printOverlaps(o)
			return nil
		},
	}
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

// listOverlaps prints the overlaps of all open buildspaces.
func (a *app) listOverlaps(ctx context.Context, c *api.Client) error {
	all, err := c.AllOverlaps(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(all)
	}
	for _, o := range all {
		a.printOverlaps(o)
	}
	return nil
}

func (a *app) printOverlaps(o api.Overlaps) {
	line := func(format string, args ...any) {
		fmt.Fprintln(a.out, plain(o.Buildspace+": "+fmt.Sprintf(format, args...)))
	}
	for _, x := range o.With {
		line("%s", x.Words)
		for _, words := range conflictWords(o.Buildspace, x) {
			line("%s", words)
		}
	}
	for _, b := range o.Behind {
		line("%s", b.Words)
	}
	if len(o.Stale) > 0 {
		line("newer commits since it was planned: %s", buildbtw.Names(o.Stale).Summary())
	}
	if len(o.Outdated) > 0 {
		newer := make(buildbtw.Names, len(o.Outdated))
		for i, b := range o.Outdated {
			newer[i] = fmt.Sprintf("%s %s (the base has %s)", b.Pkgbase, b.Version, b.Base)
		}
		line("older than the base: %s", newer.Summary())
	}
}

// conflictWords describes what releasing one of two buildspaces takes from the other, and
// what helps.
func conflictWords(name string, x api.Overlap) []string {
	switch {
	case x.Unknown != "":
		return []string{x.Unknown}
	case !x.Exact:
		return nil
	}
	words := []string{loses(name, x.Buildspace, x.Loses, x.Goes), loses(x.Buildspace, name, x.OtherLoses, x.OtherGoes)}
	if len(x.Loses) > 0 && len(x.OtherLoses) > 0 {
		words = append(words, fmt.Sprintf("both lose: 'bbtw merge %s %s' makes one buildspace of them", name, x.Buildspace))
	}
	return words
}

func loses(name, first string, lost []string, of int) string {
	if len(lost) == 0 {
		return fmt.Sprintf("if %s is released first, %s loses nothing", first, name)
	}
	return fmt.Sprintf("if %s is released first, %s loses %d of %s: %s", first, name, len(lost), plural(of, "pkgbase"), buildbtw.Names(lost).Summary())
}

func (a *app) rebaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebase NAME",
		Short: "Start a new iteration on the base and the sources as they are now",
		Long: `Starts a new iteration after another buildspace was released, or the base or a source
moved. What has the same inputs as before is reused. Commits that a changeset's branch
lacks are not merged: that is yours to do in its repository.`,
		Example: `  bbtw rebase curl-openssl-4`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			space, err := c.Rebase(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.tell(space, "A new iteration of %s is being made: %s\n", space.Name, space.URL)
		},
	}
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

func (a *app) mergeCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "merge NAME OTHER",
		Short: "Take the changesets of OTHER into NAME, and stop OTHER",
		Long: `Adds the changesets of OTHER, and what it builds in addition, to NAME, which makes a
new iteration, and stops OTHER. Nothing is deleted: OTHER can be started again. When both
change a source at different refs, nothing is done; decide for one with 'bbtw edit'.`,
		Example: `  bbtw merge curl-openssl-4 nghttp2-2`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if !yes {
				ok, err := a.confirm(fmt.Sprintf("%s gets the changesets of %s, which is stopped.", args[0], args[1]))
				if err != nil {
					return err
				}
				if !ok {
					return cli.Usage(errors.New("not confirmed; --yes confirms it"))
				}
			}
			space, err := c.Merge(cmd.Context(), args[0], api.Merge{With: args[1]})
			if err != nil {
				return err
			}
			return a.tell(space, "%s has the changesets of %s, which is stopped: %s\n", space.Name, args[1], space.URL)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.ValidArgsFunction = a.completeAll(buildspaceNames)
	return cmd
}
