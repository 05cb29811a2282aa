package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"buildbtw/buildgraph"
	"buildbtw/internal/simulation"
	"buildbtw/store/storetest"
)

func simulate(t testing.TB, o simulation.Options) simulation.Result {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Seconds == nil {
		o.Seconds = simulation.LogNormal(o.Seed)
	}
	got, err := simulation.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got.Violations {
		t.Error(v)
	}
	return got
}

func TestOneWorkerTakesTheSumOfAll(t *testing.T) {
	t.Parallel()
	got := simulate(t, simulation.Options{
		Plan: storetest.Plan("a", "b: a", "c: a", "d: b c"), Workers: 1, Check: 1,
		Seconds: func(string) float64 { return 100 },
	})
	if got.Makespan != 400 || got.Bound != 400 || got.Chain != 300 || got.Idle != 0 || !got.Settled() || got.Attempts != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestManyWorkersTakeTheLongestChain(t *testing.T) {
	t.Parallel()
	got := simulate(t, simulation.Options{
		Plan: storetest.Plan("a", "b: a", "c: a", "d: b c"), Workers: 5, Check: 1,
		Seconds: func(string) float64 { return 100 },
	})
	if got.Makespan != 300 || got.Ratio != 1 || got.Idle != 1100 {
		t.Errorf("got %+v", got)
	}
}

// TestNothingIsLostWhateverDies runs random graphs with failures and deaths and
// checks all invariants after every event.
func TestNothingIsLostWhateverDies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		o := simulation.Options{
			Plan:    randomPlan(rapid.Uint64().Draw(r, "graph")),
			Workers: rapid.IntRange(1, 4).Draw(r, "workers"), Seed: rapid.Uint64().Draw(r, "seed"),
			Failures: rapid.Float64Range(0, 0.6).Draw(r, "failures"), Kills: rapid.Float64Range(0, 0.4).Draw(r, "kills"),
			Learn: true, Check: 1,
		}
		got := simulate(t, o)
		if got.Attempts != got.Built+got.Failures+got.Kills {
			r.Errorf("%d attempts, %d built, %d failed, %d killed", got.Attempts, got.Built, got.Failures, got.Kills)
		}
		if !got.Settled() || got.Built != got.Builds {
			r.Errorf("%d of %d builds were built: %+v", got.Built, got.Builds, got)
		}
	})
}

func randomPlan(seed uint64) *buildgraph.Plan {
	random := rand.New(rand.NewPCG(seed, 1))
	lines := make([]string, 1+random.IntN(12))
	for i := range lines {
		lines[i] = fmt.Sprintf("p%d:", i)
		for j := range i {
			if random.IntN(4) == 0 {
				lines[i] += fmt.Sprintf(" p%d", j)
			}
		}
	}
	return storetest.Plan(lines...)
}

func TestSameSeedSameRun(t *testing.T) {
	t.Parallel()
	o := simulation.Options{Plan: storetest.Synthetic(60, 200, 1), Workers: 4, Failures: 0.1, Kills: 0.1, Seed: 7, Learn: true}
	a, b := simulate(t, o), simulate(t, o)
	if a.Makespan != b.Makespan || a.Events != b.Events || a.Kills == 0 || a.Failures == 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
}
