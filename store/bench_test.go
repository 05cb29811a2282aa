package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// The size of the data set's full graph.
const (
	fullBuilds = 7885
	fullEdges  = 68000
)

func BenchmarkCreateIteration(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	plan := storetest.Synthetic(fullBuilds, fullEdges, 1)
	b.ReportMetric(float64(len(plan.Architectures["x86_64"].Edges)), "edges")
	for b.Loop() {
		db.Iterate(b, space, plan) // supersedes the one before
	}
}

// BenchmarkIterationThatDiffersInACommit reports by how much the database grows.
func BenchmarkIterationThatDiffersInACommit(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	plan := storetest.Synthetic(fullBuilds, fullEdges, 1)
	size := func() float64 {
		db.Reopen(b) // what is in the write-ahead log goes into the file
		info, err := os.Stat(db.Path)
		if err != nil {
			b.Fatal(err)
		}
		return float64(info.Size())
	}
	db.Iterate(b, space, plan)
	before, n := size(), 0
	for b.Loop() {
		n++
		plan.Architectures["x86_64"].Builds[fullBuilds/2].Commit = fmt.Sprintf("%040x", n)
		db.Iterate(b, space, plan)
	}
	b.ReportMetric((size()-before)/float64(n)/1e6, "MB/iteration")
}

func BenchmarkClaimAmongAllPending(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	db.Iterate(b, space, storetest.Synthetic(fullBuilds, 0, 1))
	n := 0
	for b.Loop() {
		c := db.Claim(b, fmt.Sprintf("w%d", n))
		if c == nil {
			b.StopTimer()
			db.Iterate(b, space, storetest.Synthetic(fullBuilds, 0, 1))
			b.StartTimer()
		}
		n++
	}
}

func BenchmarkClaimFindsNothing(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	db.Iterate(b, space, storetest.Synthetic(fullBuilds, fullEdges, 1))
	for b.Loop() {
		if c := db.Claim(b, "w", "riscv64"); c != nil {
			b.Fatal("claimed")
		}
	}
}

func BenchmarkFinishUnblocks3000(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	for b.Loop() {
		b.StopTimer()
		db.Iterate(b, space, storetest.Fan(3000))
		c := db.Claim(b, "w1")
		if _, err := db.BeginPublish(b.Context(), c.Attempt.Lease, db.Upload(b, c)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := db.CompletePublish(b.Context(), c.Attempt.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinishThenClaimDependent(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	plan := storetest.Synthetic(fullBuilds, fullEdges, 1)
	db.Iterate(b, space, plan)
	for b.Loop() {
		c := db.Claim(b, "w1")
		if c == nil {
			b.StopTimer()
			db.Iterate(b, space, plan)
			b.StartTimer()
			continue
		}
		db.Finish(b, c)
	}
}

// blockedAll gives an iteration in which everything waits for one failed build
// at the bottom.
func blockedAll(b *testing.B) (*storetest.DB, store.IterationRow) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	it := db.Iterate(b, space, storetest.Synthetic(fullBuilds, fullEdges, 1))
	for c := db.Claim(b, "w1"); c != nil; c = db.Claim(b, "w1") {
		db.End(b, c, buildbtw.OutcomeFailed)
	}
	return db, it
}

func BenchmarkPageOfBlockedBuilds(b *testing.B) {
	db, _ := blockedAll(b)
	for b.Loop() {
		rows, _, err := db.Builds(b.Context(), store.BuildFilter{Buildspace: "bench", Status: "blocked"})
		if err != nil || len(rows) != 50 || len(rows[0].RootCauses) == 0 {
			b.Fatal(len(rows), err)
		}
	}
}

func BenchmarkPageOfBlockedBuildsCold(b *testing.B) {
	db, _ := blockedAll(b)
	for b.Loop() {
		b.StopTimer()
		db.Reopen(b)
		b.StartTimer()
		if _, _, err := db.Builds(b.Context(), store.BuildFilter{Buildspace: "bench", Status: "blocked"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlockers(b *testing.B) {
	db, it := blockedAll(b)
	for b.Loop() {
		if _, err := db.Blockers(b.Context(), it.ID, 10); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGraph(b *testing.B) {
	db := storetest.New(b)
	it := db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Synthetic(fullBuilds, fullEdges, 1))
	for b.Loop() {
		if _, err := db.Graph(b.Context(), it.ID, "x86_64"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	db.Iterate(b, space, storetest.Synthetic(fullBuilds, fullEdges, 1))
	db.Iterate(b, space, storetest.Synthetic(fullBuilds, fullEdges, 2))
	for b.Loop() {
		if _, err := db.Diff(b.Context(), "bench", 1, 2); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuildspaces(b *testing.B) {
	db := storetest.New(b)
	for i := range 20 {
		db.Iterate(b, db.NewBuildspace(b, fmt.Sprintf("bench%d", i)), storetest.Synthetic(2000, 0, 1))
	}
	for b.Loop() {
		if _, _, err := db.Buildspaces(b.Context(), store.BuildspaceFilter{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	db := storetest.New(b)
	db.Iterate(b, db.NewBuildspace(b, "bench"), storetest.Plan("lib"))
	c := db.Claim(b, "w1")
	for b.Loop() {
		if _, err := db.Heartbeat(b.Context(), c.Attempt.Lease, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSinceBuilt compares a build with the last success of its package: 34 buildspaces of
// 200 builds, each with 200 installed packages of its own choice among 15,000, a fifth of which
// has changed between any two buildspaces.
func BenchmarkSinceBuilt(b *testing.B) {
	db := storetest.New(b)
	r := rand.New(rand.NewPCG(1, 1))
	var last int64
	for space := range 34 { // the last one fails
		db.Iterate(b, db.NewBuildspace(b, fmt.Sprintf("space%d", space)), storetest.Synthetic(200, 0, 1))
		for c := db.Claim(b, "w"); c != nil; c = db.Claim(b, "w") {
			names := map[string]string{}
			for len(names) < 200 {
				n := r.IntN(15_000)
				names[fmt.Sprintf("package-%d", n)] = fmt.Sprintf("%d-1", 1+(n+space)%5/4*space)
			}
			var list []alpm.Installed
			for _, name := range slices.Sorted(maps.Keys(names)) {
				list = append(list, alpm.Installed{Name: name, Version: names[name]})
			}
			if err := db.NoteInstalled(b.Context(), c.Attempt.Lease, list); err != nil {
				b.Fatal(err)
			}
			if space%3 == 1 {
				db.Finish(b, c)
			} else {
				db.End(b, c, buildbtw.OutcomeFailed)
			}
			last = c.Build.ID
		}
	}
	b.ResetTimer()
	for b.Loop() {
		s, err := db.SinceBuilt(b.Context(), last)
		if err != nil || s == nil || len(s.Changes) == 0 || s.FirstFailure == nil {
			b.Fatalf("%+v, %v", s, err)
		}
	}
}
