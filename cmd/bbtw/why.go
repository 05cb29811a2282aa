package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
)

func (a *app) whyCommand() *cobra.Command {
	var e explainFlags
	cmd := &cobra.Command{
		Use:   "why NAME/PKGBASE | why CHANGESET... PACKAGE",
		Short: "Why is a build in the set, what does it wait for, what is the root cause?",
		Long: `With one argument: why a build of a buildspace is in its set, what it waits for,
and the root cause. With more: why a change would rebuild a package, or why not,
without creating anything.`,
		Example: `  bbtw why curl-openssl-4/mpv
  bbtw why 1234 --json
  bbtw why curl mpv              # why would a change of curl rebuild mpv?
  bbtw why curl mpv --all        # everything by which it does`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				arch, err := cmd.Flags().GetStringSlice("arch")
				if err != nil {
					return err
				}
				return a.why(cmd.Context(), c, args[0], strings.Join(arch, ","))
			}
			last := len(args) - 1
			e.request = api.ExplainRequest{Package: args[last], PlanRequest: api.PlanRequest{Changesets: args[:last]}}
			e.request.Settings = e.settings.settings(cmd.Flags())
			return a.explain(cmd.Context(), c, e)
		},
	}
	e.settings.register(cmd.Flags())
	cmd.Flags().Lookup("arch").Usage = "architecture, if there are several"
	cmd.Flags().BoolVar(&e.all, "all", false, "name everything in the set that it depends on")
	return cmd
}

func (a *app) why(ctx context.Context, c *api.Client, name, arch string) error {
	id, err := findBuild(ctx, c, name, arch)
	if err != nil {
		return err
	}
	b, err := c.Build(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(b)
	}
	fmt.Fprintf(a.out, "%s %s %s\n", b.Pkgbase, b.Reason, inParentheses(b.Chain))
	fmt.Fprintf(a.out, "%s is %s\n", b.Pkgbase, statusWords(b.Build))
	if len(b.WaitingFor) > 0 {
		fmt.Fprintln(a.out, "waiting for:")
		for _, w := range b.WaitingFor {
			fmt.Fprintf(a.out, "  %s (%s)\n", w.Pkgbase, w.Status)
		}
	}
	for _, r := range b.RootCauses {
		fmt.Fprintf(a.out, "root cause: %s, which %s; see 'bbtw log %s'\n", r.Pkgbase, happened(r.Status), r.ID)
	}
	for _, cut := range b.Cuts {
		fmt.Fprintf(a.out, "builds against %s from the base repositories: the %s edge is ignored, on the cycle %s\n", cut.From, strings.Join(cut.Kinds, " and "), strings.Join(cut.Cycle, " → "))
	}
	return nil
}

// inParentheses returns the chain to the changeset, when it has more than one link.
func inParentheses(chain []api.BuildRef) string {
	if len(chain) < 2 {
		return ""
	}
	names := make([]string, len(chain))
	for i, r := range chain {
		names[i] = r.Pkgbase
	}
	return "(" + strings.Join(names, " ← ") + ")"
}

func happened(s buildbtw.Status) string {
	if s == buildbtw.StatusFailed {
		return "failed"
	}
	return "is " + string(s)
}

// explainFlags are the flags of "bbtw why CHANGESET... PACKAGE".
type explainFlags struct {
	settings settingsFlags
	all      bool
	request  api.ExplainRequest
}

// explain prints why a change would rebuild a package, or why not.
func (a *app) explain(ctx context.Context, c *api.Client, f explainFlags) error {
	answer, err := c.Explain(ctx, f.request)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(answer)
	}
	for _, arch := range slices.Sorted(maps.Keys(answer)) {
		if len(answer) > 1 {
			fmt.Fprintf(a.out, "%s:\n", arch)
		}
		a.printExplanation(answer[arch], f.all)
	}
	return nil
}

func (a *app) printExplanation(e buildgraph.Explanation, all bool) {
	if !e.InSet {
		fmt.Fprintf(a.out, "%s would not be rebuilt: %s\n", e.Pkgbase, e.NotNeeded)
	}
	if len(e.Chain) > 1 {
		fmt.Fprintln(a.out, chainLine(e.Chain))
	}
	if e.InSet {
		fmt.Fprintf(a.out, "%s %s\n", e.Pkgbase, e.Chain[0].Reason)
	}
	if !all {
		return
	}
	for _, cause := range e.Causes {
		fmt.Fprintf(a.out, "  %s\n", cause)
	}
}

// chainLine returns the chain to the changeset: "mpv ← ffmpeg ← libx264".
func chainLine(chain []buildgraph.Step) string {
	names := make([]string, len(chain))
	for i, step := range chain {
		names[i] = step.Pkgbase
	}
	return strings.Join(names, " ← ")
}
