package views

import (
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
)

// PlanSummary is a plan as people read it: bounded, whatever its size.
type PlanSummary struct {
	Scopes        []ScopeCount
	Architectures []PlanArch
	Unreadable    []buildgraph.Warning // all of them: nothing is silently dropped
	Others        []buildgraph.Warning
	OthersLeft    int // further ones that are not shown
}

// ScopeCount is the number of builds that a scope would make.
type ScopeCount struct {
	Scope  buildbtw.Scope
	Builds int
	Chosen bool
}

// PlanArch is the plan of one architecture.
type PlanArch struct {
	Architecture string
	Builds       int
	Chain        []string
	Cuts         []CutLine
	CutsLeft     int
	Levels       []PlanLevel
	LevelsLeft   int // builds on levels that are not shown
}

// PlanLevel is what can be built at the same time.
type PlanLevel struct {
	Level  int
	Builds int
	Shown  []PlanBuild
	Open   bool
}

// PlanBuild is one build of a plan.
type PlanBuild struct {
	Name    string
	Version string
	Reason  string
	NoCheck bool
	Exclude string // the pkgbase that can be excluded; empty for a changeset
}

// CutLine is a dependency that the base provides, because it lies on a cycle.
type CutLine struct {
	From, To string
	Kinds    string
	Cycle    []string // closed: ends with its first name
}

// A page of a plan with 7,000 builds stays readable, and small.
const (
	shownPerLevel = 60
	shownLevels   = 40
	shortLevel    = 12 // builds; such a level is open in a large plan, too
	shownCuts     = 50
	shownWarnings = 100
)

// Summarize makes a plan readable.
func Summarize(p *buildgraph.Plan) PlanSummary {
	s := PlanSummary{Scopes: scopeCounts(p)}
	for _, w := range p.Warnings {
		switch {
		case w.Kind == buildgraph.WarnUnreadable:
			s.Unreadable = append(s.Unreadable, w)
		case len(s.Others) < shownWarnings:
			s.Others = append(s.Others, w)
		default:
			s.OthersLeft++
		}
	}
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		s.Architectures = append(s.Architectures, summarizeArch(arch, p.Architectures[arch]))
	}
	return s
}

// Builds is the number of builds over all architectures.
func (s PlanSummary) Builds() int {
	n := 0
	for _, a := range s.Architectures {
		n += a.Builds
	}
	return n
}

func scopeCounts(p *buildgraph.Plan) []ScopeCount {
	var out []ScopeCount
	for _, scope := range []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll} {
		chosen := p.Scope == scope || p.Scope == buildbtw.ScopeAuto && scope == buildbtw.ScopeAll
		out = append(out, ScopeCount{Scope: scope, Builds: p.Scopes[string(scope)], Chosen: chosen})
	}
	return out
}

func summarizeArch(arch string, p *buildgraph.ArchPlan) PlanArch {
	out := PlanArch{Architecture: arch, Builds: len(p.Builds), Chain: p.Chain}
	for _, c := range p.Cuts[:min(len(p.Cuts), shownCuts)] {
		out.Cuts = append(out.Cuts, NewCutLine(c.From, c.To, c.Kinds, c.Cycle))
	}
	out.CutsLeft = len(p.Cuts) - len(out.Cuts)
	out.Levels, out.LevelsLeft = planLevels(p.Builds)
	return out
}

// NewCutLine makes a cut readable: To takes From from the base.
func NewCutLine(from, to string, kinds, cycle []string) CutLine {
	return CutLine{From: from, To: to, Kinds: strings.Join(kinds, ", "), Cycle: closeCycle(cycle)}
}

// closeCycle repeats the first name at the end, so that the circle is seen.
func closeCycle(cycle []string) []string {
	if len(cycle) == 0 {
		return nil
	}
	return append(slices.Clone(cycle), cycle[0])
}

// planLevels groups builds, which come by level.
func planLevels(builds []buildgraph.Build) (levels []PlanLevel, left int) {
	for _, b := range builds {
		if len(levels) == 0 || levels[len(levels)-1].Level != b.Level {
			if len(levels) == shownLevels {
				left++
				continue
			}
			levels = append(levels, PlanLevel{Level: b.Level})
		}
		l := &levels[len(levels)-1]
		l.Builds++
		if len(l.Shown) < shownPerLevel {
			l.Shown = append(l.Shown, planBuild(b))
		}
	}
	for i, l := range levels {
		levels[i].Open = len(builds) <= shownPerLevel || l.Builds <= shortLevel
	}
	return levels, left
}

func planBuild(b buildgraph.Build) PlanBuild {
	name := b.Pkgbase
	if b.Stage == 2 {
		name += " (stage 2)"
	}
	line := PlanBuild{Name: name, Version: buildgraph.VersionWords(b.BumpedFrom, b.Version), Reason: b.Reason.String(), NoCheck: b.NoCheck}
	if b.Reason.Kind != buildbtw.ReasonChangeset && b.Stage != 2 {
		line.Exclude = b.Pkgbase
	}
	return line
}
