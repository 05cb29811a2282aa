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

// Violations says what breaks the invariants, one line each.
func (d *DB) Violations(t testing.TB) []string {
	t.Helper()
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
