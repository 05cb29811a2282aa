package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
when it will start, and the root cause. With more: why a change would rebuild a package, or why not,
without creating anything.`,
		Example: `  bbtw why curl-openssl-4/mpv
  bbtw why 1234 --json
  bbtw why curl mpv              # why would a change of curl rebuild mpv?
  bbtw why curl mpv --all        # everything by which it does`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
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
	a.completeSettings(cmd)
	cmd.ValidArgsFunction = a.completeAll(buildNames, sourceNames)
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
	f, err := findFailure(ctx, c, b)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			api.BuildDetail
			Failure *failure `json:"failure,omitempty"`
		}{b, f})
	}
	fmt.Fprintln(a.out, plain(fmt.Sprintf("%s %s %s", b.Pkgbase, b.Reason, inParentheses(b.Chain))))
	if f == nil {
		fmt.Fprintf(a.out, "%s is %s\n", b.Pkgbase, statusWords(b.Build))
		a.printPlace(b)
		if b.TimesUsual > 0 {
			fmt.Fprintf(a.out, "it has been running for %s: ×%d of usual (%s)\n", inWords(b.TookSeconds), b.TimesUsual, inWords(b.UsualSeconds))
		}
	} else {
		a.printFailure(b, *f)
	}
	fmt.Fprintf(a.out, "built from %s at %s\n", b.Source, commitWords(b.CommitInfo))
	a.printSecondBuild(b)
	a.printSinceBuilt(b)
	for _, name := range slices.Sorted(maps.Keys(b.NotOwned)) {
		fmt.Fprintln(a.out, plain(b.NotOwned.Why(name)))
	}
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

// printPlace prints when a pending build starts, or why it does not.
func (a *app) printPlace(b api.BuildDetail) {
	q := b.Queue
	if q == nil {
		return
	}
	if q.Why != "" {
		fmt.Fprintf(a.out, "not started yet: %s; see 'bbtw workers'\n", plain(q.Why))
	}
	if q.Place == 0 || q.StartsAt == nil {
		return
	}
	words := fmt.Sprintf("%s of %d for %s, starts about %s", buildbtw.Ordinal(q.Place), q.Of, b.Architecture, q.StartsAt.Local().Format("15:04"))
	var names []string
	for _, before := range q.Before {
		name := before.Pkgbase
		if before.Buildspace != b.Buildspace {
			name = before.Buildspace + "/" + name
		}
		names = append(names, name)
	}
	if more := q.Place - 1 - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(names) > 0 {
		words += "; before it: " + strings.Join(names, ", ")
	}
	if q.Higher > 0 {
		words += fmt.Sprintf(" (of buildspaces with a higher priority: %d)", q.Higher)
	}
	fmt.Fprintln(a.out, plain(words))
}

// failure is how a build failed.
type failure struct {
	Attempt int        `json:"attempt"`
	Message string     `json:"message"`
	Line    *logLine   `json:"line,omitempty"` // of its log: the first that tells of an error
	around  []string   // that line with some before and after it
	ended   *time.Time // when

	base *api.FirstError // why the same commit fails on the base alone; nil when it does not
}

