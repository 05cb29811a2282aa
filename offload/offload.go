// Package offload moves files that are rarely read from the disk to object storage, and reads them
// there: the compressed logs of attempts that ended some time ago.
//
// A file is put into the bucket, read back and compared, then recorded in the database, and only
// then removed from the disk. A crash between any two steps leaves the file on the disk, where it
// counts more than the object, and the next pass goes on. The other way round an object is removed
// before its row, so that no object is without one; those that are, as after an older database was
// restored, get rows when the bucket is compared.
package offload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/internal/guard"
	"buildbtw/objects"
	"buildbtw/store"
)

// Config has what a Mover works with.
type Config struct {
	Store    *store.Store
	Logs     *buildlog.Logs
	Bucket   objects.Bucket // nil: this server has none, and what was moved before cannot be read
	Location string         // of the bucket, as people read it
	After    time.Duration  // how long after the last line a log is moved
	Log      *slog.Logger
	Now      func() time.Time
}

// Mover moves files and reads those that were moved. It is safe for concurrent use.
type Mover struct {
	Config
	blocks *objects.Blocks

	passing  sync.Mutex // one pass at a time; guards what follows
	owned    bool       // the bucket is known to be this database's
	compared time.Time  // zero: not since the start
	failures int        // passes in a row
	pause    time.Time  // before it no pass begins
	failed   error      // of the last pass

	mu    sync.Mutex
	state State
}

// State is how the object storage stands.
type State struct {
	Location string
	store.ObjectCount
	Waiting int       // logs on the disk that are to be moved
	At      time.Time // of the last pass; zero before the first
	Moved   int       // files in the last pass
	Trouble string    // why the last pass failed, in a sentence; empty when it did not
}

// New makes a mover, which the logs ask for what is not in their directory. It must be made before
// the logs are used.
func New(c Config) *Mover {
	m := &Mover{Config: c, state: State{Location: c.Location}}
	if c.Bucket != nil {
		m.blocks = objects.NewBlocks(c.Bucket)
	}
	c.Logs.Away = logs{m}
	return m
}

// State returns how the storage stood in the last pass.
func (m *Mover) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *Mover) note(change func(*State)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.state)
}

// Bounds of a pass.
const (
	moved        = 2000           // logs; the next pass goes on
	together     = 4              // at a time
	comparing    = 24 * time.Hour // between looks at all that the bucket has
	comparedOnce = 1000           // rows
	longestPause = 16 * time.Minute
)

