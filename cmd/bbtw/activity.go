package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) activityCommand() *cobra.Command {
	var f api.EventFilter
	var follow bool
	l := eventListing()
	cmd := &cobra.Command{
		Use:   "activity [NAME]",
		Short: "Show what happened: of a buildspace, or of all",
		Long: `Shows the latest events, the newest last: who did what, which builds started, ended
and were skipped, what happened to workers. --kind and --by choose some of them; --follow
goes on as they happen.`,
		Example: `  bbtw activity curl-openssl-4
  bbtw activity -n 200 -o wide
  bbtw activity --kind failed --by build-3
  bbtw activity --follow --json | jq -r .message`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if f.Buildspace = strings.Join(args, ""); f.Buildspace != "" {
				if _, err := c.Buildspace(cmd.Context(), f.Buildspace); err != nil {
					return err
				}
			}
			events, err := c.NewestEvents(cmd.Context(), f)
			if err != nil {
				return err
			}
			slices.Reverse(events)
			if !follow {
				return l.print(a, events)
			}
			return a.followActivity(cmd.Context(), c, f, &l, events)
		},
	}
	cli.ShortNumber(cmd.Flags(), &f.Limit, "number", "n", 50, 1, 500, "how many events")
	cli.Word(cmd.Flags(), &f.Kind, "kind", "", "what happened: matters for what people do and how builds end, failed, built, iterations, releases, buildspaces or workers (default: all)", "matters", "failed", "built", "iterations", "releases", "buildspaces", "workers", "all")
	cmd.Flags().StringVar(&f.Actor, "by", "", "only what this person or worker did")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as events happen; with --json one document after the other")
	l.register(cmd.Flags())
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

func eventListing() listing[api.Event] {
	type row = api.Event
	return listing[row]{columns: []column[row]{
		{name: "WHEN", text: func(e row) string { return e.At.Local().Format("01-02 15:04:05") }, by: func(a, b row) int { return a.At.Compare(b.At) }},
		{name: "WHO", text: func(e row) string { return e.Actor }},
		{name: "WHERE", text: whereOf},
		{name: "STATUS", text: func(e row) string { return string(e.To) }, status: func(e row) string { return string(e.To) }},
		{name: "WHAT", text: func(e row) string { return e.Message }},
		{name: "EVENT", wide: true, text: func(e row) string { return e.ID }},
		{name: "KIND", wide: true, text: func(e row) string { return string(e.Kind) }},
		{name: "CAUSE", wide: true, text: func(e row) string { return string(e.Cause) }},
		{name: "BUILD", wide: true, text: func(e row) string { return e.BuildID }},
		{name: "TIME", wide: true, text: func(e row) string { return e.At.UTC().Format(time.RFC3339) }},
	}}
}

// whereOf returns what an event is about: a build, an iteration or a buildspace.
func whereOf(e api.Event) string {
	switch {
	case e.Pkgbase != "":
		return e.Buildspace + "/" + e.Pkgbase
	case e.Iteration != 0:
		return fmt.Sprintf("%s #%d", e.Buildspace, e.Iteration)
	}
	return e.Buildspace
}

// followActivity prints events until it is interrupted.
func (a *app) followActivity(ctx context.Context, c *api.Client, f api.EventFilter, l *listing[api.Event], events []api.Event) error {
	l.sort = "" // as they happen
	show := func(list []api.Event) error {
		if a.isJSON(l.output) {
			out := json.NewEncoder(a.out)
			for _, e := range list {
				if err := out.Encode(e); err != nil {
					return err
				}
			}
			return nil
		}
		var t table
		for _, e := range list {
			t.rows = append(t.rows, []cell{
				{text: e.At.Local().Format("01-02 15:04:05")},
				{text: plain(e.Actor)},
				{text: plain(whereOf(e))},
				{text: string(e.To), colour: colourOf(string(e.To))},
				{text: plain(e.Message)},
			})
		}
		return t.printRows(a)
	}
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		if len(events) > 0 {
			f.Since = events[len(events)-1].ID
			if err := show(events); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		next, err := c.Events(ctx, f)
		if err != nil && !api.Temporary(err) {
			return err
		}
		events = next
	}
}
