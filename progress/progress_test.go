package progress

import (
	"context"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// teach builds packages in a buildspace of their own, each for so many seconds.
func teach(t *testing.T, db *storetest.DB, seconds map[string]int) {
	t.Helper()
	names := slices.Sorted(maps.Keys(seconds))
	db.Iterate(t, db.NewBuildspace(t, "school"), storetest.Plan(names...))
	for range names {
		c := db.Claim(t, "teacher")
		db.Clock.Advance(time.Duration(seconds[c.Build.Pkgbase]) * time.Second)
		db.Finish(t, c)
	}
}

func forecastOf(t testing.TB, k *Forecasts, db *storetest.DB, name string) Forecast {
	t.Helper()
	it, err := db.Iteration(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := k.Of(t.Context(), &db.Reader, it, db.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLearnedDurationsChangeTheOrder(t *testing.T) {
	t.Parallel()
	f := storetest.New(t)
	teach(t, f, map[string]int{"quick": 10, "other": 20, "slow": 5000})
	f.Iterate(t, f.NewBuildspace(t, "work"), storetest.Plan("quick", "other: quick", "slow"))
	seconds, err := Reorder(t.Context(), f.Store)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(seconds); n != 3 {
		t.Errorf("%d durations were learned", n)
	}
	if c := f.Claim(t, "w1"); c.Build.Pkgbase != "slow" || c.Build.Priority != 5000 {
		t.Errorf("handed out %s with %v s first", c.Build.Pkgbase, c.Build.Priority)
	}
	if c := f.Claim(t, "w2"); c.Build.Pkgbase != "quick" || c.Build.Priority != 30 {
		t.Errorf("handed out %s with %v s next", c.Build.Pkgbase, c.Build.Priority)
	}
	f.Check(t)
}

func TestForecast(t *testing.T) {
	t.Parallel()
	f := storetest.New(t)
	teach(t, f, map[string]int{"lib": 100, "app": 200, "tool": 50})
	f.Iterate(t, f.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib", "tool", "broken", "above: broken"))
	for c := f.Claim(t, "w1"); c.Build.Pkgbase != "broken"; c = f.Claim(t, "w1") {
		f.Finish(t, c) // lib, app, tool: at once, which teaches nothing
	}
	f.End(t, f.Claim(t, "w1"), buildbtw.OutcomeFailed)
	var k Forecasts
	got := forecastOf(t, &k, f, "work")
	if got.Remaining != 0 || got.Blocked != 1 || got.Seconds != nil || len(got.Chain) != 0 {
		t.Errorf("behind a failure: %+v", got)
	}
	if n := len(got.BurnDown); n == 0 || got.BurnDown[n-1].Remaining != 1 {
		t.Errorf("burn-down %+v", got.BurnDown)
	}

	if s := got.Stops; len(s) != 1 || s[0].Blocked.Build.Pkgbase != "broken" || s[0].Blocked.Builds != 1 || !s[0].At.Equal(f.Clock.Now().UTC()) {
		t.Errorf("stops %+v, want broken, now", s)
	}
	if h := got.Blockers; len(h) != 1 || h[0].Build.Pkgbase != "broken" || h[0].Builds != 1 || math.Round(h[0].Seconds) != 100 {
		t.Errorf("broken holds %+v, want above for the typical 100 s", h)
	}

	f.Iterate(t, f.NewBuildspace(t, "next"), storetest.Plan("lib", "app: lib", "tool"))
	f.Claim(t, "w1") // lib
	f.Clock.Advance(40 * time.Second)
	got = forecastOf(t, &k, f, "next")
	var chain []string
	for _, s := range got.Chain {
		chain = append(chain, s.Build.Pkgbase)
	}
	if d := cmp.Diff([]string{"lib", "app"}, chain); d != "" || got.ChainSeconds != 260 || got.WorkSeconds != 310 {
		t.Errorf("chain %v of %v s, work %v s", chain, got.ChainSeconds, got.WorkSeconds)
	}
	// w1 and teacher are there, and no other iteration has work.
	if got.Workers != 2 || got.Remaining != 3 || got.Known != 3 || got.Seconds == nil {
		t.Fatalf("got %+v", got)
	}
	if r := *got.Seconds; r.Early < 180 || r.Early > r.Likely || r.Likely > r.Late || r.Late > 340 {
		t.Errorf("time left %+v", r)
	}
	f.Clock.Advance(time.Second)
	if again := forecastOf(t, &k, f, "next"); !again.At.Equal(got.At) {
		t.Errorf("asked again at once: from %v, want %v", again.At, got.At)
	}
	f.Clock.Advance(keepTime)
	if again := forecastOf(t, &k, f, "next"); again.At.Equal(got.At) {
		t.Errorf("asked again later: still from %v", again.At)
	}
}

// TestFewKnownDurationsWidenTheBand: of 3,000 builds two have a known duration, and what
// the others take is guessed from these.
func TestFewKnownDurationsWidenTheBand(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	teach(t, db, map[string]int{"a": 100, "b": 100})
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Fan(1000))
	db.Claim(t, "w1")
	var k Forecasts
	got := forecastOf(t, &k, db, "work")
	if got.Seconds == nil || got.Known != 0 {
		t.Fatalf("got %+v", got)
	}
	// The standard error of a mean of two, with the usual spread of 1.3: 1.3/√2 = 0.92.
	if ratio := got.Seconds.Late / got.Seconds.Early; ratio < 8 || ratio > 14 {
		t.Errorf("late is %.1f times early, want about e^(2·1.28·0.92) = 10.5", ratio)
	}
}

func TestSharesOfCompetingIterations(t *testing.T) {
	t.Parallel()
	low, normal, high := buildbtw.PriorityLow, buildbtw.PriorityNormal, buildbtw.PriorityHigh
	all := []store.ReadyIteration{{ID: 1, Priority: normal, Working: true}, {ID: 2, Priority: normal, Working: true}, {ID: 3, Priority: high, Working: true}, {ID: 4, Priority: low, Working: true}, {ID: 5, Priority: high}}
	for id, want := range map[int64]int{1: 3, 3: 1, 4: 4, 5: 2} {
		if got := rivals(all, id); got != want {
			t.Errorf("iteration %d is one of %d, want %d", id, got, want)
		}
	}
}

func BenchmarkForecastOfADistribution(b *testing.B) {
	db := storetest.New(b)
	it := db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Synthetic(7885, 68000, 1))
	for w := range 64 {
		db.Claim(b, string(rune('a'+w/26))+string(rune('a'+w%26)))
	}
	for b.Loop() {
		f, err := calculate(context.Background(), &db.Reader, it, db.Clock.Now())
		if err != nil || f.Seconds == nil {
			b.Fatal(f, err)
		}
	}
}

func BenchmarkReorderADistribution(b *testing.B) {
	db := storetest.New(b)
	it := db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Synthetic(7885, 68000, 1))
	for n := 0; b.Loop(); n++ {
		k := newDurations([]store.Duration{{Pkgbase: "any", Architecture: "x86_64", Seconds: float64(1000 * (1 + n%2))}})
		if err := reorder(context.Background(), db.Store, it.ID, k); err != nil {
			b.Fatal(err)
		}
	}
}
