package store

import (
	"time"

	"buildbtw"
)

// Observer is told what happened in the database. Its methods are called after the commit,
// from many goroutines, and must not wait.
type Observer interface {
	// Moved says that n builds changed their status.
	Moved(to buildbtw.Status, cause buildbtw.Cause, n int)

	// Ended says that an attempt came to its end.
	Ended(outcome buildbtw.Outcome)

	// Saved says that n builds came to their end without being built, because their result
	// was there (CauseReused) or nothing that they depend on changed (CauseUnchanged).
	Saved(cause buildbtw.Cause, n int)

	// Leased says how long a build could have been handed out before it was.
	Leased(waited time.Duration)

	// Took says how long one use of the database took.
	Took(kind Timing, took time.Duration)
}

// Timing is a kind of use of the database.
type Timing string

// The kinds of uses.
const (
	TimingRead  Timing = "read"  // a statement that only reads, outside of writing transactions
	TimingWrite Timing = "write" // a writing transaction, from its begin to the commit
	TimingWait  Timing = "wait"  // what a writing transaction waited for the one before it
)

// Timings returns all kinds.
func Timings() []Timing { return []Timing{TimingRead, TimingWrite, TimingWait} }

// nobody observes nothing.
type nobody struct{}

func (nobody) Moved(buildbtw.Status, buildbtw.Cause, int) {}
func (nobody) Ended(buildbtw.Outcome)                     {}
func (nobody) Saved(buildbtw.Cause, int)                  {}
func (nobody) Leased(time.Duration)                       {}
func (nobody) Took(Timing, time.Duration)                 {}

// seen is what a transaction has to tell the observer when it is committed.
type seen struct {
	moves  []movedBuilds
	saves  []movedBuilds
	ended  []buildbtw.Outcome
	leased []time.Duration
}

type movedBuilds struct {
	to    buildbtw.Status
	cause buildbtw.Cause
	n     int
}

func (s *seen) saved(cause buildbtw.Cause, n int) {
	if n > 0 {
		s.saves = append(s.saves, movedBuilds{cause: cause, n: n})
	}
}

func (s *seen) tell(o Observer) {
	for _, m := range s.moves {
		o.Moved(m.to, m.cause, m.n)
	}
	for _, m := range s.saves {
		o.Saved(m.cause, m.n)
	}
	for _, outcome := range s.ended {
		o.Ended(outcome)
	}
	for _, waited := range s.leased {
		o.Leased(waited)
	}
}
