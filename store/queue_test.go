package store_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// The queue hands builds out in the order in which claims get them: buildspaces of all
// priorities, architectures, caps and pauses between claims, in which priorities rise. No
// pause is exactly the time after which they do: SQLite's julianday is a floating-point number.
func TestTheQueueHasTheOrderOfClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		db := storetest.NewWith(t, func(o *store.Options) { o.MaxRunning = rapid.IntRange(0, 3).Draw(r, "at a time") })
		defer db.Close() // storetest closes it again and tells of errors
		for i := range rapid.IntRange(1, 4).Draw(r, "buildspaces") {
			settings := buildbtw.DefaultSettings()
			settings.Reuse = false
			settings.Priority = rapid.SampledFrom(buildbtw.Priorities()).Draw(r, "priority")
			space := db.NewBuildspaceWith(t, fmt.Sprintf("space%d", i), settings)
			db.Iterate(t, space, storetest.PlanFor([]string{"x86_64", "aarch64"}, "a", "b", "c: a", "d"))
			db.Clock.Advance(time.Duration(rapid.IntRange(0, 50).Draw(r, "minutes"))*time.Minute + time.Second)
		}
		queue, err := db.Queue(t.Context())
		if err != nil {
			r.Fatal(err)
		}
		for w := range 20 {
			archs := rapid.SampledFrom([][]string{{"x86_64"}, {"aarch64"}, {"x86_64", "aarch64"}}).Draw(r, "architectures")
			db.Clock.Advance(time.Duration(rapid.IntRange(0, 40).Draw(r, "minutes"))*time.Minute + time.Second)
			next, ok := queue.Next(archs, db.Clock.Now())
			c := db.Claim(t, fmt.Sprintf("w%d", w), archs...)
			switch {
			case (c != nil) != ok:
				r.Fatalf("for %v: claimed %+v, next in the queue %+v (%v)", archs, c, next, ok)
			case ok && c.Build.ID != next.ID:
				r.Fatalf("for %v: claimed %s of %s, next in the queue is %s of %d", archs, c.Build.Pkgbase, c.Build.Buildspace, next.Pkgbase, next.Iteration)
			}
		}
	})
}
