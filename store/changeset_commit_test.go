package store_test

import (
	"strings"
	"testing"

	"buildbtw/store/storetest"
)

func TestCommitsOfChangesetsAreFoundByTheirBeginning(t *testing.T) {
	db := storetest.New(t)
	row := db.NewBuildspace(t, "lib")
	for _, digit := range []string{"a", "b", "b"} {
		p := storetest.Plan("lib")
		p.Changesets[0].Commit = strings.Repeat(digit, 40)
		db.Iterate(t, row, p)
	}
	found, err := db.ChangesetCommits(t.Context(), "bbbb", 10)
	if err != nil || len(found) != 2 || found[0].Iteration != 3 || found[1].Iteration != 2 || found[0].Buildspace != "lib" || found[0].Source != "lib" {
		t.Errorf("%+v, %v", found, err)
	}
	for _, prefix := range []string{"c", "b%", "_bbb", "' OR 1"} {
		if found, err := db.ChangesetCommits(t.Context(), prefix, 10); err != nil || len(found) != 0 {
			t.Errorf("%q: %+v, %v", prefix, found, err)
		}
	}
}
