package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/cmd/internal/cli"
	"buildbtw/pacman/alpm"
)

func (a *app) showCommand() *cobra.Command {
	var iteration int
	var status, verdict string
	var names bool
	l := buildListing()
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a buildspace with its builds",
		Example: `  bbtw show curl-openssl-4
  bbtw show curl-openssl-4 --status failed,blocked
  bbtw show curl-openssl-4 -o name --status failed | xargs -n1 bbtw log --tail 20
  bbtw show curl-openssl-4 --sort=-duration | head     # the slowest builds
  bbtw show curl-openssl-4 --verdict yours
  bbtw show curl-openssl-4 --iteration 2
  bbtw show curl-openssl-4 --names --status failed     # pkgbases, as bbtw new --from reads them`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f := api.BuildFilter{Buildspace: args[0], Iteration: iteration, Status: status, Verdict: verdict}
			if !names {
				return a.show(cmd.Context(), c, f, &l)
			}
			builds, err := c.Builds(cmd.Context(), f)
			if err != nil {
				return err
			}
			l.sorted(builds)
			return printNames(a, builds, func(b api.Build) string { return b.Pkgbase })
		},
	}
	cli.Number(cmd.Flags(), &iteration, "iteration", api.Latest, 0, cli.Many, "number of the iteration (default: the latest)")
	cli.Words(cmd.Flags(), &status, "status", "only builds with one of these statuses, separated by commas", statusNames()...)
	cli.Word(cmd.Flags(), &verdict, "verdict", "", "only failed builds of which this is known: yours, already-broken, flaky, infrastructure or not-compared", verdictWords()...)
	cmd.Flags().BoolVar(&names, "names", false, "print the pkgbases, one per line and each once, and nothing else")
	l.register(cmd.Flags())
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

func verdictWords() []string {
	var words []string
	for _, v := range buildbtw.Verdicts() {
		words = append(words, v.Word())
	}
	return words
}

func statusNames() []string {
	var names []string
	for _, s := range buildbtw.Statuses() {
		names = append(names, string(s))
	}
	return names
}

// buildListing is how lists of builds are shown.
func buildListing() listing[api.Build] {
	type row = api.Build
	return listing[row]{name: buildName, columns: []column[row]{
		{name: "BUILD", text: func(b row) string { return b.ID }},
		{name: "PKGBASE", text: func(b row) string { return b.Pkgbase }},
		{name: "ARCH", text: func(b row) string { return b.Architecture }},
		{name: "VERSION", text: func(b row) string { return buildgraph.VersionWords(b.BumpedFrom, versionOf(b)) }, by: func(a, b row) int { return alpm.Vercmp(versionOf(a), versionOf(b)) }},
		{name: "LEVEL", text: func(b row) string { return strconv.Itoa(b.Level) }},
		{name: "STATUS", text: statusWords, status: func(b row) string { return string(b.Status) }},
		{name: "BECAUSE", text: func(b row) string { return b.Reason.String() }},
		{name: "DURATION", text: durationWords, by: func(a, b row) int { return cmp.Compare(a.TookSeconds, b.TookSeconds) }},
		{name: "STAGE", wide: true, text: func(b row) string { return strconv.Itoa(b.Stage) }},
		{name: "ATTEMPTS", wide: true, text: func(b row) string { return strconv.Itoa(b.Attempts) }},
		{name: "CHANGED", wide: true, text: func(b row) string { return age(b.ChangedAt, time.Now()) + " ago" }, by: func(a, b row) int { return b.ChangedAt.Compare(a.ChangedAt) }},
		{name: "COMMIT", wide: true, text: func(b row) string { return fmt.Sprintf("%.12s", b.Commit) }},
		{name: "REUSED", wide: true, text: func(b row) string { return b.ReusedFrom }},
	}}
}

// durationWords returns how long the latest attempt took, or has taken so far; empty before
// the first.
func durationWords(b api.Build) string {
	if b.TookSeconds == 0 {
		return ""
	}
	words := inWords(b.TookSeconds)
	if b.TimesUsual > 0 {
		return fmt.Sprintf("%s, ×%d of usual", words, b.TimesUsual)
	}
	return words
}

// versionOf returns the version that was built, which pkgver() may have made, else the
// one that the .SRCINFO says.
func versionOf(b api.Build) string { return cmp.Or(b.BuiltVersion, b.Version) }

// shown is the output of "bbtw show --json".
type shown struct {
	Buildspace api.Buildspace `json:"buildspace"`
	Iteration  *api.Iteration `json:"iteration"`          // null before the first
	Forecast   *api.Forecast  `json:"forecast,omitempty"` // of an iteration that is being built
	Builds     []api.Build    `json:"builds"`
}

func (a *app) show(ctx context.Context, c *api.Client, f api.BuildFilter, l *listing[api.Build]) error {
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
	l.sorted(all.Builds)
	switch {
	case a.isJSON(l.output):
		return a.printJSON(all)
	case l.output == "name":
		nameUniquely(all.Builds, l)
		return l.print(a, all.Builds)
	}
	return a.printShown(all, l)
}

