package graphview

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"buildbtw"
)

// WriteDOT writes a picture for Graphviz: the edges that are drawn, and cuts.
func (s *State) WriteDOT(w io.Writer, p *Picture, name string) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "digraph %s {\n  rankdir=LR;\n  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\"];\n", quoted(name))
	for i, b := range p.Boxes {
		status := "built"
		if !b.Region() {
			status = string(s.Builds[b.Nodes[0]].Status)
		}
		fmt.Fprintf(out, "  n%d [label=%s, fillcolor=%s, tooltip=%s];\n", i, quoted(s.fullName(b)), quoted(fill(status)), quoted(status))
	}
	for _, l := range p.Lines {
		e := p.Edges[l.Edge]
		style := [...]string{"solid", "dashed", "dotted"}[e.StyleOf()]
		fmt.Fprintf(out, "  n%d -> n%d [style=%s, tooltip=%s];\n", e.From, e.To, style, quoted(strings.Join(e.Kinds.Names(), " ")))
	}
	for _, c := range p.Cuts {
		fmt.Fprintf(out, "  n%d -> n%d [style=dashed, color=\"#8a5300\", constraint=false, tooltip=%s];\n",
			c.From, c.To, quoted("ignored: on the cycle "+strings.Join(c.Cycle, " → ")))
	}
	fmt.Fprintln(out, "}")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the graph for Graphviz: %w", err)
	}
	return nil
}

func (s *State) fullName(b Box) string {
	if b.Region() {
		return s.Label(b)
	}
	return s.Nodes[b.Nodes[0]].Key()
}

// quoted returns a string of the language DOT, in which only the quotation mark and
// the backslash before it mean something.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// fill returns the light colour of a status, for files that leave the site.
func fill(status string) string {
	switch buildbtw.Status(status) {
	case buildbtw.StatusBuilt:
		return "#d8efdd"
	case buildbtw.StatusFailed:
		return "#fdd9d5"
	case buildbtw.StatusBuilding:
		return "#d3ebf9"
	case buildbtw.StatusScheduled:
		return "#e4e0fb"
	case buildbtw.StatusPending:
		return "#e3f1f7"
	}
	return "#f0f3f5"
}
