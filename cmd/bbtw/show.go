package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
)

func (a *app) showCommand() *cobra.Command {
	var iteration int
	var status string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a buildspace with its builds",
		Example: `  bbtw show curl-openssl-4
  bbtw show curl-openssl-4 --status failed,blocked
  bbtw show curl-openssl-4 --iteration 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.show(cmd.Context(), c, api.BuildFilter{Buildspace: args[0], Iteration: iteration, Status: status})
		},
	}
	cmd.Flags().IntVar(&iteration, "iteration", api.Latest, "number of the iteration (default: the latest)")
	cmd.Flags().StringVar(&status, "status", "", "only builds with one of these statuses, separated by commas")
	return cmd
}

// shown is the output of "bbtw show --json".
type shown struct {
	Buildspace api.Buildspace `json:"buildspace"`
	Iteration  *api.Iteration `json:"iteration"`          // null before the first
	Forecast   *api.Forecast  `json:"forecast,omitempty"` // of an iteration that is being built
	Builds     []api.Build    `json:"builds"`
}

func (a *app) show(ctx context.Context, c *api.Client, f api.BuildFilter) error {
	space, err := c.Buildspace(ctx, f.Buildspace)
	if err != nil {
		return err
	}
	all := shown{Buildspace: space, Builds: []api.Build{}}
	if space.Latest != nil {
		it, err := c.Iteration(ctx, f.Buildspace, f.Iteration)
		if err != nil {
			return err
		}
		all.Iteration = &it
		if it.Status == buildbtw.IterationStatusBuilding {
			forecast, err := c.Forecast(ctx, f.Buildspace, f.Iteration)
			if err != nil {
				return err
			}
			all.Forecast = &forecast
		}
		if all.Builds, err = c.Builds(ctx, f); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(all)
	}
	return a.printShown(all)
}

func (a *app) printShown(all shown) error {
	fmt.Fprintf(a.out, "%s (%s)  %s\n", all.Buildspace.Name, all.Buildspace.Status, all.Buildspace.URL)
	fmt.Fprintf(a.out, "changesets: %s   scope: %s\n", strings.Join(all.Buildspace.Changesets, " "), all.Buildspace.Scope)
	if all.Iteration == nil {
		fmt.Fprintln(a.out, "Its first iteration is being calculated.")
		return nil
	}
	it := all.Iteration
	fmt.Fprintf(a.out, "iteration %d: %s, %s\n", it.Number, it.Status, strings.TrimSuffix(fmt.Sprintf("%s: %s", it.Reason, it.ReasonText), ": "))
	if it.Error != "" {
		fmt.Fprintf(a.out, "%s\n", it.Error)
	}
	fmt.Fprintln(a.out, countsLine(it.Counts))
	if all.Forecast != nil {
		a.printForecast(*all.Forecast)
	}
	for _, b := range it.Blockers {
		fmt.Fprintf(a.out, "%s %s: blocks %s\n", b.Build.Pkgbase, b.Build.Status, plural(b.Blocks, "build"))
	}
	fmt.Fprintln(a.out)
	t := newTable("BUILD", "PKGBASE", "ARCH", "VERSION", "LEVEL", "STATUS", "BECAUSE")
	for _, b := range all.Builds {
		t.add(b.ID, b.Pkgbase, b.Architecture, b.Version, strconv.Itoa(b.Level), statusWords(b), b.Reason.String())
	}
	return t.print(a.out)
}

// countsLine returns how many builds have which status.
func countsLine(n buildbtw.Counts) string {
	var parts []string
	for _, s := range buildbtw.Statuses() {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, " · ")
}

// statusWords returns the status with its reason.
func statusWords(b api.Build) string {
	switch {
	case b.Status == buildbtw.StatusSkipped:
		return fmt.Sprintf("skipped (%s)", b.SkipReason)
	case b.Status == buildbtw.StatusBlocked && len(b.RootCauses) > 0:
		return "blocked by " + causes(b.RootCauses)
	default:
		return string(b.Status)
	}
}

// maxCauses bounds how many root causes are named in one line.
const maxCauses = 3

func causes(list []api.BuildRef) string {
	names := make([]string, 0, maxCauses)
	for i, r := range list {
		if i == maxCauses {
			names = append(names, fmt.Sprintf("%d more", len(list)-maxCauses))
			break
		}
		names = append(names, fmt.Sprintf("%s (%s)", r.Pkgbase, r.Status))
	}
	return strings.Join(names, ", ")
}