// nameUniquely makes the names in a list of builds the numbers where one pkgbase has
// several builds: then its name alone is not enough for other commands.
func nameUniquely(builds []api.Build, l *listing[api.Build]) {
	seen := map[string]bool{}
	for _, b := range builds {
		if seen[b.Pkgbase] {
			l.name = func(b api.Build) string { return b.ID }
		}
		seen[b.Pkgbase] = true
	}
}

func buildName(b api.Build) string {
	if b.OfBase {
		return buildbtw.BaselineName(b.Pkgbase)
	}
	if b.Second {
		return buildbtw.RepeatName(b.Pkgbase)
	}
	return b.Buildspace + "/" + b.Pkgbase
}

func (a *app) printShown(all shown, l *listing[api.Build]) error {
	fmt.Fprintf(a.out, "%s (%s)  %s\n", all.Buildspace.Name, all.Buildspace.Status, all.Buildspace.URL)
	fmt.Fprintf(a.out, "changesets: %s   scope: %s\n", strings.Join(all.Buildspace.Changesets, " "), all.Buildspace.Scope)
	if all.Iteration == nil {
		fmt.Fprintln(a.out, "Its first iteration is being calculated.")
		return nil
	}
	it := all.Iteration
	fmt.Fprintf(a.out, "iteration %d: %s, %s\n", it.Number, a.painted(string(it.Status)), plain(strings.TrimSuffix(fmt.Sprintf("%s: %s", it.Reason, it.ReasonText), ": ")))
	for _, c := range it.Changesets[:min(len(it.Changesets), shownChangesets)] {
		fmt.Fprintf(a.out, "  %s at %s\n", c.Source, commitWords(c.Commit))
	}
	if it.Error != "" {
		fmt.Fprintln(a.out, plain(it.Error))
	}
	fmt.Fprintln(a.out, countsLine(*it))
	if all.Forecast != nil {
		a.printForecast(*all.Forecast)
	}
	if line := failuresLine(*it); line != "" {
		fmt.Fprintln(a.out, line)
	}
	for _, b := range it.Blockers {
		fmt.Fprintf(a.out, "%s %s: %s%s\n", b.Build.Pkgbase, b.Build.Status, blocksWords(b), errorWords(b.Build.Error))
	}
	if len(it.Blockers) > 1 {
		fmt.Fprintf(a.out, "fixing all that block others frees %s\n", plural(it.Blocked, "build"))
	}
	for _, line := range causeLines(all.Builds) {
		fmt.Fprintln(a.out, plain(line))
	}
	fmt.Fprintln(a.out)
	return l.print(a, all.Builds)
}

// shownChangesets is how many changesets are printed with their commits.
const shownChangesets = 10

// blocksWords says how many builds one blocks, and what fixing it alone is worth.
func blocksWords(b api.Blocker) string {
	words := "blocks " + plural(b.Blocks, "build")
	if b.Frees == b.Blocks {
		return words
	}
	return fmt.Sprintf("%s, fixing it alone frees %d", words, b.Frees)
}

// errorWords says why a build failed, after what else is said of it.
func errorWords(e *api.FirstError) string {
	if e == nil {
		return ""
	}
	return "; " + plain(e.Text)
}

// painted returns the word of a status in its colour, where there are colours.
func (a *app) painted(status string) string { return painted(status, colourOf(status), a.colours()) }

// countsLine returns how many builds have which status, as people read it.
func countsLine(it api.Iteration) string {
	n := it.Counts.Shown(it.Blocked)
	var parts []string
	for _, s := range buildbtw.ShownStatuses() {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, " · ")
}

// failuresLine returns whose fault the failures of an iteration are, once that is known of
// any.
func failuresLine(it api.Iteration) string {
	var parts []string
	known := false
	for _, v := range buildbtw.Verdicts() {
		if n := it.Failures[v.Word()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v.Label()))
			known = known || v != buildbtw.VerdictNone
		}
	}
	if !known {
		return ""
	}
	return "failures: " + strings.Join(parts, " · ")
}

// statusWords returns the status with its reason.
func statusWords(b api.Build) string {
	switch {
	case b.Status == buildbtw.StatusSkipped:
		return fmt.Sprintf("skipped (%s)", b.SkipReason)
	case b.RetryWords() != "":
		return string(b.Status) + ": " + b.RetryWords()
	case b.Status == buildbtw.StatusBlocked && len(b.RootCauses) > 0:
		return "blocked by " + causes(b.RootCauses)
	case b.Failure != nil && b.Failure.Verdict != buildbtw.VerdictNone.Word():
		return fmt.Sprintf("%s (%s)", b.Status, buildbtw.Verdict(b.Failure.Verdict).Label())
	default:
		return string(b.Status.Shown(false))
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
