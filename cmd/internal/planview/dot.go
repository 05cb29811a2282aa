package planview

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"buildbtw/buildgraph"
)

// writeDOT writes the build graph in Graphviz's language: a cluster for each
// architecture, cut edges dashed.
func writeDOT(w io.Writer, p *buildgraph.Plan) error {
	var b strings.Builder
	b.WriteString("digraph plan {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"sans-serif\"];\n")
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		writeCluster(&b, arch, p.Architectures[arch])
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCluster(b *strings.Builder, arch string, a *buildgraph.ArchPlan) {
	name := func(key string) string { return fmt.Sprintf("%q", arch+"/"+key) }
	fmt.Fprintf(b, "\tsubgraph %q {\n\t\tlabel=%q;\n", "cluster_"+arch, arch)
	for _, build := range a.Builds {
		fmt.Fprintf(b, "\t\t%s [label=%q, tooltip=%q];\n", name(build.Key()), build.Key(), build.Reason.String())
	}
	for _, e := range a.Edges {
		fmt.Fprintf(b, "\t\t%s -> %s [tooltip=%q];\n", name(e.From), name(e.To), strings.Join(e.Kinds, ", "))
	}
	for _, c := range a.Cuts {
		fmt.Fprintf(b, "\t\t%s -> %s [style=dashed, constraint=false, tooltip=%q];\n", name(c.From), name(c.To), "cut: "+strings.Join(c.Kinds, ", "))
	}
	b.WriteString("\t}\n")
}
