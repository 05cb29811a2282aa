package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func signatureBy(key string, files ...string) []buildbtw.Signature {
	var list []buildbtw.Signature
	for _, f := range files {
		list = append(list, buildbtw.Signature{FileSHA256: f, Key: key, Packet: []byte(key + f)})
	}
	return list
}

// signing gives a release that waits for signatures of two files.
func signing(t *testing.T) (*storetest.DB, store.ReleaseRow) {
	t.Helper()
	db, _, r := releasing(t)
	row := create(t, db, r, true)
	files := []buildbtw.SigningFile{{Name: "b", SHA256: "2", Size: 20, State: []byte{0, 2}}, {Name: "a", SHA256: "1", Size: 10, State: []byte{0, 1}}}
	if err := db.WaitForSignatures(t.Context(), row.ID, files); err != nil {
		t.Fatal(err)
	}
	return db, row
}

func wantState(t *testing.T, db *storetest.DB, id int64, want buildbtw.ReleaseState) {
	t.Helper()
	if r, err := db.Release(t.Context(), id); err != nil || r.State != want {
		t.Errorf("release %d is %s (%v), want %s", id, r.State, err, want)
	}
}

func TestAReleaseWaitsForAllSignatures(t *testing.T) {
	t.Parallel()
	db, r := signing(t)
	keys := []string{"old", "new"}
	wantState(t, db, r.ID, buildbtw.ReleaseSigning)
	waiting, err := db.Signing(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].ID != r.ID || waiting[0].Target != "stable" {
		t.Errorf("%+v, %v", waiting, err)
	}
	files, err := db.SigningFiles(t.Context(), r.ID)
	want := []buildbtw.SigningFile{{ReleaseID: r.ID, Name: "a", SHA256: "1", Size: 10, State: []byte{0, 1}}, {ReleaseID: r.ID, Name: "b", SHA256: "2", Size: 20, State: []byte{0, 2}}}
	if d := cmp.Diff(want, files); d != "" || err != nil {
		t.Errorf("files (-want +got, %v):\n%s", err, d)
	}
	if err := db.WaitForSignatures(t.Context(), r.ID, nil); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("it waits twice: %v", err)
	}
	if _, err := db.CreateRelease(t.Context(), "alice", r.Release, nil, true); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the same was created while it waits: %v", err)
	}

	// One file by a key, the other by one that is not accepted, then by an accepted one.
	for _, step := range []struct {
		signatures []buildbtw.Signature
		signed     int
		state      buildbtw.ReleaseState
	}{
		{nil, 0, buildbtw.ReleaseSigning},
		{signatureBy("new", "1"), 1, buildbtw.ReleaseSigning},
		{signatureBy("new", "1"), 1, buildbtw.ReleaseSigning},
		{signatureBy("other", "2"), 1, buildbtw.ReleaseSigning},
		{signatureBy("old", "1", "2"), 2, buildbtw.ReleaseHandingOver},
		{signatureBy("old", "1", "2"), 2, buildbtw.ReleaseHandingOver}, // the signer was late, or sent them twice
	} {
		if err := db.AddSignatures(t.Context(), "bob", r.ID, step.signatures, keys); err != nil {
			t.Fatal(err)
		}
		wantState(t, db, r.ID, step.state)
		if p, err := db.SigningProgress(t.Context(), r.ID, keys); err != nil || p != (store.SigningProgress{Files: 2, Signed: step.signed}) {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if err := db.AddSignatures(t.Context(), "bob", r.ID, signatureBy("third", "1"), keys); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a new signature that nobody waits for: %v", err)
	}
	got, err := db.Signatures(t.Context(), []string{"1", "2", "3"}, keys)
	if err != nil || len(got) != 2 || string(got["2"].Packet) != "old2" || got["2"].By != "bob" || got["1"].Key != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if none, err := db.Signatures(t.Context(), []string{"1"}, nil); err != nil || len(none) != 0 {
		t.Errorf("signatures by no key: %+v, %v", none, err)
	}
	events, err := db.Events(t.Context(), store.EventFilter{Buildspace: "space", Newest: true, Limit: 2})
	if err != nil || len(events) != 2 || events[0].Actor != "bob" || !strings.Contains(events[1].Message, "waits for signatures") {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestAReleaseThatWaitsCanBeGivenUp(t *testing.T) {
	t.Parallel()
	db, r := signing(t)
	if err := db.EndRelease(t.Context(), "alice", r.ID, buildbtw.ReleaseWithdrawn, "Nobody signs it."); err != nil {
		t.Fatal(err)
	}
	if err := db.AddSignatures(t.Context(), "bob", r.ID, signatureBy("new", "1", "2"), []string{"new"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("signed too late: %v", err)
	}
	wantState(t, db, r.ID, buildbtw.ReleaseWithdrawn)
	if got, err := db.Signatures(t.Context(), []string{"1"}, []string{"new"}); err != nil || len(got) != 0 {
		t.Errorf("stored all the same: %+v, %v", got, err)
	}

	// What is signed already need not be signed again; what waits no more is forgotten.
	again := r.Release
	again.ID = 0
	next := create(t, db, again, true)
	if err := db.WaitForSignatures(t.Context(), next.ID, []buildbtw.SigningFile{{Name: "a", SHA256: "1", State: []byte{1}}}); err != nil {
		t.Fatal(err)
	}
	if files, err := db.SigningFiles(t.Context(), r.ID); err != nil || len(files) != 0 {
		t.Errorf("%+v, %v", files, err)
	}
}
