// Package store keeps the state of the service in SQLite: buildspaces,
// iterations, builds and their edges, attempts, packages, workers and events.
//
// A public method is one transaction. Whatever changes a build's status goes
// through transition.go, which writes the event in the same transaction. bun
// writes and loads single rows; sqlx runs hand-written statements, which stand in
// sql/ by name (query.go). No function uses both, and inTx alone knows that they
// share a transaction. Only lists with filters, and the change of a status, are
// composed in Go.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // registers the driver

	"buildbtw"
	"buildbtw/internal/flock"
	"buildbtw/internal/guard"
	"buildbtw/internal/hints"
)

// Options are what tests and operators may choose. The zero value is good.
type Options struct {
	Now         func() time.Time                  // the clock; time.Now when nil
	NewLease    func() string                     // unguessable names; 128 random bits when nil
	NewRef      func() string                     // unique ends of the names of pipelines' branches; 48 random bits when nil
	Jitter      func(time.Duration) time.Duration // spreads the pauses before a build is tried again; up to a fifth longer when nil
	MaxRetries  int                               // infrastructure failures and losses that are forgiven per build; 5 when 0
	MaxRunning  int                               // builds of one buildspace at the same time; 0: any number
	LabelCaps   map[string]int                    // builds at the same time on all workers with a label; others are not limited
	CanCompare  bool                              // workers build on the base alone
	Compare     bool                              // failed builds are compared with the base by themselves, unless their buildspace has that switched off
	Reproduce   bool                              // what was built is built a second time in idle slots, and compared; only where CanCompare
	AfterCommit func()                            // called after every writing transaction; tests check the invariants in it
	Observer    Observer                          // for metrics; nobody when nil
	Log         *slog.Logger                      // late reports are noted here; slog.Default when nil
}

// defaultRetries is how often a machine may fail a build before a person looks.
const defaultRetries = 5

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewLease == nil {
		o.NewLease = func() string { return random(16) }
	}
	if o.NewRef == nil {
		o.NewRef = func() string { return random(6) }
	}
	if o.Jitter == nil {
		o.Jitter = jitter
	}
	if o.MaxRetries == 0 {
		o.MaxRetries = defaultRetries
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return o
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // it never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

func jitter(d time.Duration) time.Duration {
	return d + mathrand.N(d/5+1)
}

// readers is the number of connections that only read. More do not help: a
// list takes milliseconds, and machines have few cores.
const readers = 4

// Store is the database. It is safe for concurrent use.
type Store struct {
	Reader
	opts  Options
	lock  *flock.Lock
	whole *flock.Lock // of the directory; nil where its file system has no such locks
	path  string
	file  os.FileInfo // the database at path when it was opened
	write *bun.DB     // the one connection that writes

	writing *statements // of write

	changes  hints.Feed[Change]
	work     work
	expiring guard.Items[int64] // attempts whose lease is over and that could not be ended
}

// Open opens the database at path, makes it if it is missing, and brings it up
// to date. It holds a lock beside the file, and one of the directory, which cannot
// be deleted: Conflict when another process has one of them.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	lock, err := flock.Take(path + ".lock")
	if errors.Is(err, flock.ErrLocked) {
		return nil, buildbtw.Conflict("another buildbtw server uses this data directory; stop it first, or choose another one with --data-dir")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	whole, err := flock.TakeDir(filepath.Dir(path))
	if errors.Is(err, flock.ErrLocked) {
		return nil, errors.Join(buildbtw.Conflict("another buildbtw server uses this data directory; stop it first, or choose another one with --data-dir"), lock.Release())
	}
	s := &Store{opts: o.withDefaults(), lock: lock, whole: whole, path: path, changes: hints.Feed[Change]{Merge: mergeChanges}}
	if err := s.connect(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", forPeople(err)), s.Close())
	}
	return s, nil
}

// keepFromOthers makes the database a file of its user, and takes the right to read one of
// before from everybody: leases are in it, and who did what from where. SQLite makes its
// other files like it.
func keepFromOthers(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			err = os.Chmod(name, info.Mode().Perm()&^0o007)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// connect migrates before the readers open, so that they find a database in
// WAL mode.
func (s *Store) connect(ctx context.Context, path string) error {
	texts, err := loadStatements()
	if err != nil {
		return err
	}
	if err := keepFromOthers(path); err != nil {
		return err
	}
	w, err := sql.Open("sqlite", dsn(path, "_pragma=journal_mode(WAL)&_txlock=immediate"))
	if err != nil {
		return err
	}
	w.SetMaxOpenConns(1)
	s.write = bun.NewDB(w, sqlitedialect.New())
	s.writing = newStatements(w, texts)
	s.writing.took = func(time.Duration) {} // transactions are timed as a whole
	if err := s.check(ctx); err != nil {
		return err
	}
	if s.file, err = os.Stat(path); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	r, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	reading := newStatements(r, texts)
	reading.took = func(d time.Duration) { s.opts.Observer.Took(TimingRead, d) }
	s.Reader = Reader{queries: queries{statements: reading}, shared: newShared()}
	return nil
}

// dsn gives every connection the same settings. Times are written as bun writes
// them, in UTC, so that they compare as text.
func dsn(path, more string) string {
	const common = "_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)" +
		"&_pragma=cache_size(-32768)&_time_format=sqlite&_timezone=UTC"
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + common + "&" + more
}

// Close ends all connections and gives the lock back. Closing again changes
// nothing.
func (s *Store) Close() error {
	var errs []error
	if s.statements != nil {
		errs = append(errs, s.statements.pool.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(append(errs, s.whole.Release(), s.lock.Release())...)
}
