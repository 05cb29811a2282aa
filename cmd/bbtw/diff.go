package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff NAME [FROM [TO]]",
		Short: "Show what changed between two iterations",
		Long: `Shows the builds that were added, removed or moved to another commit, and the
edges of the build graph that came and went, per architecture. Without numbers it
compares the latest iteration with the one before it whose plan could be made.
What came out of them is in 'bbtw compare'.`,
		Example: `  bbtw diff curl-openssl-4
  bbtw diff curl-openssl-4 1 3`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			from, to, err := diffRange(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			diff, err := c.Diff(cmd.Context(), args[0], from, to)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(diff)
			}
			a.printDiff(diff)
			return nil
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
}

// diffRange returns the numbers of the two iterations.
func diffRange(ctx context.Context, c *api.Client, args []string) (from, to int, err error) {
	numbers := make([]int, 0, 2)
	for _, arg := range args[1:] {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return 0, 0, cli.Usage(fmt.Errorf("%q is no number of an iteration", arg))
		}
		numbers = append(numbers, n)
	}
	if len(numbers) < 2 {
		latest, err := c.Iteration(ctx, args[0], api.Latest)
		if err != nil {
			return 0, 0, err
		}
		if len(numbers) == 0 {
			before, err := validBefore(ctx, c, args[0], latest.Number)
			if err != nil {
				return 0, 0, err
			}
			numbers = append(numbers, before)
		}
		numbers = append(numbers, latest.Number)
	}
	if numbers[0] < 1 {
		return 0, 0, fmt.Errorf("%s has no iteration before that to compare it with", args[0])
	}
	return numbers[0], numbers[1], nil
}

// validBefore returns the latest iteration before one whose plan could be made; 0 when
// there is none. Beside an invalid one, which has no builds, everything looks new.
func validBefore(ctx context.Context, c *api.Client, name string, number int) (int, error) {
	all, err := c.Iterations(ctx, name)
	if err != nil {
		return 0, err
	}
	for _, it := range all { // newest first
		if it.Number < number && it.Status != buildbtw.IterationStatusInvalid {
			return it.Number, nil
		}
	}
	return 0, nil
}

func (a *app) printDiff(d api.Diff) {
	fmt.Fprintf(a.out, "from iteration %d to %d\n", d.From, d.To)
	same := true
	for _, arch := range slices.Sorted(maps.Keys(d.Architectures)) {
		lines := diffLines(d.Architectures[arch])
		if len(lines) == 0 {
			continue
		}
		same = false
		fmt.Fprintf(a.out, "%s:\n  %s\n", arch, strings.Join(lines, "\n  "))
	}
	if same {
		fmt.Fprintln(a.out, "Nothing changed.")
	}
}

func diffLines(d api.DiffArch) []string {
	var lines []string
	for _, c := range d.Changed {
		line := fmt.Sprintf("~ %s %s → %s (%.7s → %.7s)", c.Pkgbase, c.FromVersion, c.ToVersion, c.FromCommit, c.ToCommit)
		if c.To != nil {
			line += commitText(*c.To)
		}
		lines = append(lines, line)
	}
	for _, name := range d.Added {
		lines = append(lines, "+ "+name)
	}
	for _, name := range d.Removed {
		lines = append(lines, "- "+name)
	}
	for _, e := range d.EdgesAdded {
		lines = append(lines, fmt.Sprintf("+ %s → %s (%s)", e.From, e.To, strings.Join(e.Kinds, ", ")))
	}
	for _, e := range d.EdgesRemoved {
		lines = append(lines, fmt.Sprintf("- %s → %s (%s)", e.From, e.To, strings.Join(e.Kinds, ", ")))
	}
	return lines
}
