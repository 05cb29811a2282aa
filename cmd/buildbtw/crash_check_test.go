package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/pacman/srcinfo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// checkDemo looks at what is left on the disk.
func checkDemo(t *testing.T, s *site) {
	t.Helper()
	database := databasePath(s.data())
	(&storetest.DB{Path: database}).Check(t)
	db, err := store.Open(t.Context(), database, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkAttempts(t, db)
	workers, err := db.Workers(t.Context())
	i := slices.IndexFunc(workers, func(w store.WorkerRow) bool { return w.Name == drainedWorker })
	if err != nil || i < 0 || workers[i].DrainingSince == nil {
		t.Errorf("%s does not drain any more: %+v, %v", drainedWorker, workers, err)
	}
	checkOrder(t, db)
	checkPackages(t, s)
}

// checkAttempts wants every build built by exactly one attempt, and none left
// under way.
func checkAttempts(t *testing.T, db *store.Store) {
	t.Helper()
	builds, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "demo", Limit: 100})
	if err != nil || len(builds) != demoBuilds {
		t.Fatalf("%d builds, error %v", len(builds), err)
	}
	outcomes := map[buildbtw.Outcome]int{}
	for _, b := range builds {
		attempts, err := db.Attempts(t.Context(), b.ID)
		if err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, a := range attempts {
			outcomes[a.Outcome]++
			if a.Worker == drainedWorker {
				t.Errorf("attempt %d of %s was given to a worker that drains", a.Number, b.Pkgbase)
			}
			if a.State != buildbtw.AttemptFinished {
				t.Errorf("attempt %d of %s is %s", a.Number, b.Pkgbase, a.State)
			}
			if a.Outcome == buildbtw.OutcomeBuilt {
				good++
			}
		}
		if b.Status != buildbtw.StatusBuilt || good != 1 {
			t.Errorf("%s is %s after %d attempts, %d of them built", b.Pkgbase, b.Status, len(attempts), good)
		}
	}
	t.Logf("attempts by outcome: %v", outcomes)
}

// checkOrder wants no build to have been started before all that it needs was
// published.
func checkOrder(t *testing.T, db *store.Store) {
	t.Helper()
	first := map[int64]int64{} // build to the event that started its first attempt
	built := map[int64]int64{} // build to the event that said it was built
	for _, e := range history(t, db) {
		if _, ok := first[e.BuildID]; e.To == buildbtw.StatusBuilding && !ok {
			first[e.BuildID] = e.ID
		}
		if e.To == buildbtw.StatusBuilt {
			built[e.BuildID] = e.ID
		}
	}
	it, err := db.Iteration(t.Context(), "demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := db.Graph(t.Context(), it.ID, "x86_64")
	if err != nil || len(graph.Edges) == 0 {
		t.Fatalf("%d edges, error %v", len(graph.Edges), err)
	}
	for _, e := range graph.Edges {
		if built[e.From] == 0 || first[e.To] < built[e.From] {
			t.Errorf("build %d was started by event %d, but build %d, which it needs, was built by event %d", e.To, first[e.To], e.From, built[e.From])
		}
	}
}

func history(t *testing.T, db *store.Store) []store.EventRow {
	t.Helper()
	var all []store.EventRow
	for since := int64(0); ; {
		rows, err := db.Events(t.Context(), store.EventFilter{Buildspace: "demo", Since: since, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return all
		}
		all, since = append(all, rows...), rows[len(rows)-1].ID
	}
}

// checkPackages reads the whole repository and compares what it lists with what
// the sources say.
func checkPackages(t *testing.T, s *site) {
	t.Helper()
	repos, err := pacmanrepo.Open(filepath.Join(s.data(), "repos"), pacmanrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	contents, err := repos.Verify(context.Background(), "demo_1")
	if err != nil || len(contents) != 1 {
		t.Fatalf("%d repositories, error %v", len(contents), err)
	}
	if diff := cmp.Diff(demoPackages(t, s), contents[0].Listed); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if len(contents[0].Unlisted) > 0 {
		t.Errorf("files beside the database: %v", contents[0].Unlisted)
	}
	if staged, err := repos.Staged(); err != nil || len(staged) > 0 {
		t.Errorf("staged files stay behind: %v %v", staged, err)
	}
}

// demoPackages gives the file names of all packages of all sources, sorted.
func demoPackages(t *testing.T, s *site) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.sources(), "*", ".SRCINFO"))
	if err != nil || len(files) != demoBuilds {
		t.Fatalf("%d sources, error %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := srcinfo.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range info.Packages {
			arch := "x86_64"
			if slices.Contains(p.Arch, "any") {
				arch = "any"
			}
			names = append(names, alpm.Filename(p.Name, info.Version(), arch, "zst"))
		}
	}
	slices.Sort(names)
	return names
}
