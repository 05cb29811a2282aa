// Package buildlog keeps the log of every attempt in a file of its own:
// appended to in chunks with offsets, read from any place, by byte and by line,
// searched, followed while it grows, and compressed when its attempt is over.
//
// The size of the file is the truth about where a log ends, so a crash in the
// middle of an append leaves a shorter log, and the worker is told from where to
// send again. Beside the log there may be an index of its lines (index.go), which
// is made from the log on demand and can be deleted at any time.
package buildlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/hints"
	"buildbtw/internal/lru"
)

// MaxSize is the maximum size of a log in bytes. The rest is dropped, with a
// line at the end that reports it.
const MaxSize = 1 << 30

// Logs is a directory of logs. Its methods may be called at the same time from
// several goroutines; one process at a time may write to a directory.
type Logs struct {
	dir     string
	maxSize int64
	finder  *finder
	scans   chan struct{} // holds a token for everybody who looks through a whole log
	patient time.Duration // how long one search may take

	mu   sync.Mutex
	open map[buildbtw.AttemptName]*log // those in use at the moment

	growth hints.Feed[[]int64]

	Now     func() time.Time // when pieces of logs come
	Away    Away             // has the logs that Move took away; nil: there are none
	stamped *lru.Cache[buildbtw.AttemptName, lastStamp]
}

// stampedLogs is how many logs that are written to need not look when they last were.
const stampedLogs = 4096

// log is the state shared by goroutines that use the same attempt's log. It lives as
// long as one of them holds it.
type log struct {
	users int // guarded by Logs.mu

	writing sync.Mutex // held during an append

	indexing sync.Mutex // held while index changes
	index    *index     // never changes once it is here; nil when it is not loaded
	saved    int64      // how far the stored index goes

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when the log has grown
}

// Open makes dir if there is none.
func Open(dir string) (*Logs, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	return &Logs{
		dir: dir, maxSize: MaxSize, finder: newFinder(), scans: make(chan struct{}, maxScans), patient: searchTime,
		Now: time.Now, stamped: lru.New[buildbtw.AttemptName, lastStamp](stampedLogs),
		open: map[buildbtw.AttemptName]*log{}, growth: hints.Feed[[]int64]{Merge: mergeAttempts},
	}, nil
}

// shard is how many attempts share a directory.
const shard = 1000

// path returns where the log lies in the directory of logs.
func (l *Logs) path(attempt buildbtw.AttemptName) string {
	return filepath.Join(strconv.FormatInt(attempt.ID/shard, 10), attempt.String()+".log")
}

// within calls f with the directory of logs, out of which no path leads, whatever
// links are there. It is opened each time: somebody may have deleted it.
func (l *Logs) within(f func(dir *os.Root) error) error {
	dir, err := os.OpenRoot(l.dir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // nothing was written with it
	return f(dir)
}

func (l *Logs) hold(attempt buildbtw.AttemptName) *log {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.open[attempt]
	if g == nil {
		g = &log{changed: make(chan struct{})}
		l.open[attempt] = g
	}
	g.users++
	return g
}

func (l *Logs) release(attempt buildbtw.AttemptName, g *log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(l.open, attempt)
	}
}

// wake lets everybody who waits on the log look again.
func (g *log) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
}

// next returns a channel that is closed at the next wake.
func (g *log) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Size returns the number of bytes in the log, 0 when there is none.
func (l *Logs) Size(ctx context.Context, attempt buildbtw.AttemptName) (int64, error) {
	var info fs.FileInfo
	err := l.within(func(dir *os.Root) (err error) {
		info, err = dir.Stat(l.path(attempt))
		return err
	})
	if err == nil {
		return info.Size(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("size of log %s: %w", attempt, err)
	}
	c, err := l.openCompressed(attempt)
	if err != nil {
		return 0, fmt.Errorf("size of log %s: %w", attempt, err)
	}
	if c != nil {
		_ = c.Close() // nothing was written with it
		return c.size, nil
	}
	if l.Away == nil {
		return 0, nil
	}
	size, err := l.Away.Size(ctx, attempt)
	if err != nil {
		return 0, fmt.Errorf("size of log %s: %w", attempt, err)
	}
	return size, nil
}

// Reader opens the log for random access and returns its size at this moment. A
// log that does not exist reads as an empty one. One that lies elsewhere can be read until
// ctx ends.
func (l *Logs) Reader(ctx context.Context, attempt buildbtw.AttemptName) (io.ReadSeekCloser, int64, error) {
	f, size, err := l.openFile(ctx, attempt)
	if err != nil {
		return nil, 0, err
	}
	if f == nil {
		return &section{io.NewSectionReader(nil, 0, 0), io.NopCloser(nil)}, 0, nil
	}
	if plain, ok := f.(io.ReadSeekCloser); ok {
		return plain, size, nil
	}
	return &section{io.NewSectionReader(f, 0, size), f}, size, nil
}

// section is a part of a file, which it closes.
type section struct {
	*io.SectionReader
	io.Closer
}

// logFile is a log that is open for reading, compressed or not.
type logFile interface {
	io.ReaderAt
	io.Closer
}

// openFile opens a log for reading and returns its size; a nil file when there is no
// such log. What lies in the directory counts more than what lies elsewhere.
func (l *Logs) openFile(ctx context.Context, attempt buildbtw.AttemptName) (logFile, int64, error) {
	for range 2 { // somebody appended to a compressed one between the two looks
		f, size, err := l.openWith(attempt, os.O_RDONLY)
		if f != nil || err != nil {
			return f, size, err
		}
		c, err := l.openCompressed(attempt)
		if err != nil {
			return nil, 0, fmt.Errorf("open log %s: %w", attempt, err)
		}
		if c != nil {
			return c, c.size, nil
		}
	}
	c, err := l.openAway(ctx, attempt)
	if c == nil || err != nil {
		return nil, 0, err
	}
	return c, c.size, nil
}

// openCompressed opens a compressed log; nil when there is none.
func (l *Logs) openCompressed(attempt buildbtw.AttemptName) (c *compressed, err error) {
	err = l.within(func(dir *os.Root) error {
		f, err := dir.Open(l.compressedPath(attempt))
		if err != nil {
			return err
		}
		c, err = openCompressedFile(f)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return c, err
}

// openWith opens a log that is not compressed, with flags as those of os.OpenFile; a nil file
// when there is none.
func (l *Logs) openWith(attempt buildbtw.AttemptName, flags int) (*os.File, int64, error) {
	var f *os.File
	err := l.within(func(dir *os.Root) (err error) {
		f, err = dir.OpenFile(l.path(attempt), flags, 0)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open log %s: %w", attempt, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open log %s: %w", attempt, err), f.Close())
	}
	return f, info.Size(), nil
}
