package buildlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// interval is how far apart, in bytes, the line starts are that an index keeps:
// after each of them the next kept one is the first that lies so far behind it.
// So no line is farther than that from a kept start, however long lines are, and
// the end of a line longer than that is kept.
const interval = 64 << 10

// block is how much of a log is read at once while it is looked through.
const block = 512 << 10

// newline ends lines.
var newline = []byte{'\n'} //nolint:gochecknoglobals // never changes

// index has the positions of a log's lines, and its marks. It covers the log up
// to Scanned; the line that begins at LineStart has no end before that.
// Extending it is cheap, and it can be made anew from the log at any time.
type index struct {
	Lines     int64   `json:"lines"` // whole ones, before LineStart
	LineStart int64   `json:"line_start"`
	Scanned   int64   `json:"scanned"`
	Starts    []start `json:"starts"` // ascending; the first line's is not among them
	Found     int     `json:"found"`  // errors, kept or not
	Errors    []Mark  `json:"errors"`
	Phases    []Mark  `json:"phases"`
}

// start is the beginning of a line.
type start struct {
	Line   int64 `json:"line"`
	Offset int64 `json:"offset"`
}

// clone may be extended while others read x.
func (x *index) clone() *index {
	y := *x
	y.Starts = slices.Clip(x.Starts)
	y.Errors = slices.Clone(x.Errors)
	y.Phases = slices.Clip(x.Phases)
	return &y
}

// extend scans the new part of the log. When ctx ends, x covers the part
// scanned so far.
func (x *index) extend(ctx context.Context, f *finder, r io.ReaderAt, size int64) error {
	buf := make([]byte, min(block, size-x.Scanned))
	for x.Scanned < size {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text, err := readAt(r, buf[:min(int64(len(buf)), size-x.Scanned)], x.Scanned)
		if err != nil {
			return err
		}
		if more := x.take(f, text, len(buf) == block && len(text) == block); !more {
			return nil
		}
	}
	return nil
}

// take scans text, which begins at x.Scanned. full means that text is a whole
// block, so that a line in it without an end is a long one; otherwise the log's
// last line just has no end yet, and is scanned again when it has.
func (x *index) take(f *finder, text []byte, full bool) (more bool) {
	if x.Scanned > x.LineStart { // in the middle of a long line
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			x.Scanned += int64(len(text))
			return true
		}
		x.LineStart = x.Scanned
		x.advance(text[:end+1])
		return true
	}
	end := bytes.LastIndexByte(text, '\n')
	switch {
	case end >= 0:
		x.takeLines(f, text[:end+1])
		return true
	case full:
		x.findMarks(f, text)
		x.Scanned += int64(len(text))
		return true
	}
	return false
}

// takeLines goes over whole lines that begin where x ends.
func (x *index) takeLines(f *finder, lines []byte) {
	x.findMarks(f, lines)
	for len(lines) > 0 {
		due := max(0, x.lastStart().Offset+interval-x.LineStart-1)
		n := len(lines)
		if due < int64(n) {
			n = int(due) + bytes.IndexByte(lines[due:], '\n') + 1
		}
		x.advance(lines[:n])
		lines = lines[n:]
	}
}

// advance moves to the end of lines and keeps the start there if it is due.
func (x *index) advance(lines []byte) {
	x.Lines += int64(bytes.Count(lines, newline))
	x.LineStart += int64(len(lines))
	x.Scanned = x.LineStart
	if x.LineStart-x.lastStart().Offset >= interval {
		x.Starts = append(x.Starts, start{x.Lines + 1, x.LineStart})
	}
}

func (x *index) lastStart() start {
	if len(x.Starts) == 0 {
		return start{Line: 1}
	}
	return x.Starts[len(x.Starts)-1]
}

// before returns the last kept start that is not behind a line.
func (x *index) before(line int64) start {
	i, found := slices.BinarySearchFunc(x.Starts, line, func(s start, line int64) int { return int(s.Line - line) })
	if found {
		return x.Starts[i]
	}
	if i == 0 {
		return start{Line: 1}
	}
	return x.Starts[i-1]
}

// readAt reads as much of buf as the log has at offset. A log that has become
// shorter is an error: it is only ever appended to.
func readAt(r io.ReaderAt, buf []byte, offset int64) ([]byte, error) {
	n, err := r.ReadAt(buf, offset)
	if n == len(buf) || n > 0 && errors.Is(err, io.EOF) {
		return buf[:n], nil
	}
	return nil, fmt.Errorf("read log at %d: %w", offset, err)
}
