package buildgraph

import (
	"cmp"
	"maps"
	"slices"
)

// PlanDiff is what makes one plan differ from another, by architecture; those
// without a difference are left out.
type PlanDiff struct {
	Architectures map[string]*ArchDiff `json:"architectures"`
}

// ArchDiff lists builds by their keys, sorted.
type ArchDiff struct {
	Added        []string      `json:"added"`
	Removed      []string      `json:"removed"`
	Changed      []BuildChange `json:"changed"`
	EdgesAdded   []Edge        `json:"edges_added"`
	EdgesRemoved []Edge        `json:"edges_removed"`
}

// BuildChange is a build that both plans have, from different commits.
type BuildChange struct {
	Build       string `json:"build"`
	From        string `json:"from"` // commits
	To          string `json:"to"`
	FromVersion string `json:"from_version"`
	ToVersion   string `json:"to_version"`
}

// Diff compares two plans. Either may be nil: then everything of the other was
// added or removed.
func Diff(from, to *Plan) PlanDiff {
	d := PlanDiff{Architectures: map[string]*ArchDiff{}}
	names := map[string]bool{}
	for _, p := range []*Plan{from, to} {
		if p != nil {
			for arch := range p.Architectures {
				names[arch] = true
			}
		}
	}
	for arch := range names {
		if a := diffArch(from.arch(arch), to.arch(arch)); !a.empty() {
			d.Architectures[arch] = a
		}
	}
	return d
}

// arch gives an architecture's plan, an empty one when there is none.
func (p *Plan) arch(name string) *ArchPlan {
	if p == nil || p.Architectures[name] == nil {
		return &ArchPlan{}
	}
	return p.Architectures[name]
}

func (a *ArchDiff) empty() bool {
	return len(a.Added)+len(a.Removed)+len(a.Changed)+len(a.EdgesAdded)+len(a.EdgesRemoved) == 0
}

func diffArch(from, to *ArchPlan) *ArchDiff {
	d := &ArchDiff{Added: []string{}, Removed: []string{}, Changed: []BuildChange{}}
	old, now := from.byKey(), to.byKey()
	for _, key := range slices.Sorted(maps.Keys(now)) {
		was, ok := old[key]
		switch b := now[key]; {
		case !ok:
			d.Added = append(d.Added, key)
		case was.Commit != b.Commit || was.Version != b.Version:
			d.Changed = append(d.Changed, BuildChange{key, was.Commit, b.Commit, was.Version, b.Version})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if now[key] == nil {
			d.Removed = append(d.Removed, key)
		}
	}
	d.EdgesAdded = missingEdges(to.Edges, from.Edges)
	d.EdgesRemoved = missingEdges(from.Edges, to.Edges)
	return d
}

func (a *ArchPlan) byKey() map[string]*Build {
	m := make(map[string]*Build, len(a.Builds))
	for i := range a.Builds {
		m[a.Builds[i].Key()] = &a.Builds[i]
	}
	return m
}

// missingEdges lists the edges that the other list has not. An edge whose kinds
// or way changed is another. Both lists are sorted by their ends.
func missingEdges(list, other []Edge) []Edge {
	out := []Edge{}
	at := 0
	for _, e := range list {
		for at < len(other) && compareEdges(other[at], e) < 0 {
			at++
		}
		if at == len(other) || compareEdges(other[at], e) != 0 || !sameEdge(other[at], e) {
			out = append(out, e)
		}
	}
	return out
}

// compareEdges is the order of edges in a plan.
func compareEdges(a, b Edge) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
}

func sameEdge(a, b Edge) bool {
	return slices.Equal(a.Kinds, b.Kinds) && slices.Equal(a.Through, b.Through)
}
