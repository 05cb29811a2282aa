// Package store keeps the state of the service in SQLite: buildspaces,
// iterations, builds and their edges, attempts, packages, workers and events.
//
// A public method is one transaction. Whatever changes a build's status goes
// through transition.go, which writes the event in the same transaction. bun
// writes and loads single rows; sqlx runs the hand-written reads that lists
// need; no function uses both.
package store

import (
	"context"
	"log/slog"
	"time"
)

// Options are what tests and operators may choose. The zero value is good.
type Options struct {
	Now        func() time.Time                  // the clock; time.Now when nil
	NewLease   func() string                     // unguessable names; 128 random bits when nil
	Jitter     func(time.Duration) time.Duration // spreads the pauses before a build is tried again; up to a fifth longer when nil
	MaxRetries int                               // infrastructure failures and losses that are forgiven per build; 5 when 0
	Log        *slog.Logger                      // late reports are noted here; slog.Default when nil
}

// Store is the database. It is safe for concurrent use.
type Store struct{}

// Open opens the database at path, makes it if it is missing, and brings it up
// to date. It holds a lock beside the file: Conflict when another process has it.
func Open(ctx context.Context, path string, o Options) (*Store, error) { return nil, errPending }

// Close gives the lock back.
func (s *Store) Close() error { return errPending }

// Subscribe gives a channel that holds a token whenever something was committed
// since the last receive. Subscribe before looking, or a change in between is
// missed. Cancel must be called.
func (s *Store) Subscribe() (changed <-chan struct{}, cancel func()) { return nil, nil }
