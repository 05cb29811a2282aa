package scheduler

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

type fixture struct {
	*Scheduler
	db *storetest.DB
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db := storetest.New(t)
	return &fixture{&Scheduler{Config: Config{Store: db.Store, Catalog: catalog.New(catalog.Config{}), Now: db.Clock.Now}}, db}
}

// teach builds packages in a buildspace of their own, each for so many seconds.
func (f *fixture) teach(t *testing.T, seconds map[string]int) {
	t.Helper()
	names := make([]string, 0, len(seconds))
	for name := range seconds {
		names = append(names, name)
	}
	slices.Sort(names)
	f.db.Iterate(t, f.db.NewBuildspace(t, "school"), storetest.Plan(names...))
	for range names {
		c := f.db.Claim(t, "teacher")
		f.db.Clock.Advance(time.Duration(seconds[c.Build.Pkgbase]) * time.Second)
		f.db.Finish(t, c)
	}
}

func (f *fixture) latest(t *testing.T, name string) store.IterationRow {
	t.Helper()
	it, err := f.Store.Iteration(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func TestLearnedDurationsChangeTheOrder(t *testing.T) {
	f := newFixture(t)
	f.teach(t, map[string]int{"quick": 10, "other": 20, "slow": 5000})
	f.db.Iterate(t, f.db.NewBuildspace(t, "work"), storetest.Plan("quick", "other: quick", "slow"))
	if err := f.learnPass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := f.db.Claim(t, "w1"); c.Build.Pkgbase != "slow" || c.Build.Priority != 5000 {
		t.Errorf("handed out %s with %v s first", c.Build.Pkgbase, c.Build.Priority)
	}
	if c := f.db.Claim(t, "w2"); c.Build.Pkgbase != "quick" || c.Build.Priority != 30 {
		t.Errorf("handed out %s with %v s next", c.Build.Pkgbase, c.Build.Priority)
	}
	f.db.Check(t)
}

func TestForecast(t *testing.T) {
	f := newFixture(t)
	f.teach(t, map[string]int{"lib": 100, "app": 200, "tool": 50})
	f.db.Iterate(t, f.db.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib", "tool", "broken", "above: broken"))
	for c := f.db.Claim(t, "w1"); c.Build.Pkgbase != "broken"; c = f.db.Claim(t, "w1") {
		f.db.Finish(t, c) // lib, app, tool: at once, which teaches nothing
	}
	f.db.End(t, f.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	got, err := f.Forecast(t.Context(), f.latest(t, "work"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Remaining != 0 || got.Blocked != 1 || got.Seconds != nil || len(got.Chain) != 0 {
		t.Errorf("behind a failure: %+v", got)
	}
	if n := len(got.BurnDown); n == 0 || got.BurnDown[n-1].Remaining != 1 {
		t.Errorf("burn-down %+v", got.BurnDown)
	}

	if h := got.Blockers; len(h) != 1 || h[0].Build.Pkgbase != "broken" || h[0].Builds != 1 || math.Round(h[0].Seconds) != 100 {
		t.Errorf("broken holds %+v, want above for the typical 100 s", h)
	}

	f.db.Iterate(t, f.db.NewBuildspace(t, "next"), storetest.Plan("lib", "app: lib", "tool"))
	f.db.Claim(t, "w1") // lib
	f.db.Clock.Advance(40 * time.Second)
	got, err = f.Forecast(t.Context(), f.latest(t, "next"))
	if err != nil {
		t.Fatal(err)
	}
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
	if again, err := f.Forecast(t.Context(), f.latest(t, "next")); err != nil || !again.At.Equal(got.At) {
		t.Errorf("asked again at once: %v, %v", again.At, err)
	}
}

func TestSharesOfCompetingIterations(t *testing.T) {
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
	s := &Scheduler{Config: Config{Store: db.Store, Now: db.Clock.Now}}
	for b.Loop() {
		var f api.Forecast
		f, err := s.forecast(context.Background(), it)
		if err != nil || f.Seconds == nil {
			b.Fatal(f, err)
		}
	}
}

func BenchmarkReorderADistribution(b *testing.B) {
	db := storetest.New(b)
	it := db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Synthetic(7885, 68000, 1))
	s := &Scheduler{Config: Config{Store: db.Store, Now: db.Clock.Now}}
	for n := 0; b.Loop(); n++ {
		k := newKnowledge([]store.Duration{{Pkgbase: "any", Architecture: "x86_64", Seconds: float64(1000 * (1 + n%2))}})
		if err := s.reorder(context.Background(), it.ID, k); err != nil {
			b.Fatal(err)
		}
	}
}