// findFailure returns how a failed build failed: what its last attempt ended with, and
// the first line of the log that tells of an error. It returns nil for other builds.
func findFailure(ctx context.Context, c *api.Client, b api.BuildDetail) (*failure, error) {
	if b.Status != buildbtw.StatusFailed {
		return nil, nil
	}
	attempts, err := c.Attempts(ctx, b.ID)
	if err != nil || len(attempts) == 0 {
		return nil, err
	}
	last := attempts[len(attempts)-1]
	f := &failure{Attempt: last.Number, Message: last.Message, ended: last.FinishedAt}
	if b.Failure != nil && b.Failure.Baseline != "" {
		base, err := c.Build(ctx, b.Failure.Baseline)
		if err != nil {
			return nil, err
		}
		f.base = base.Error
	}
	state, err := c.LogState(ctx, b.ID, last.Number)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound { // it is not kept any more
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if len(state.Errors) == 0 {
		return f, nil
	}
	m := state.Errors[0]
	for _, other := range state.Errors {
		if b.Error != nil && b.Error.Attempt == last.Number && other.Line == b.Error.Line {
			m = other
		}
	}
	f.Line = &logLine{m.Line, m.Kind, m.Text}
	return f, f.read(ctx, c, b.ID)
}

// errorContext is how many lines before and after the one that says why a build failed are
// shown.
const errorContext = 2

// read reads the lines around the one that says why the build failed.
func (f *failure) read(ctx context.Context, c *api.Client, id string) error {
	lines, err := c.LogLines(ctx, id, f.Attempt, max(1, f.Line.Line-errorContext), 2*errorContext+1)
	for _, l := range lines.Lines {
		f.around = append(f.around, fmt.Sprintf("%6d  %s", l.Line, plain(l.Text)))
	}
	return err
}

func (a *app) printFailure(b api.BuildDetail, f failure) {
	when := ""
	if f.ended != nil {
		when = " " + age(*f.ended, time.Now()) + " ago"
	}
	fmt.Fprintf(a.out, "%s %s%s, in attempt %d: %s\n", b.Pkgbase, a.painted("failed"), when, f.Attempt, cmp.Or(plain(f.Message), "no reason is known"))
	if f.Line != nil {
		fmt.Fprintf(a.out, "line %d of its log: %s\n", f.Line.Line, plain(f.Line.Text))
	}
	for _, line := range f.around {
		fmt.Fprintln(a.out, line)
	}
	if v := b.Failure; v != nil && (v.Verdict != buildbtw.VerdictNone.Word() || v.Baseline != "" || v.NotCompared != "") {
		a.printVerdict(b.Pkgbase, *v, f.base)
	}
	fmt.Fprintf(a.out, "see 'bbtw log %s', or only what tells of errors with --errors; 'bbtw retry %s' tries the same commit again, 'bbtw fix %s' what was pushed since\n", b.ID, b.ID, b.ID)
}

// printVerdict says whose fault a failure is, with the error of the build on the base alone.
func (a *app) printVerdict(pkgbase string, v api.Failure, base *api.FirstError) {
	line := pkgbase + " " + v.Words
	if v.Verdict == buildbtw.VerdictNone.Word() {
		line = pkgbase + " is " + v.Words
	}
	if v.Baseline != "" {
		line += "; see 'bbtw log " + v.Baseline + "'"
	}
	fmt.Fprintln(a.out, line)
	if v.NotCompared != "" {
		fmt.Fprintln(a.out, "  "+plain(v.NotCompared))
	}
	if base != nil {
		fmt.Fprintln(a.out, "  without it: "+plain(base.Text))
	}
}

// printSecondBuild prints what came of building it a second time; nothing when it was not.
func (a *app) printSecondBuild(b api.BuildDetail) {
	s := b.SecondBuild
	if s == nil {
		return
	}
	line := b.Pkgbase + " is " + s.Words
	if s.Build != "" {
		line += "; see 'bbtw log " + s.Build + "'"
	}
	fmt.Fprintln(a.out, line)
	for _, l := range s.Lines {
		fmt.Fprintln(a.out, "  "+plain(l))
	}
}

// printSinceBuilt prints what changed since a build's package was last built.
func (a *app) printSinceBuilt(b api.BuildDetail) {
	s := b.SinceBuilt
	if s == nil {
		return
	}
	when := func(r api.Result) string {
		return fmt.Sprintf("%s #%d, %s ago", r.Buildspace, r.Iteration, age(r.FinishedAt, time.Now()))
	}
	if s.LastBuilt == nil {
		fmt.Fprintln(a.out, "never built here before")
	} else {
		commit := "own commit unchanged"
		if s.Commit != s.CommitBefore {
			commit = "own commit " + buildbtw.ShortCommit(s.CommitBefore) + " → " + buildbtw.ShortCommit(s.Commit)
		}
		fmt.Fprintf(a.out, "last built in %s; since then: %s\n", when(*s.LastBuilt), commit)
		a.printNewCommits(b.Source, *s)
	}
	if f := s.FirstFailure; f != nil && f.Build != b.ID {
		fmt.Fprintf(a.out, "first failure since in %s (build %s)\n", when(*f), f.Build)
	}
	switch {
	case s.LastBuilt == nil:
		return
	case !s.Recorded:
		fmt.Fprintln(a.out, "  which packages changed is not recorded")
		return
	case len(s.Packages) == 0:
		fmt.Fprintln(a.out, "  the same packages were installed")
	}
	leading := slices.DeleteFunc(slices.Clone(s.Packages), func(c buildbtw.PackageChange) bool { return !c.Leading() })
	if len(leading) == 0 {
		leading = s.Packages[:min(len(s.Packages), otherChanges)]
	}
	for _, c := range leading {
		line := c.String()
		if c.AfterFailure {
			line += ", after the first failure"
		}
		fmt.Fprintln(a.out, "  "+plain(line))
	}
	if more := len(s.Packages) - len(leading); more > 0 {
		fmt.Fprintf(a.out, "  and %d more installed packages; see --json\n", more)
	}
}

// printNewCommits prints the first commits since a build's package was last built.
func (a *app) printNewCommits(source string, s api.SinceBuilt) {
	for _, c := range s.Commits[:min(len(s.Commits), otherChanges)] {
		fmt.Fprintln(a.out, "  "+commitWords(c))
	}
	if more := len(s.Commits) + s.MoreCommits - otherChanges; more > 0 {
		fmt.Fprintf(a.out, "  and %s; see 'bbtw commits %s %s..%s'\n", plural(more, "older commit"), source, buildbtw.ShortCommit(s.CommitBefore), buildbtw.ShortCommit(s.Commit))
	}
}

// otherChanges is how many changed packages are printed when the build depends on none of
// them itself, and how many commits.
const otherChanges = 5

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
