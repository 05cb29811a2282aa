package forecast_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw/forecast"
)

func graph(t *testing.T, n int, edges ...forecast.Edge) *forecast.Graph {
	t.Helper()
	g, err := forecast.NewGraph(n, edges)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestDiamondTakesItsLongerSide(t *testing.T) {
	t.Parallel()
	g := graph(t, 4, forecast.Edge{From: 0, To: 1}, forecast.Edge{From: 0, To: 2}, forecast.Edge{From: 1, To: 3}, forecast.Edge{From: 2, To: 3})
	seconds := []float64{1, 10, 2, 5}
	chains := g.Chains(seconds)
	if d := cmp.Diff([]float64{16, 15, 7, 5}, chains); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int32{0, 1, 3}, g.Critical(seconds, chains)); d != "" {
		t.Error(d)
	}
	for workers, want := range map[int]float64{1: 18, 2: 16, 9: 16} {
		if span, _ := g.Makespan(seconds, chains, workers); span != want {
			t.Errorf("%d workers take %v s, want %v", workers, span, want)
		}
		if bound := g.Bound(seconds, workers); bound != want {
			t.Errorf("the bound of %d workers is %v s, want %v", workers, bound, want)
		}
	}
	if span, _ := g.Makespan(seconds, chains, 0); !math.IsInf(span, 1) {
		t.Errorf("nobody does it in %v s", span)
	}
}

func TestWhatTakesNoTimeNeedsNoWorker(t *testing.T) {
	t.Parallel()
	g := graph(t, 3, forecast.Edge{From: 0, To: 1}, forecast.Edge{From: 1, To: 2})
	seconds := []float64{0, 3, 0}
	if span, idle := g.Makespan(seconds, g.Chains(seconds), 1); span != 3 || idle != 0 {
		t.Errorf("took %v s, %v idle", span, idle)
	}
	if d := cmp.Diff([]int32{1}, g.Critical(seconds, g.Chains(seconds))); d != "" {
		t.Error(d)
	}
}

func TestCircleIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := forecast.NewGraph(2, []forecast.Edge{{From: 0, To: 1}, {From: 1, To: 0}}); err == nil {
		t.Error("a circle was taken")
	}
	if _, err := forecast.NewGraph(2, []forecast.Edge{{From: 0, To: 2}}); err == nil {
		t.Error("an edge to nowhere was taken")
	}
}

// TestMakespanKeepsItsPromises checks what list scheduling guarantees: never
// better than the bound, never twice as long, and every second accounted for.
func TestMakespanKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(r, "builds")
		seconds := rapid.SliceOfN(rapid.Float64Range(0, 1000), n, n).Draw(r, "seconds")
		var edges []forecast.Edge
		for to := 1; to < n; to++ {
			for _, from := range rapid.SliceOfNDistinct(rapid.Int32Range(0, int32(to-1)), 0, min(3, to), rapid.ID).Draw(r, "needs") {
				edges = append(edges, forecast.Edge{From: from, To: int32(to)})
			}
		}
		g, err := forecast.NewGraph(n, edges)
		if err != nil {
			r.Fatal(err)
		}
		workers := rapid.IntRange(1, 6).Draw(r, "workers")
		span, idle := g.Makespan(seconds, g.Chains(seconds), workers)
		bound := g.Bound(seconds, workers)
		if span < bound*(1-1e-9) || span > 2*bound*(1+1e-9) {
			r.Errorf("took %v, bound %v", span, bound)
		}
		if idle < -1e-6*span || idle > span*float64(workers) {
			r.Errorf("idle for %v of %v", idle, span)
		}
	})
}

func TestEstimateOfCertainWorkIsExact(t *testing.T) {
	t.Parallel()
	g := graph(t, 2, forecast.Edge{From: 0, To: 1})
	got := g.Estimate([]forecast.Duration{{Seconds: 60}, {Seconds: 30}}, []float64{50, 0}, 1)
	if d := cmp.Diff(forecast.Range{Early: 40, Likely: 40, Late: 40}, got); d != "" {
		t.Error(d)
	}
	got = g.Estimate([]forecast.Duration{{Seconds: 60}, {Seconds: 30}}, []float64{600, 0}, 1)
	if got.Likely != 36 {
		t.Errorf("a build that is overdue leaves %v s", got.Likely)
	}
}

func TestEstimateGrowsWithTheSpread(t *testing.T) {
	t.Parallel()
	g := graph(t, 3, forecast.Edge{From: 0, To: 1}, forecast.Edge{From: 1, To: 2})
	d := []forecast.Duration{{Seconds: 60, Spread: 1}, {Seconds: 60, Spread: 1}, {Seconds: 60, Spread: 1}}
	got := g.Estimate(d, nil, 1)
	if !(got.Early < 150 && got.Early < got.Likely && got.Likely < got.Late && got.Late > 250) {
		t.Errorf("got %+v", got)
	}
}

// TestGuessesFromAFewBuildsShareTheirError: thousands of independent errors even out,
// and the band would be narrower than what is known allows. The tenths of a normal
// distribution lie at 1.28 standard deviations.
func TestGuessesFromAFewBuildsShareTheirError(t *testing.T) {
	t.Parallel()
	d := make([]forecast.Duration, 5000)
	for i := range d {
		d[i] = forecast.Duration{Seconds: 60, Spread: 1.3}
	}
	g := graph(t, len(d))
	if got := g.Estimate(d, nil, 10); got.Late/got.Early > 1.15 {
		t.Errorf("known durations: %+v", got)
	}
	for i := range d {
		d[i].Common = 0.3
	}
	got := g.Estimate(d, nil, 10)
	for what, ratio := range map[string]float64{"late": got.Late / got.Likely, "early": got.Likely / got.Early} {
		if want := math.Exp(1.28 * 0.3); ratio < want/1.1 || ratio > want*1.1 {
			t.Errorf("%s is off by the factor %.2f, want %.2f: %+v", what, ratio, want, got)
		}
	}
}
