package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw/api"
	"buildbtw/buildgraph"
)

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

// chainLine is the chain to the changeset: "mpv ← ffmpeg ← libx264".
func chainLine(chain []buildgraph.Step) string {
	names := make([]string, len(chain))
	for i, step := range chain {
		names[i] = step.Pkgbase
	}
	return strings.Join(names, " ← ")
}
