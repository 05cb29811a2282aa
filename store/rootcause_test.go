package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// causes gives the root causes of a build by name.
func causes(t *testing.T, db *storetest.DB, pkgbase string) []string {
	t.Helper()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: pkgbase})
	if err != nil || len(rows) == 0 {
		t.Fatalf("find %s: %d rows, %v", pkgbase, len(rows), err)
	}
	one, err := db.Build(t.Context(), rows[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rows[0], one); d != "" {
		t.Errorf("list and single build differ:\n%s", d)
	}
	names := []string{}
	for _, c := range one.RootCauses {
		names = append(names, c.Pkgbase+" "+string(c.Status))
	}
	return names
}

func TestBlockedBuildsNameTheRootCause(t *testing.T) {
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(
		"bad", "slow", "dropped", "mid: bad", "top: mid slow", "both: top dropped", "waits: slow", "free",
		"ended: bad", "above: ended"))
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed) // bad
	db.Claim(t, "w1")                                    // slow
	for _, pkgbase := range []string{"dropped", "ended"} {
		rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: pkgbase})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.CancelBuild(t.Context(), "alice", rows[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	for pkgbase, want := range map[string][]string{
		"mid":   {"bad failed"},
		"top":   {"bad failed"},
		"both":  {"dropped skipped", "bad failed"}, // nearest first
		"waits": {},                                // it only waits for its turn
		"free":  {},
		"above": {"ended skipped"}, // what that one waited for does not matter any more
		"bad":   {},
	} {
		if d := cmp.Diff(want, causes(t, db, pkgbase)); d != "" {
			t.Errorf("%s:\n%s", pkgbase, d)
		}
	}
	blockers, err := db.Blockers(t.Context(), it.ID, 0)
	if err != nil || len(blockers) != 3 || blockers[0].Build.Pkgbase != "bad" || blockers[0].Blocks != 3 ||
		blockers[1].Build.Pkgbase != "dropped" || blockers[1].Blocks != 1 || blockers[2].Build.Pkgbase != "ended" || blockers[2].Blocks != 1 {
		t.Errorf("blockers %+v, %v", blockers, err)
	}
	if one, err := db.Blockers(t.Context(), it.ID, 1); err != nil || len(one) != 1 {
		t.Errorf("one blocker: %+v, %v", one, err)
	}
}

func TestRootCausesReachThroughTwins(t *testing.T) {
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.PlanFor([]string{"aarch64", "x86_64"}, "lib", "data*: lib", "app: data"))
	c := db.Claim(t, "w1", "aarch64")
	db.End(t, c, buildbtw.OutcomeFailed)
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: "app", Architecture: "x86_64"})
	if err != nil || len(rows) != 1 || len(rows[0].RootCauses) != 1 || rows[0].RootCauses[0].ID != c.Build.ID {
		t.Errorf("app for x86_64: %+v, %v; want lib for aarch64 as the cause", rows, err)
	}
}

func TestRootCausesAreBounded(t *testing.T) {
	db := storetest.New(t)
	lines, all := []string{}, "app:"
	for i := range 30 {
		name := "lib" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		lines, all = append(lines, name), all+" "+name
	}
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(append(lines, all)...))
	for c := db.Claim(t, "w1"); c != nil; c = db.Claim(t, "w1") {
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	if n := len(causes(t, db, "app")); n != store.MaxRootCauses {
		t.Errorf("%d causes, want %d", n, store.MaxRootCauses)
	}
}
