package views

import (
	"fmt"
	"strconv"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
)

func largePlan(builds, levels int) *buildgraph.Plan {
	arch := &buildgraph.ArchPlan{}
	for i := range builds {
		arch.Builds = append(arch.Builds, buildgraph.Build{Pkgbase: fmt.Sprintf("p%05d", i), Stage: 1, Level: i * levels / builds})
	}
	return &buildgraph.Plan{
		Scope: buildbtw.ScopeAuto, Scopes: map[string]int{"none": 1, "direct": 141, "all": builds},
		Architectures: map[string]*buildgraph.ArchPlan{"x86_64": arch},
	}
}

func TestALargePlanIsBoundedAndNothingIsDroppedSilently(t *testing.T) {
	t.Parallel()
	p := largePlan(6885, 62)
	for i := range 300 {
		p.Warnings = append(p.Warnings, buildgraph.Warning{Kind: buildgraph.WarnUnresolved},
			buildgraph.Warning{Kind: buildgraph.WarnUnreadable, Source: strconv.Itoa(i)})
		p.Architectures["x86_64"].Cuts = append(p.Architectures["x86_64"].Cuts, buildgraph.Cut{Cycle: []string{"a", "b"}})
	}
	s := Summarize(p)
	a := s.Architectures[0]
	counted, shown := a.LevelsLeft, 0
	for _, l := range a.Levels {
		counted += l.Builds
		shown += len(l.Shown)
	}
	if s.Builds() != 6885 || counted != 6885 {
		t.Errorf("%d builds, %d of them accounted for", s.Builds(), counted)
	}
	if shown > shownLevels*shownPerLevel || len(a.Levels) != shownLevels {
		t.Errorf("%d builds shown on %d levels", shown, len(a.Levels))
	}
	if len(a.Cuts)+a.CutsLeft != 300 || len(s.Others)+s.OthersLeft != 300 {
		t.Errorf("cuts %d + %d, notes %d + %d; want 300 each", len(a.Cuts), a.CutsLeft, len(s.Others), s.OthersLeft)
	}
	if len(s.Unreadable) != 300 {
		t.Errorf("%d of 300 unreadable sources shown", len(s.Unreadable))
	}
	if got := a.Cuts[0].Cycle; len(got) != 3 || got[0] != got[2] {
		t.Errorf("the cycle is not closed: %v", got)
	}
}

func TestTheChosenScopeIsMarked(t *testing.T) {
	t.Parallel()
	for scope, want := range map[buildbtw.Scope]string{"none": "none", "direct": "direct", "all": "all", "auto": "all"} {
		p := largePlan(5, 1)
		p.Scope = scope
		if got := render(t, ScopeCounts(Summarize(p))).Find(".chosen dt").Text(); got != want {
			t.Errorf("scope %s marks %q, want %q", scope, got, want)
		}
	}
}
