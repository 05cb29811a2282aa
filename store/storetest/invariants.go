package storetest

import (
	"testing"

	"buildbtw/store/invariants"
)

// Check fails the test for every invariant that the database breaks.
func (d *DB) Check(t testing.TB) {
	t.Helper()
	for _, violation := range d.Violations(t) {
		t.Error(violation)
	}
}

const (
	checkedCommits = 100 // transactions of a test that are checked one by one
	laterCommits   = 50  // of so many after those, one is
)

// checkCommit is the check after each transaction, but those of the migrations.
func (d *DB) checkCommit(t *testing.T) {
	if d.Store == nil {
		return
	}
	d.checking.Lock()
	d.commits++
	n := d.commits
	d.checking.Unlock()
	if n <= checkedCommits || n%laterCommits == 0 {
		d.Check(t)
	}
}

// Violations says what breaks the invariants, one line each.
func (d *DB) Violations(t testing.TB) []string {
	t.Helper()
	d.checking.Lock()
	defer d.checking.Unlock()
	if d.checker == nil {
		checker, err := invariants.New(t.Context(), d.Path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = checker.Close() }) // it only read
		d.checker = checker
	}
	found, err := d.checker.Violations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}
