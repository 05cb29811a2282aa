package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// learned builds a package once for every duration and gives what was learned.
func learned(t *testing.T, history ...time.Duration) []store.Duration {
	t.Helper()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "space")
	for _, took := range history {
		space.Revision++
		it := db.Iterate(t, space, storetest.Plan("lib"))
		c := db.Claim(t, fmt.Sprintf("w%d", it.Number))
		db.Clock.Advance(took)
		db.Finish(t, c)
	}
	list, err := db.Durations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDurationsAreTheMedianOfTheLatest(t *testing.T) {
	t.Parallel()
	const week, s = 7 * 24 * time.Hour, time.Second
	for name, test := range map[string]struct {
		history []time.Duration
		want    float64 // 0: nothing
	}{
		"nothing":              {nil, 0},
		"zeros":                {[]time.Duration{0, 0, 0}, 0},
		"zeros among real":     {[]time.Duration{0, 60 * s, 0}, 60},
		"weeks":                {[]time.Duration{3 * week, 2 * week}, 0},
		"one outlier of days":  {[]time.Duration{60 * s, week - s}, 60},
		"outliers of days":     {[]time.Duration{60 * s, week - s, 70 * s, week - s, 80 * s}, 80},
		"weeks among real":     {[]time.Duration{60 * s, 4 * week, 80 * s, 70 * s}, 70},
		"a lasting change":     {[]time.Duration{9 * s, 9 * s, 9 * s, 9 * s, 9 * s, 50 * s, 50 * s, 50 * s, 50 * s, 50 * s}, 50},
		"old ones are dropped": {[]time.Duration{9 * s, 9 * s, 9 * s, 9 * s, 1 * s, 2 * s, 3 * s, 4 * s, 5 * s, 6 * s, 7 * s, 8 * s, 9 * s}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			got := learned(t, test.history...)
			if test.want == 0 {
				if len(got) != 0 {
					t.Errorf("learned %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Seconds != test.want || got[0].Pkgbase != "lib" || got[0].Architecture != "x86_64" {
				t.Errorf("learned %+v, want %v s", got, test.want)
			}
		})
	}
}

func TestOnlySuccessTeaches(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	for _, o := range []buildbtw.Outcome{buildbtw.OutcomeFailed, buildbtw.OutcomeInfrastructure} {
		c := db.Claim(t, "w")
		db.Clock.Advance(time.Minute)
		db.End(t, c, o)
	}
	list, err := db.Durations(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("learned %+v, %v", list, err)
	}
}

func TestBurnDown(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c"))
	for n, end := range []func(*store.Claimed){
		func(c *store.Claimed) { db.Finish(t, c) },
		func(c *store.Claimed) { db.End(t, c, buildbtw.OutcomeFailed) },
		func(c *store.Claimed) { db.End(t, c, buildbtw.OutcomeInfrastructure) },
	} {
		c := db.Claim(t, fmt.Sprintf("w%d", n))
		db.Clock.Advance(4 * time.Minute)
		end(c)
	}
	db.Clock.Advance(3 * time.Minute)
	if _, err := db.RetryBuilds(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	points, err := db.BurnDown(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	var left []int
	for _, p := range points {
		left = append(left, p.Remaining)
	}
	if d := cmp.Diff([]int{3, 2, 1, 1, 2}, left); d != "" {
		t.Errorf("%s\n%+v", d, points)
	}
	if first := points[0].At; !first.Equal(storetest.Start()) {
		t.Errorf("begins at %v", first)
	}
}

// What stopped an iteration are builds without packages that others wait for, and people.
func TestStops(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b: a", "c"))
	c := db.Claim(t, "w")
	db.Clock.Advance(time.Minute)
	db.End(t, c, buildbtw.OutcomeFailed)
	db.Clock.Advance(time.Minute)
	if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	stops, err := db.Stops(t.Context(), it, []int64{c.Build.ID})
	want := []store.Stop{
		{At: storetest.Start().Add(time.Minute), Build: c.Build.ID},
		{At: storetest.Start().Add(2 * time.Minute), Actor: "alice"},
	}
	if d := cmp.Diff(want, stops); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
}

func TestPrioritiesOfWhatWaitsCanChange(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c"))
	running := db.Claim(t, "w0")
	work, err := db.Work(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	var list []store.NewPriority
	for i, b := range work.Builds {
		list = append(list, store.NewPriority{Build: b.ID, Seconds: float64(100 + i)})
	}
	if err := db.SetPriorities(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if c := db.Claim(t, "w1"); c.Build.Pkgbase != "c" {
		t.Errorf("handed out %s first", c.Build.Pkgbase)
	}
	if b, err := db.Build(t.Context(), running.Build.ID); err != nil || b.Priority != running.Build.Priority {
		t.Errorf("the priority of a running build is %v (%v)", b.Priority, err)
	}
	db.Check(t)
}

func TestSlotsOfPresentWorkers(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c"))
	ask := storetest.Ask("two")
	for ask.Slot = range 2 {
		if _, err := db.ClaimBuild(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
	}
	db.Clock.Advance(time.Hour)
	db.Claim(t, "arm", "aarch64")
	db.Claim(t, "one")
	db.Claim(t, "aside")
	if err := db.QuarantineWorker(t.Context(), "alice", "aside", "bad disk"); err != nil {
		t.Fatal(err)
	}
	db.Claim(t, "draining")
	if err := db.DrainWorker(t.Context(), "alice", "draining"); err != nil {
		t.Fatal(err)
	}
	n, err := db.Slots(t.Context(), []string{"x86_64"}, db.Clock.Now().Add(-time.Minute))
	if err != nil || n != 3 {
		t.Errorf("%d slots, %v; want 3: two that run something, and one that was seen", n, err)
	}
}

func BenchmarkSetPriorities(b *testing.B) {
	db := storetest.New(b)
	it := db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Synthetic(fullBuilds, fullEdges, 1))
	for n := 0; b.Loop(); n++ {
		work, err := db.Work(b.Context(), it.ID)
		if err != nil {
			b.Fatal(err)
		}
		seconds := make([]float64, len(work.Builds))
		for i := range seconds {
			seconds[i] = float64(i%97 + n)
		}
		var list []store.NewPriority
		for i, chain := range work.Graph.Chains(seconds) {
			list = append(list, store.NewPriority{Build: work.Builds[i].ID, Seconds: chain})
		}
		if err := db.SetPriorities(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
}
