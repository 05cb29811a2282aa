package buildgraph

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteDOT writes the build graphs of a plan for Graphviz, one digraph for each
// architecture. Changesets are bold, cut edges dashed, orders over packages
// outside the set dotted.
func (p *Plan) WriteDOT(w io.Writer) error {
	var b strings.Builder
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		p.Architectures[arch].writeDOT(&b, arch)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *ArchPlan) writeDOT(b *strings.Builder, arch string) {
	fmt.Fprintf(b, "strict digraph {\n\tlabel=%q;\n\trankdir=\"LR\";\n", arch)
	for i := range a.Builds {
		build := &a.Builds[i]
		style := ""
		if build.Reason.Via == "" {
			style = ` style="bold",`
		}
		fmt.Fprintf(b, "\t%q [%s tooltip=%q];\n", build.Key(), style, build.Reason.String())
	}
	drawn := map[[2]string]bool{}
	edge := func(from, to, style string, kinds []string) {
		if ends := [2]string{from, to}; !drawn[ends] { // with two stages, the second build has an edge in the place of a cut
			drawn[ends] = true
			fmt.Fprintf(b, "\t%q -> %q [ style=%q, tooltip=%q];\n", from, to, style, strings.Join(kinds, " "))
		}
	}
	for _, e := range a.Edges {
		style := "solid"
		if len(e.Through) > 0 {
			style = "dotted"
		}
		edge(e.From, e.To, style, e.Kinds)
	}
	for _, c := range a.Cuts {
		edge(c.From, c.To, "dashed", c.Kinds)
	}
	b.WriteString("}\n")
}
