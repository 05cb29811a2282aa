package chaos

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// checkAll looks at what is left on the disk after everything has stopped.
func checkAll(t *testing.T, r *run) {
	t.Helper()
	if err := r.check(t.Context()); err != nil {
		t.Error(err)
	}
	db, err := store.Open(t.Context(), r.site.database(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkAttempts(t, db, len(r.sources))
	checkRepository(t, r)
}

// checkAttempts wants every build built by exactly one attempt, and none left
// under way.
func checkAttempts(t *testing.T, db *store.Store, want int) {
	t.Helper()
	rows, err := allBuilds(t.Context(), db)
	if err != nil || len(rows) != want {
		t.Fatalf("%d builds instead of %d, error %v", len(rows), want, err)
	}
	outcomes := map[buildbtw.Outcome]int{}
	for _, b := range rows {
		attempts, err := db.Attempts(t.Context(), b.ID)
		if err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, a := range attempts {
			outcomes[a.Outcome]++
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

func allBuilds(ctx context.Context, db *store.Store) (all []store.BuildRow, err error) {
	for cursor := ""; ; {
		rows, next, err := db.Builds(ctx, store.BuildFilter{Buildspace: space, Cursor: cursor, Limit: 500})
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if next == "" {
			return all, nil
		}
		cursor = next
	}
}

// checkRepository reads all packages of the repository and wants each that the
// sources name exactly once, and nothing else on the disk.
func checkRepository(t *testing.T, r *run) {
	t.Helper()
	repos, err := pacmanrepo.Open(filepath.Join(r.site.data(), "repos"), pacmanrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	contents, err := repos.Verify(t.Context(), space+"_1")
	if err != nil || len(contents) != 1 {
		t.Fatalf("%d repositories, error %v", len(contents), err)
	}
	var want []string
	shared := false
	for _, s := range r.sources {
		want = append(want, s.packages()...)
		if s.shares && !shared { // of many of one version the first by name is the owner
			want, shared = append(want, alpm.Filename("shared", "1-1", s.arch(), "zst")), true
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, contents[0].Listed); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if len(contents[0].Unlisted) > 0 {
		t.Errorf("files beside the database: %v", contents[0].Unlisted)
	}
	if staged, err := repos.Staged(); err != nil || len(staged) > 0 {
		t.Errorf("staged files stay behind: %v %v", staged, err)
	}
}