// Pass compares the bucket with the database once a day, and moves what has come to rest. After a
// failure of the bucket the next passes are left out for a minute, then for longer; their error is
// the same.
func (m *Mover) Pass(ctx context.Context) error {
	if m.Bucket == nil {
		return nil
	}
	m.passing.Lock()
	defer m.passing.Unlock()
	if m.Now().Before(m.pause) {
		return m.failed
	}
	done, err := m.pass(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.failed = err
	switch buildbtw.KindOf(err) {
	case buildbtw.KindUnavailable, buildbtw.KindConflict: // of the whole bucket, not of a file
		m.pause = m.Now().Add(min(time.Minute<<min(m.failures, 10), longestPause))
		m.failures++
	default:
		m.failures = 0
	}
	count, countErr := m.Store.CountObjects(ctx)
	m.note(func(s *State) {
		s.At, s.Moved, s.Trouble = m.Now(), done, ""
		if err != nil {
			s.Trouble = buildbtw.MessageOf(err)
		}
		if countErr == nil {
			s.ObjectCount = count
		}
	})
	return errors.Join(err, countErr)
}

func (m *Mover) pass(ctx context.Context) (done int, err error) {
	if err := m.own(ctx); err != nil {
		return 0, err
	}
	if m.compared.IsZero() || m.Now().Sub(m.compared) >= comparing {
		if err := guard.Run(func() error { return m.compare(ctx) }); err != nil {
			return 0, err
		}
		m.compared = m.Now()
	}
	return m.moveLogs(ctx)
}

// ownerKey is the object that names the database whose files are below a prefix.
const ownerKey = "buildbtw-owner"

// maxOwner is more than the name of a database has.
const maxOwner = 64

// own makes sure that what is below the prefix is this database's: another one's files would be
// taken for such that nothing names. It asks each time, so that a pass that has nothing to move finds
// out, too, whether the storage answers.
func (m *Mover) own(ctx context.Context) error {
	if m.owned {
		_, err := m.Bucket.Stat(ctx, ownerKey)
		if !errors.Is(err, objects.ErrNotThere) {
			return err
		}
		m.owned, m.compared = false, time.Time{} // the bucket was emptied, or is another one
	}
	name, err := m.Store.ObjectOwner(ctx)
	if err != nil {
		return err
	}
	o, err := m.Bucket.Stat(ctx, ownerKey)
	if errors.Is(err, objects.ErrNotThere) {
		o = objects.Object{Key: ownerKey, Size: int64(len(name)), SHA256: digestOf(name)}
		if err := m.Bucket.Put(ctx, o, strings.NewReader(name)); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	there := make([]byte, min(o.Size, maxOwner))
	body, err := m.Bucket.Open(ctx, ownerKey, 0, int64(len(there)))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(body, there)
	_ = body.Close() // what was read counts
	if err != nil {
		return err
	}
	if string(there) != name {
		return buildbtw.Conflict("%s has the files of another server's database; choose another prefix with --object-storage, or, when that database is gone for good, remove the object %s there", m.Location, ownerKey)
	}
	m.owned = true
	return nil
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// moveLogs moves the logs that have come to rest and returns how many.
func (m *Mover) moveLogs(ctx context.Context) (int, error) {
	before := m.Now().Add(-m.After)
	var resting []buildbtw.AttemptName
	err := m.Logs.Stored(ctx, func(s buildlog.Stored) bool {
		if s.Packed && !s.Plain && !s.Modified.After(before) {
			resting = append(resting, s.Attempt)
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	unfinished, err := m.Store.UnfinishedAttempts(ctx)
	if err != nil {
		return 0, err
	}
	running := map[buildbtw.AttemptName]bool{}
	for _, attempt := range unfinished {
		running[attempt] = true
	}
	var done atomic.Int64
	var group errgroup.Group
	group.SetLimit(together)
	var failures failures
	for i, attempt := range resting {
		if ctx.Err() != nil || i >= moved || failures.end() {
			break
		}
		if running[attempt] {
			continue
		}
		group.Go(func() error {
			err := guard.Run(func() error {
				_, err := m.Logs.Move(ctx, attempt, before, func(ctx context.Context, p buildlog.Packed) error { return m.keep(ctx, logKey(attempt), p) })
				return err
			})
			if err == nil {
				done.Add(1)
			}
			failures.add(err)
			return nil
		})
	}
	_ = group.Wait() // they return none
	m.note(func(s *State) { s.Waiting = len(resting) - int(done.Load()) })
	return int(done.Load()), errors.Join(failures.list...)
}

// failures are those of files that are moved at the same time.
type failures struct {
	mu   sync.Mutex
	list []error
	away bool // one of them is the storage's
}

// maxFailures ends a pass: so many files do not fail for reasons of their own.
const maxFailures = 20

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.list = append(f.list, err)
		f.away = f.away || buildbtw.KindOf(err) == buildbtw.KindUnavailable
	}
}

func (f *failures) end() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.away || len(f.list) >= maxFailures
}

// keep puts a log into the bucket, unless it is there already, reads it back, and records it.
func (m *Mover) keep(ctx context.Context, key string, p buildlog.Packed) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, p); err != nil {
		return err
	}
	o := objects.Object{Key: key, Size: p.Size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	there, err := m.Bucket.Stat(ctx, key)
	if err != nil && !errors.Is(err, objects.ErrNotThere) {
		return err
	}
	if err != nil || there != o { // else a crash came before it was recorded, or before it was removed from the disk
		if _, err := p.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := m.Bucket.Put(ctx, o, p); err != nil {
			return err
		}
		m.blocks.Forget(key)
	}
	if err := m.verify(ctx, o); err != nil {
		return err
	}
	return m.Store.NoteObject(ctx, store.MovedObject{Key: key, Bytes: o.Size, SHA256: o.SHA256, TextBytes: p.Text})
}

// verify reads an object back and compares its digest.
func (m *Mover) verify(ctx context.Context, o objects.Object) error {
	body, err := m.Bucket.Open(ctx, o.Key, 0, o.Size)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, body)
	_ = body.Close() // what was read counts
	if err != nil {
		return fmt.Errorf("read %s back: %w", o.Key, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != o.SHA256 {
		return fmt.Errorf("%s was put with SHA-256 %s and read back with %s", o.Key, o.SHA256, got)
	}
	return nil
}
