package scheduler

import (
	"testing"

	"buildbtw"
	"buildbtw/api"
)

func TestUploadsOfAFailedAttemptArePruned(t *testing.T) {
	f := newFixture(t)
	c, _ := f.claimed(t)
	if err := f.prunePass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 1 {
		t.Fatalf("staged files of a running attempt: %v %v", staged, err)
	}
	if _, err := f.Finish(t.Context(), c.Attempt.Lease, api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "check() failed"}); err != nil {
		t.Fatal(err)
	}
	if err := f.prunePass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 0 {
		t.Errorf("staged files of a failed attempt: %v %v", staged, err)
	}
}
