package scheduler_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestPlansKnowWhatWasLearned(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1.0"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1.0", "lib"))
	f.DB.Iterate(t, f.DB.NewBuildspace(t, "school"), storetest.Plan("app", "lib"))
	seconds := map[string]float64{"lib": 64, "app": 1024}
	for range seconds {
		c := f.DB.Claim(t, "teacher")
		f.DB.Clock.Advance(time.Duration(seconds[c.Build.Pkgbase]) * time.Second)
		f.DB.Finish(t, c)
	}
	f.Space(t, "work", "lib")
	f.Pass(t, "learn", "sync", "iterate")
	got := map[string]float64{}
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work"})
	for _, b := range rows {
		got[b.Pkgbase] = b.Priority
	}
	if d := cmp.Diff(map[string]float64{"lib": 64 + 1024, "app": 1024}, got); d != "" || err != nil {
		t.Error(d, err)
	}
}
