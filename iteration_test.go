package buildbtw_test

import (
	"slices"
	"testing"

	"buildbtw"
)

func TestIterationStatusFollowsFromItsBuilds(t *testing.T) {
	t.Parallel()
	type counts = buildbtw.Counts
	tests := map[string]struct {
		state  buildbtw.IterationState
		counts counts
		want   buildbtw.IterationStatus
	}{
		"nothing to build":            {buildbtw.IterationReady, nil, buildbtw.IterationStatusBuilt},
		"all built":                   {buildbtw.IterationReady, counts{buildbtw.StatusBuilt: 3}, buildbtw.IterationStatusBuilt},
		"built and unchanged":         {buildbtw.IterationReady, counts{buildbtw.StatusBuilt: 3, buildbtw.StatusSkipped: 1}, buildbtw.IterationStatusBuilt},
		"one pending":                 {buildbtw.IterationReady, counts{buildbtw.StatusBuilt: 3, buildbtw.StatusPending: 1}, buildbtw.IterationStatusBuilding},
		"one at GitLab":               {buildbtw.IterationReady, counts{buildbtw.StatusScheduled: 1}, buildbtw.IterationStatusBuilding},
		"work goes on past failures":  {buildbtw.IterationReady, counts{buildbtw.StatusFailed: 1, buildbtw.StatusBuilding: 1}, buildbtw.IterationStatusBuilding},
		"one failed":                  {buildbtw.IterationReady, counts{buildbtw.StatusBuilt: 3, buildbtw.StatusFailed: 1}, buildbtw.IterationStatusFailed},
		"blocked for good":            {buildbtw.IterationReady, counts{buildbtw.StatusSkipped: 1, buildbtw.StatusBlocked: 1}, buildbtw.IterationStatusFailed},
		"invalid":                     {buildbtw.IterationInvalid, nil, buildbtw.IterationStatusInvalid},
		"stopped":                     {buildbtw.IterationStopped, counts{buildbtw.StatusBuilt: 1}, buildbtw.IterationStatusStopped},
		"superseded while publishing": {buildbtw.IterationSuperseded, counts{buildbtw.StatusBuilding: 1}, buildbtw.IterationStatusSuperseded},
		"being planned":               {buildbtw.IterationCalculating, nil, buildbtw.IterationStatusCalculating},
	}
	for name, tt := range tests {
		got := tt.state.DeriveStatus(tt.counts)
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		going := tt.want == buildbtw.IterationStatusBuilding || tt.want == buildbtw.IterationStatusCalculating
		if got.Final() == going {
			t.Errorf("%s: final %v, want %v", name, got.Final(), !going)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	c := buildbtw.Counts{buildbtw.StatusBuilt: 3, buildbtw.StatusSkipped: 2, buildbtw.StatusFailed: 1}
	if c.Total() != 6 || c.Settled() != 5 {
		t.Errorf("total %d, settled %d; want 6 and 5", c.Total(), c.Settled())
	}
}

func TestEdgeKindsHaveNames(t *testing.T) {
	t.Parallel()
	tests := map[buildbtw.EdgeKinds][]string{
		0:                    {},
		buildbtw.EdgeDepends: {"depends"},
		buildbtw.EdgeDepends | buildbtw.EdgeCheckdepends:                            {"depends", "checkdepends"},
		buildbtw.EdgeDepends | buildbtw.EdgeMakedepends | buildbtw.EdgeCheckdepends: {"depends", "makedepends", "checkdepends"},
	}
	for kinds, want := range tests {
		if got := kinds.Names(); !slices.Equal(got, want) {
			t.Errorf("%b: %v, want %v", kinds, got, want)
		}
	}
}

func TestRepositoryName(t *testing.T) {
	t.Parallel()
	if got := buildbtw.RepositoryName("curl-fix", 12); got != "curl-fix_12" {
		t.Errorf("got %s", got)
	}
}

func TestCheckdependsBringNobodyIn(t *testing.T) {
	t.Parallel()
	if got := buildbtw.TriggerKinds(false); got != buildbtw.EdgeDepends {
		t.Errorf("without makedepends: %v", got.Names())
	}
	if got := buildbtw.TriggerKinds(true); got != buildbtw.EdgeDepends|buildbtw.EdgeMakedepends {
		t.Errorf("with makedepends: %v", got.Names())
	}
}
