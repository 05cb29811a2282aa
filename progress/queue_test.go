package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// placeOf says where a build of a buildspace stands: "3rd of 4 at 200 s after a, b", or why not.
func placeOf(t *testing.T, db *storetest.DB, k *Forecasts, space, pkgbase string) string {
	t.Helper()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: space, Pkgbase: pkgbase})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d builds of %s, %v", len(rows), pkgbase, err)
	}
	p, err := k.Place(t.Context(), db.Store, rows[0], db.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if p == nil {
		return "none"
	}
	words := fmt.Sprintf("%d of %d", p.Number, p.Of)
	if p.Number > 0 {
		words = fmt.Sprintf("%s of %d at %v s", buildbtw.Ordinal(p.Number), p.Of, p.Start.Sub(db.Clock.Now()).Seconds())
	}
	names := []string{}
	for _, b := range p.Before {
		names = append(names, b.Pkgbase)
	}
	if len(names) > 0 {
		words += " after " + strings.Join(names, ", ")
	}
	if p.Higher > 0 {
		words += fmt.Sprintf(" (%d higher)", p.Higher)
	}
	if p.Why != "" {
		words += ": " + p.Why
	}
	return words
}

func TestAPendingBuildHasAPlace(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	teach(t, db, map[string]int{"a": 100, "b": 50, "c": 10, "d": 10, "e": 10, "runs": 30})
	db.Clock.Advance(time.Hour) // the teacher has left
	low := buildbtw.DefaultSettings()
	low.Priority, low.Reuse = buildbtw.PriorityLow, false
	db.Iterate(t, db.NewBuildspaceWith(t, "low", low), storetest.Plan("x"))
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("runs", "a", "b", "c", "d", "e", "later: a"))
	if c := db.Claim(t, "w1"); c.Build.Pkgbase != "runs" {
		t.Fatalf("%s was handed out first", c.Build.Pkgbase)
	}
	db.Clock.Advance(10 * time.Second)
	k := new(Forecasts)
	got := []string{}
	for _, name := range []string{"a", "b", "e", "runs", "later"} {
		got = append(got, name+": "+placeOf(t, db, k, "work", name))
	}
	got = append(got, "x: "+placeOf(t, db, k, "low", "x"))
	want := []string{
		"a: 1st of 6 at 20 s",
		"b: 2nd of 6 at 120 s after a",
		"e: 5th of 6 at 190 s after a, b, c",
		"runs: none",
		"later: none", // it is not pending
		"x: 6th of 6 at 200 s after a, b, c (5 higher)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// Two machines: each takes the next.
	db.Claim(t, "w2") // a
	if got := placeOf(t, db, new(Forecasts), "work", "e"); got != "4th of 5 at 90 s after b, c, d" {
		t.Errorf("with two machines e is %s", got)
	}
}

func TestWhyAPendingBuildDoesNotStart(t *testing.T) {
	t.Parallel()
	db := storetest.NewWith(t, func(o *store.Options) { o.MaxRunning, o.LabelCaps = 2, map[string]int{"vm": 1} })
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("a", "b", "c", "d"))
	want := func(name, words string) {
		t.Helper()
		if got := placeOf(t, db, new(Forecasts), "work", name); got != words {
			t.Errorf("%s is %s, want %s", name, got, words)
		}
	}
	want("a", "0 of 4: no machine is connected")

	db.Claim(t, "arm", "aarch64")
	want("a", "0 of 4: no machine that is connected builds for x86_64")

	ask := storetest.Ask("virtual")
	ask.Worker.Labels = buildbtw.Names{"vm"}
	if _, err := db.ClaimBuild(t.Context(), ask); err != nil { // a
		t.Fatal(err)
	}
	want("b", "1st of 3 at 60 s: the machines with the label vm run 1 builds, as many as they may at the same time")

	db.Claim(t, "w1") // b
	want("c", "1st of 2 at 60 s: its buildspace runs 2 builds, as many as one may at the same time")

	for _, name := range []string{"virtual", "w1"} {
		if err := db.DrainWorker(t.Context(), "alice", name); err != nil {
			t.Fatal(err)
		}
	}
	want("c", "0 of 2: the machines that build for x86_64 get no new builds: they are draining or quarantined")
}

func TestPlacesInGitLab(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("a", "b", "c"))
	k := &Forecasts{Pipelines: Pipelines{Most: 2, Architectures: []string{"x86_64"}}}
	if got := placeOf(t, db, k, "work", "c"); got != "3rd of 3 at 60 s after a, b" {
		t.Errorf("c is %s", got)
	}
	k = &Forecasts{Pipelines: Pipelines{Most: 2, Architectures: []string{"riscv64"}}}
	if got := placeOf(t, db, k, "work", "c"); got != "0 of 3: no pipelines are made for x86_64" {
		t.Errorf("c is %s", got)
	}
}
