package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// spaceWith makes a buildspace of a priority with so many builds to hand out.
func spaceWith(t testing.TB, db *storetest.DB, name string, p buildbtw.Priority, builds int) {
	t.Helper()
	b := buildbtw.Buildspace{Name: name, Settings: buildbtw.DefaultSettings()}
	b.Priority, b.Reuse = p, false // all have the same builds
	row, err := db.CreateBuildspace(context.Background(), "alice", b, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, builds)
	for i := range lines {
		lines[i] = fmt.Sprintf("p%d", i)
	}
	db.Iterate(t, row, storetest.Plan(lines...))
}

func TestBuildspacesOfOnePriorityShareTheWorkers(t *testing.T) {
	db := storetest.New(t)
	spaceWith(t, db, "large", buildbtw.PriorityNormal, 20)
	for w := range 4 {
		db.Claim(t, fmt.Sprintf("w%d", w))
	}
	spaceWith(t, db, "small", buildbtw.PriorityNormal, 20)
	var got []string
	for w := 4; w < 10; w++ {
		db.Clock.Advance(time.Second)
		got = append(got, db.Claim(t, fmt.Sprintf("w%d", w)).Build.Buildspace)
	}
	want := []string{"small", "small", "small", "small", "large", "small"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWaitingRaisesThePriority(t *testing.T) {
	db := storetest.New(t)
	spaceWith(t, db, "low", buildbtw.PriorityLow, 2)
	spaceWith(t, db, "emergency", buildbtw.PriorityEmergency, 40)
	var served []time.Duration
	for w := range 30 {
		db.Clock.Advance(10 * time.Minute)
		if c := db.Claim(t, fmt.Sprintf("w%d", w)); c.Build.Buildspace == "low" {
			served = append(served, db.Clock.Now().Sub(storetest.Start()))
		}
	}
	if d := cmp.Diff([]time.Duration{90 * time.Minute, 180 * time.Minute}, served); d != "" {
		t.Error(d)
	}
}

// TestNobodyStarves keeps workers busy with a stream of urgent work that never
// ends: old buildspaces always have more builds, and new ones come. A low one
// gets a worker within four aging steps and one claim for each other one there
// was by then.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		db := storetest.New(t)
		defer db.Close() // storetest closes it again and tells of errors
		spaceWith(t, db, "low", buildbtw.PriorityLow, 1)
		others := rapid.IntRange(1, 4).Draw(r, "others")
		for i := range others {
			spaceWith(t, db, fmt.Sprintf("other%d", i), rapid.SampledFrom(buildbtw.Priorities()[1:]).Draw(r, "priority"), 60)
		}
		longest := rapid.IntRange(5, 30).Draw(r, "minutes between claims")
		limit := 2*time.Hour + time.Duration((others+4)*longest)*time.Minute
		for n := 0; ; n++ {
			c := db.Claim(t, fmt.Sprintf("w%d", n%3))
			waited := db.Clock.Now().Sub(storetest.Start())
			if c.Build.Buildspace == "low" {
				return
			}
			if waited > limit {
				r.Fatalf("the low buildspace has waited for %v; at most %v among %d others", waited, limit, others)
			}
			db.Finish(t, c)
			if n%40 == 20 && n < 140 { // they come before four steps are over
				spaceWith(t, db, fmt.Sprintf("new%d", n), buildbtw.PriorityEmergency, 60)
			}
			db.Clock.Advance(time.Duration(longest) * time.Minute)
		}
	})
}

func TestCapsBoundWhatRuns(t *testing.T) {
	db := storetest.NewWith(t, func(o *store.Options) { o.MaxRunning, o.LabelCaps = 3, map[string]int{"big": 1} })
	spaceWith(t, db, "first", buildbtw.PriorityHigh, 9)
	spaceWith(t, db, "second", buildbtw.PriorityNormal, 9)
	claim := func(worker string, labels ...string) string {
		t.Helper()
		ask := storetest.Ask(worker)
		ask.Worker.Labels = labels
		c, err := db.ClaimBuild(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return ""
		}
		return c.Build.Buildspace
	}
	got := []string{
		claim("w0", "big"), claim("w1", "big"), claim("w2"), claim("w3", "small"),
		claim("w4"), claim("w5"), claim("w6"), claim("w7"),
	}
	if d := cmp.Diff([]string{"first", "", "first", "first", "second", "second", "second", ""}, got); d != "" {
		t.Error(d)
	}
}
