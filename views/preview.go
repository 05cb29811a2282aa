package views

import (
	"strings"

	"buildbtw"
)

// summaryChangesets bounds the changesets that a preview names.
const summaryChangesets = 5

// Summary says in a few words what a link to the page is worth, for previews of
// it elsewhere.
func (v Iteration) Summary() string {
	var names []string
	for _, c := range v.Changesets[:min(len(v.Changesets), summaryChangesets)] {
		names = append(names, buildbtw.Changeset{Source: c.Source, Ref: c.Ref}.String())
	}
	words := "Changes " + strings.Join(names, ", ")
	if more := len(v.Changesets) - summaryChangesets; more > 0 {
		words += " and " + Count(more) + " more"
	}
	words += "."
	if v.Number > 0 {
		words += " " + CountWords(v.Counts)
	}
	if len(v.Blockers) > 0 && v.Blockers[0].Blocks > 0 {
		words += " " + v.Blockers[0].Build.Name() + " failed: blocks " + Plural(v.Blockers[0].Blocks, "build") + "."
	}
	return words
}
