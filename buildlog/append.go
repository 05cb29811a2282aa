package buildlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
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
func (l *Logs) Append(attempt buildbtw.AttemptName, offset int64, chunk io.Reader) (end int64, err error) {
	size, end, err := l.append(attempt, offset, chunk)
	if size/indexStep < end/indexStep {
		// When this fails, the next one who needs the index makes it.
		if v, err := l.View(context.Background(), attempt); err == nil {
			v.Close()
		}
	}
	return end, err
}

// resumeMark begins the line of Resume.
const resumeMark = "==> buildbtw: --- begun anew by "

// Resume writes a line into a log that has text already: its attempt is run once
// more, from the beginning, by a worker that was restarted. A log that ends with
// such a line gets no second one.
func (l *Logs) Resume(attempt buildbtw.AttemptName, worker string, at time.Time) error {
	end, from, err := l.Tail(context.Background(), attempt, 1) // it lies in the directory
	if err != nil || len(end) == 0 || bytes.HasPrefix(end, []byte(resumeMark)) {
		return err
	}
	line := fmt.Sprintf("%s%s after its restart, %s; what is above is of the run before ---\n", resumeMark, worker, at.UTC().Format("2006-01-02 15:04:05 UTC"))
	if end[len(end)-1] != '\n' {
		line = "\n" + line
	}
	_, err = l.Append(attempt, from+int64(len(end)), strings.NewReader(line))
	return err
}

// indexStep is how many bytes a log grows until its index is brought up to date.
// That takes some ten milliseconds.
const indexStep = 8 << 20

// append also returns the size of the log before, or end if nothing was
// written.
func (l *Logs) append(attempt buildbtw.AttemptName, offset int64, chunk io.Reader) (size, end int64, err error) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.writing.Lock()
	defer g.writing.Unlock()

	f, size, err := l.openWith(attempt, appending) // once for each of thousands of pieces
	if f == nil && err == nil {
		if err = l.expand(attempt); err == nil {
			f, size, err = l.openWith(attempt, appending)
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("append to log %s at %d: %w", attempt, offset, err)
	}
	defer func() {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if size > l.maxSize {
		end, err = dropChunk(offset, chunk)
		return end, end, err
	}
	if offset < 0 || offset > size {
		return size, size, &OffsetError{Attempt: attempt.ID, Offset: offset, End: size}
	}
	if _, err := io.CopyN(io.Discard, chunk, size-offset); errors.Is(err, io.EOF) {
		return size, size, nil // all of it is there already
	} else if err != nil {
		return size, size, fmt.Errorf("append to log %s at %d: %w", attempt, offset, err)
	}
	if f == nil {
		if f, err = l.create(l.path(attempt)); err != nil {
			return 0, 0, fmt.Errorf("append to log %s at 0: %w", attempt, err)
		}
	}
	end, err = l.write(f, size, chunk)
	if end > size {
		l.stamp(attempt, size)
		g.wake()
		l.growth.Publish([]int64{attempt.ID})
	}
	if err != nil {
		return size, end, fmt.Errorf("append to log %s at %d: %w", attempt, size, err)
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
func (l *Logs) write(f *os.File, size int64, text io.Reader) (end int64, err error) {
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

// appending are the flags of a log that is written to.
const appending = os.O_WRONLY | os.O_APPEND

// create makes a log, and its directory if that is missing, and opens it for writing at
// its end.
func (l *Logs) create(path string) (f *os.File, err error) {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	err = l.within(func(dir *os.Root) error {
		if err := dir.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err = dir.OpenFile(path, appending|os.O_CREATE, 0o644)
		return err
	})
	return f, err
}
