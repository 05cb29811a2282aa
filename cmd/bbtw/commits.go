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
	"buildbtw/internal/ansi"
)

func (a *app) commitsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "commits SOURCE [[OLD..]NEW]",
		Short: "Show the commits of a source, and what they changed",
		Long: `Shows the commits of a source as 'git log --oneline' does, with author and age. With
OLD..NEW: those that NEW has and OLD does not have, with the diff of PKGBUILD and the other
files that changed. Both are branches, tags or commits; without NEW it is the branch that is
built.`,
		Example: `  bbtw commits curl
  bbtw commits curl 1f0c3d8..main
  bbtw commits curl 8.16-1.. --json | jq -r '.commits[].subject'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			from, to := "", strings.Join(args[1:], "")
			if before, after, span := strings.Cut(to, ".."); span {
				if from, to = before, after; from == "" {
					return cli.Usage(fmt.Errorf("%q does not say where to begin; write OLD..NEW", args[1]))
				}
			}
			l, err := c.SourceLog(cmd.Context(), args[0], from, to)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(l)
			}
			a.printLog(l)
			return nil
		},
		ValidArgsFunction: a.complete(sourceNames),
	}
}

func (a *app) printLog(l api.SourceLog) {
	for _, c := range l.Commits {
		fmt.Fprintln(a.out, commitWords(c))
	}
	if l.More > 0 {
		fmt.Fprintf(a.out, "and %s\n", plural(l.More, "older commit"))
	}
	if l.From == nil {
		return
	}
	if len(l.Commits) == 0 {
		fmt.Fprintln(a.out, "No commit is new.")
	}
	if l.Behind > 0 {
		fmt.Fprintf(a.out, "%s of %s not in %s: the branch was rewritten, or goes back\n", plural(l.Behind, "commit"), buildbtw.ShortCommit(l.From.ID), buildbtw.ShortCommit(l.To.ID))
	}
	if l.NoDiff != "" {
		fmt.Fprintln(a.out, plain(l.NoDiff))
	}
	if len(l.Diff) > 0 {
		fmt.Fprintln(a.out, "\nPKGBUILD")
	}
	for _, d := range l.Diff {
		line := string(ansi.Visible([]byte(d.Text)))
		switch d.Kind {
		case "+":
			line = painted("+"+line, colourOf(string(buildbtw.StatusBuilt)), a.colours())
		case "-":
			line = painted("-"+line, colourOf(string(buildbtw.StatusFailed)), a.colours())
		case " ":
			line = " " + line
		}
		fmt.Fprintln(a.out, line)
	}
	if l.DiffCut {
		fmt.Fprintln(a.out, "The rest of the changes is not shown.")
	}
	if len(l.Files) > 0 {
		fmt.Fprintln(a.out, "\nother files")
	}
	for _, f := range l.Files {
		fmt.Fprintf(a.out, "  %s %s (%d → %d bytes)\n", plain(f.Path), f.Status, f.Before, f.After)
	}
	if l.MoreFiles {
		fmt.Fprintln(a.out, "  and more")
	}
}

// commitWords describes a commit in a line: its id, what it says, who made it, when.
func commitWords(c api.Commit) string { return buildbtw.ShortCommit(c.ID) + commitText(c) }

// commitText is what commitWords says after the id, with a space before it.
func commitText(c api.Commit) string {
	if c.Missing {
		return " (not in the mirror any more)"
	}
	words := ""
	if c.Subject != "" {
		words += " " + plain(c.Subject)
	}
	var who []string
	if c.Author != "" {
		who = append(who, plain(c.Author))
	}
	if c.At != nil {
		who = append(who, age(*c.At, time.Now())+" ago")
	}
	if len(who) > 0 {
		words += " (" + strings.Join(who, ", ") + ")"
	}
	return words
}

func (a *app) pushesCommand() *cobra.Command {
	limit := 0
	type row = api.Push
	l := listing[row]{columns: []column[row]{
		{name: "WHEN", text: func(p row) string { return pushedAgo(p) }},
		{name: "SOURCE", text: func(p row) string { return p.Source }},
		{name: "REF", text: func(p row) string { return p.Ref }},
		{name: "COMMIT", text: func(p row) string { return buildbtw.ShortCommit(p.Commit.ID) }},
		{name: "CAUSED", text: causedWords, status: causedStatus},
		{name: "SUBJECT", text: func(p row) string { return p.Commit.Subject }},
		{name: "WHO", wide: true, text: func(p row) string { return p.Commit.Author }},
		{name: "URL", wide: true, text: func(p row) string { return p.Commit.URL }},
	}}
	cmd := &cobra.Command{
		Use:   "pushes",
		Short: "Show the newest commits of all sources, and what each caused",
		Long: `Shows the newest commits of all branches, the newest first, by the time at which they
were committed, with the iterations that each caused.`,
		Example: `  bbtw pushes
  bbtw pushes -n 200 -o wide
  bbtw pushes --json | jq -r '.[] | select(.caused == []) | .source'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pushes, err := a.newestPushes(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return l.print(a, pushes)
		},
	}
	cli.ShortNumber(cmd.Flags(), &limit, "number", "n", 30, 1, 500, "how many commits")
	l.register(cmd.Flags())
	return cmd
}

func (a *app) newestPushes(ctx context.Context, limit int) ([]api.Push, error) {
	c, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Pushes(ctx, limit)
}

func pushedAgo(p api.Push) string {
	if p.Commit.At == nil {
		return ""
	}
	return age(*p.Commit.At, time.Now()) + " ago"
}

// causedWords names the iterations that a push caused, or who waits for it.
func causedWords(p api.Push) string {
	var words []string
	for _, c := range p.Caused {
		words = append(words, fmt.Sprintf("%s #%d %s", c.Buildspace, c.Iteration, c.Status))
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, ", ")
	case len(p.Followers) > 0:
		return "nothing yet; followed by " + strings.Join(p.Followers, ", ")
	}
	return "nothing follows it"
}

func causedStatus(p api.Push) string {
	if len(p.Caused) == 0 {
		return ""
	}
	return string(p.Caused[0].Status)
}
