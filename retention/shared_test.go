package retention_test

import (
	"fmt"
	"testing"

	"buildbtw/pacman/alpm"
)

// TestAPassRemovesWhatNoBuildNeeds has many rows that nothing refers to, and some that a build
// has: after a pass the second are left, and no transaction took long.
func TestAPassRemovesWhatNoBuildNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Push(t, "lib", "pkgbase = lib\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = lib\n")
	w.create(t, "work", "lib")
	c := w.DB.Claim(t, "worker")
	if c == nil {
		t.Fatal("nothing is to be built")
	}
	if err := w.DB.NoteInstalled(t.Context(), c.Attempt.Lease, []alpm.Installed{{Name: "gcc", Version: "1-1"}}); err != nil {
		t.Fatal(err)
	}
	w.build(t, c)
	before, err := w.DB.CountShared(t.Context())
	if err != nil || before.Sets != 1 || before.Interfaces == 0 {
		t.Fatalf("counted %+v, %v", before, err)
	}
	const nobodys = 3000
	interfaces := map[string]alpm.Interface{}
	for i := range nobodys {
		interfaces[fmt.Sprintf("%064x", i)] = alpm.Interface{}
	}
	if err := w.DB.SaveInterfaces(t.Context(), interfaces); err != nil {
		t.Fatal(err)
	}
	plan, err := w.keeper.DryRun(t.Context())
	if err != nil || plan.Shared.Interfaces != nobodys || plan.Shared.Sets != 0 {
		t.Errorf("the dry run: %+v, %v", plan.Shared, err)
	}
	if after, err := w.DB.CountShared(t.Context()); err != nil || after.Interfaces != before.Interfaces+nobodys {
		t.Errorf("the dry run has removed something: %+v, %v", after, err)
	}
	w.pass(t)
	if after, err := w.DB.CountShared(t.Context()); err != nil || after != before {
		t.Errorf("after a pass: %+v, %v; want %+v", after, err, before)
	}
	if p := w.keeper.Progress(); p.Shared != nobodys {
		t.Errorf("the pass says %+v", p)
	}
	w.DB.Check(t)
}
