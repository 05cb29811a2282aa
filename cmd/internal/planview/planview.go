// Package planview prints a plan for people.
package planview

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/buildgraph"
	"buildbtw/cmd/internal/cli"
)

// Options say how much of a plan to print.
type Options struct {
	All bool // every build and warning, however many
	DOT bool // the graph in Graphviz's language instead

	// Workers is for how many workers to say how long it takes; 0: not.
	Workers int
}

// Register adds the flags for the options.
func (o *Options) Register(flags *pflag.FlagSet) {
	flags.BoolVar(&o.All, "all", false, "print every build, cut and warning, however many there are")
	flags.BoolVar(&o.DOT, "dot", false, "print the build graph for Graphviz")
	cli.Number(flags, &o.Workers, "workers", 0, 0, cli.Many, "say how long so many workers would take, and others for comparison")
}

// few is how many lines of one kind are printed without All.
const few = 40

// Print writes the plan.
func Print(w io.Writer, p *buildgraph.Plan, o Options) error {
	if o.DOT {
		return p.WriteDOT(w)
	}
	out := &printer{w: w, limit: few}
	if o.All {
		out.limit = int(^uint(0) >> 1)
	}
	out.summary(p)
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		out.architecture(arch, p.Architectures[arch])
	}
	if o.Workers > 0 {
		out.needs(p, o.Workers)
	}
	out.warnings(p.Warnings)
	return out.err
}

// PrintSummary writes what a packager wants to know before saying yes.
func PrintSummary(w io.Writer, p *buildgraph.Plan) error {
	out := &printer{w: w, limit: few}
	out.summary(p)
	out.of(p, buildgraph.WarnUnknown, buildgraph.WarnOverlap)
	return out.err
}

// PrintUnknown writes which names of --exclude and --add no source has: they are
// probably mistyped.
func PrintUnknown(w io.Writer, p *buildgraph.Plan) error {
	out := &printer{w: w, limit: few}
	out.of(p, buildgraph.WarnUnknown)
	return out.err
}

// of lists the warnings of some kinds.
func (o *printer) of(p *buildgraph.Plan, kinds ...buildgraph.WarningKind) {
	var lines []string
	for _, w := range p.Warnings {
		if slices.Contains(kinds, w.Kind) {
			lines = append(lines, fmt.Sprintf("%s: %s", w.Kind, w.Message))
		}
	}
	o.list(lines)
}

// printer keeps the first error of the writer.
type printer struct {
	w     io.Writer
	limit int
	err   error
}

func (o *printer) line(format string, args ...any) {
	if o.err == nil {
		_, o.err = fmt.Fprintf(o.w, format+"\n", args...)
	}
}

// list prints at most limit lines and says how many it left out.
func (o *printer) list(lines []string) {
	for i, line := range lines {
		if i == o.limit {
			o.line("  … and %d more (--all shows them)", len(lines)-i)
			return
		}
		o.line("  %s", line)
	}
}

func (o *printer) summary(p *buildgraph.Plan) {
	names := make([]string, len(p.Changesets))
	for i, c := range p.Changesets {
		names[i] = fmt.Sprintf("%s/%s (%.7s)", c.Source, c.Ref, c.Commit)
	}
	o.line("%s, scope %s", strings.Join(names, ", "), p.Scope)
	o.line("builds by scope: none %d · direct %d · all %d", p.Scopes["none"], p.Scopes["direct"], p.Scopes["all"])
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		a := p.Architectures[arch]
		o.line("%s: %d builds in %d levels, %d edges, %d cut", arch, len(a.Builds), levels(a), len(a.Edges), len(a.Cuts))
	}
	if len(p.Architectures) == 0 {
		o.line("Nothing would be built.")
	}
	if n := len(p.Warnings); n > 0 {
		o.line("%d %s", n, map[bool]string{true: "warning", false: "warnings"}[n == 1])
	}
}

func levels(a *buildgraph.ArchPlan) int {
	n := 0
	for _, b := range a.Builds {
		n = max(n, b.Level+1)
	}
	return n
}

func (o *printer) architecture(arch string, a *buildgraph.ArchPlan) {
	o.line("\n%s, in build order:", arch)
	lines := make([]string, len(a.Builds))
	for i, b := range a.Builds {
		lines[i] = strings.TrimRight(fmt.Sprintf("%3d  %-28s %-18s %s", b.Level, b.Key(), buildgraph.VersionWords(b.BumpedFrom, b.Version), b.Reason), " ")
	}
	o.list(lines)
	if len(a.Cuts) > 0 {
		o.line("\nignored cycle edges (built against the base repositories' package):")
		o.list(cutLines(a.Cuts))
	}
	if len(a.Chain) > 1 {
		o.line("\nlongest chain, %d builds%s:", len(a.Chain), chainTime(a))
		o.line("  %s", strings.Join(a.Chain, " → "))
	}
}

func cutLines(cuts []buildgraph.Cut) []string {
	lines := make([]string, len(cuts))
	for i, c := range cuts {
		lines[i] = fmt.Sprintf("%s → %s (%s), cycle %s", c.From, c.To, strings.Join(c.Kinds, ", "), strings.Join(append(slices.Clone(c.Cycle), c.Cycle[0]), " → "))
	}
	return lines
}

// chainTime returns the duration of the longest chain, by what is known of durations.
func chainTime(a *buildgraph.ArchPlan) string {
	longest := 0.0
	for _, b := range a.Builds {
		longest = max(longest, b.Priority)
	}
	if longest == 0 {
		return ""
	}
	return ", about " + time.Duration(longest*float64(time.Second)).Round(time.Minute).String()
}

func (o *printer) warnings(list []buildgraph.Warning) {
	if len(list) == 0 {
		return
	}
	o.line("\nwarnings:")
	lines := make([]string, len(list))
	for i, w := range list {
		lines[i] = fmt.Sprintf("%s: %s", w.Kind, w.Message)
	}
	o.list(lines)
}
