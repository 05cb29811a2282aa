package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw/buildgraph"
)

// PlanDigest is the same for two plans exactly when they build the same commits
// in the same order. Durations, and what follows from them, are not part of it.
func PlanDigest(p *buildgraph.Plan) string {
	hash := sha256.New()
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		a := p.Architectures[arch]
		fmt.Fprintf(hash, "architecture %s\n", arch)
		for _, line := range buildLines(a) {
			fmt.Fprintln(hash, line)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// buildLines says each build, edge and cut in one line, sorted: the plan's own
// order may follow from durations.
func buildLines(a *buildgraph.ArchPlan) []string {
	lines := make([]string, 0, len(a.Builds)+len(a.Edges)+len(a.Cuts))
	for _, b := range a.Builds {
		lines = append(lines, fmt.Sprintf("build %s %s %s %t %t", b.Key(), b.Commit, b.Version, b.NoCheck, b.Any))
	}
	for _, e := range a.Edges {
		lines = append(lines, "edge "+e.From+" "+e.To+" "+strings.Join(e.Kinds, ","))
	}
	for _, c := range a.Cuts {
		lines = append(lines, "cut "+c.From+" "+c.To+" "+strings.Join(c.Kinds, ","))
	}
	slices.Sort(lines)
	return lines
}
