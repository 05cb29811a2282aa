package buildlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"buildbtw"
)

// Away has logs that were moved from the directory to another place. A log is in the form of Move.
type Away interface {
	// Open returns the compressed log of an attempt, and its size in bytes; nil when it has none.
	// What is read is fetched until ctx ends.
	Open(ctx context.Context, attempt buildbtw.AttemptName) (packed io.ReaderAt, size int64, err error)

	// Size returns the size of the log's text, 0 when it has none. It does not depend on whether
	// the place can be reached.
	Size(ctx context.Context, attempt buildbtw.AttemptName) (text int64, err error)

	// Remove deletes a log. One that it does not have is no error.
	Remove(ctx context.Context, attempt buildbtw.AttemptName) error
}

// openAway opens a log that lies elsewhere; nil when there is none.
func (l *Logs) openAway(ctx context.Context, attempt buildbtw.AttemptName) (*compressed, error) {
	if l.Away == nil {
		return nil, nil
	}
	packed, size, err := l.Away.Open(ctx, attempt)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", attempt, err)
	}
	if packed == nil {
		return nil, nil
	}
	c, err := openCompressed(packed, size)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", attempt, err)
	}
	return c, nil
}

// TextSize returns the size of the text of a compressed log that has a size in bytes.
func TextSize(packed io.ReaderAt, size int64) (int64, error) {
	c, err := openCompressed(packed, size)
	if err != nil {
		return 0, err
	}
	return c.size, c.Close()
}

// Packed is a compressed log that is about to be moved.
type Packed struct {
	io.ReadSeeker
	Size int64 // bytes
	Text int64 // size of the log's text in bytes
}

// Move removes a compressed log from the directory after store has put it elsewhere, and returns
// how many bytes of the disk that gives back. What is kept beside the log stays: its index and its
// times. A log that is not there, is not compressed, or was written to after before is left as it
// is. When store fails nothing is removed.
func (l *Logs) Move(ctx context.Context, attempt buildbtw.AttemptName, before time.Time, store func(context.Context, Packed) error) (freed int64, err error) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.writing.Lock()
	defer g.writing.Unlock()
	err = l.within(func(dir *os.Root) error {
		if _, err := dir.Stat(l.path(attempt)); !errors.Is(err, fs.ErrNotExist) {
			return err // it counts more than the compressed one
		}
		f, err := dir.Open(l.compressedPath(attempt))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written with it
		info, err := f.Stat()
		if err != nil || info.ModTime().After(before) {
			return err
		}
		text, err := TextSize(f, info.Size())
		if err != nil {
			return err
		}
		if err := store(ctx, Packed{f, info.Size(), text}); err != nil {
			return err
		}
		freed = info.Size()
		return dir.Remove(l.compressedPath(attempt))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("move log %s: %w", attempt, err)
	}
	return freed, nil
}
