package buildlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OffsetError is the error of a chunk that would leave a gap. End is the end of
// the log, from which the sender goes on.
type OffsetError struct {
	Attempt, Offset, End int64
}

func (e *OffsetError) Error() string {
	return fmt.Sprintf("the log of attempt %d ends at %d, the chunk begins at %d", e.Attempt, e.End, e.Offset)
}

// fullMark is the end of a log that was larger than MaxSize. A log longer
// than that is full, even if a crash cut the mark short.
const fullMark = "\n==> buildbtw: this log is full; what follows was dropped\n"

// Append writes a chunk that begins at offset and returns the offset to go on
// from, which is the end of the log. What the log holds already is not written
// again, so repeating a chunk is harmless; a chunk that would leave a gap is
// refused with *OffsetError.
//
// Every so often the log's index is brought up to date, so that whoever opens a
// long log does not wait for that.
//
// Above MaxSize text is dropped without an error, so that the build goes on;
// the offset then moves on as if it had been written. When reading the chunk or
// writing it fails, end says how far the log got; of a full disk,
// syscall.ENOSPC is in the error's chain.
func (l *Logs) Append(attempt, offset int64, chunk io.Reader) (end int64, err error) {
	size, end, err := l.append(attempt, offset, chunk)
	if size/indexStep < end/indexStep {
		// When this fails, the next one who needs the index makes it.
		if v, err := l.View(context.Background(), attempt); err == nil {
			v.Close()
		}
	}
	return end, err
}

// indexStep is how many bytes a log grows until its index is brought up to date.
// That takes some ten milliseconds.
const indexStep = 8 << 20

// append also returns the size of the log before, or end if nothing was
// written.
func (l *Logs) append(attempt, offset int64, chunk io.Reader) (size, end int64, err error) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.writing.Lock()
	defer g.writing.Unlock()

	size, err = l.Size(attempt)
	if err != nil {
		return 0, 0, err
	}
	if size > l.maxSize {
		end, err = dropChunk(offset, chunk)
		return end, end, err
	}
	if offset < 0 || offset > size {
		return size, size, &OffsetError{Attempt: attempt, Offset: offset, End: size}
	}
	if _, err := io.CopyN(io.Discard, chunk, size-offset); errors.Is(err, io.EOF) {
		return size, size, nil // all of it is there already
	} else if err != nil {
		return size, size, fmt.Errorf("append to log %d at %d: %w", attempt, offset, err)
	}
	end, err = l.write(attempt, size, chunk)
	if end > size {
		g.wake()
		l.growth.Publish([]int64{attempt})
	}
	if err != nil {
		return size, end, fmt.Errorf("append to log %d at %d: %w", attempt, size, err)
	}
	return size, end, nil
}

// dropChunk reads a chunk for a full log to its end, so that its sender sees it
// accepted.
func dropChunk(offset int64, chunk io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, chunk)
	return offset + n, err
}

// write appends text to a log of the given size and returns the offset to go on
// from.
func (l *Logs) write(attempt, size int64, text io.Reader) (end int64, err error) {
	f, err := openAppend(l.path(attempt))
	if err != nil {
		return size, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, io.LimitReader(text, l.maxSize-size))
	end = size + n
	if err != nil || end < l.maxSize {
		return end, err
	}
	over, err := io.Copy(io.Discard, text)
	if over > 0 && err == nil {
		_, err = f.WriteString(fullMark)
	}
	return end + over, err
}

// openAppend opens a log for writing at its end, and makes it and its directory
// if they are missing.
func openAppend(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE
	f, err := os.OpenFile(path, flags, 0o644)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, flags, 0o644)
}
