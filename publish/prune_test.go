package publish_test

import (
	"testing"

	"buildbtw"
	"buildbtw/publish"
)

func TestUploadsOfAFailedAttemptArePruned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, _ := f.claimed(t)
	f.Pass(t, "prune")
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 1 {
		t.Fatalf("staged files of a running attempt: %v %v", staged, err)
	}
	if _, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, publish.Report{Outcome: buildbtw.OutcomeFailed, Reason: "check() failed"}); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "prune")
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 0 {
		t.Errorf("staged files of a failed attempt: %v %v", staged, err)
	}
}
