package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// What builds of a package took is told for those that ended on a machine, of all
// buildspaces, the newest first.
func TestPastBuildsOfAPackage(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	run := func(buildspace string, took time.Duration, memory int64, end func(*store.Claimed)) {
		db.Iterate(t, db.NewBuildspace(t, buildspace), storetest.Plan("lib"))
		c := db.Claim(t, "w")
		db.Clock.Advance(took)
		if err := db.NoteFinish(t.Context(), c.Attempt.Lease, nil, memory); err != nil {
			t.Fatal(err)
		}
		end(c)
	}
	run("first", 90*time.Second, 1<<20, func(c *store.Claimed) { db.Finish(t, c) })
	run("second", time.Minute, 0, func(c *store.Claimed) { db.End(t, c, buildbtw.OutcomeFailed) })
	run("third", time.Hour, 5, func(c *store.Claimed) { db.End(t, c, buildbtw.OutcomeInfrastructure) }) // it is tried again
	want := []string{"second #1 failed 60 s, 0 and 0 bytes", "first #1 built 90 s, 1048576 and 1000 bytes"}
	for limit := range 3 {
		list, err := db.PastBuilds(t.Context(), "lib", "x86_64", limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range list {
			got = append(got, fmt.Sprintf("%s #%d %s %.0f s, %d and %d bytes", b.Buildspace, b.Iteration, b.Status, b.Seconds, b.Memory, b.Size))
		}
		if strings.Join(got, "\n") != strings.Join(want[:limit], "\n") {
			t.Errorf("%d: %q", limit, got)
		}
	}
	if list, err := db.PastBuilds(t.Context(), "lib", "aarch64", 5); err != nil || len(list) != 0 {
		t.Errorf("for another architecture: %+v, %v", list, err)
	}
}
