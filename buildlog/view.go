package buildlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"buildbtw"
)

// View is a log as it was at one moment, with random access by line. Close it.
type View struct {
	file  logFile
	size  int64
	index *index
	logs  *Logs
	free  func()

	attempt buildbtw.AttemptName
	stamps  []stamp // nil until they are asked for
}

// emptyFile is the file of a log that does not exist.
type emptyFile struct{ strings.Reader }

func (*emptyFile) Close() error { return nil }

// View opens a log and brings its index up to date, which scans the part that
// is not indexed yet. A log that does not exist is an empty one. One that lies elsewhere can be
// read until ctx ends.
func (l *Logs) View(ctx context.Context, attempt buildbtw.AttemptName) (*View, error) {
	g := l.hold(attempt)
	v := &View{attempt: attempt, logs: l, free: func() { l.release(attempt, g) }}
	g.indexing.Lock()
	err := v.open(ctx, attempt, g)
	g.indexing.Unlock()
	if err != nil {
		v.free()
		return nil, err
	}
	return v, nil
}

// open is called with g.indexing held, so that a log that is removed meanwhile
// leaves no index behind.
func (v *View) open(ctx context.Context, attempt buildbtw.AttemptName, g *log) error {
	f, size, err := v.logs.openFile(ctx, attempt)
	if err != nil {
		return err
	}
	if f == nil {
		g.index = nil
		v.file, v.index = &emptyFile{}, &index{}
		return nil
	}
	v.file, v.size = f, size
	if g.index == nil || g.index.Scanned > size {
		g.index = v.logs.loadIndex(v.logs.indexPath(attempt), f, size)
		g.saved = g.index.Scanned
	}
	if err := v.catchUp(ctx, g); err != nil {
		return errors.Join(fmt.Errorf("look through log %s: %w", attempt, err), f.Close())
	}
	if v.index, err = v.withLastLine(g.index); err != nil {
		return errors.Join(fmt.Errorf("look through log %s: %w", attempt, err), f.Close())
	}
	if g.index.Scanned-g.saved >= worthKeeping && v.logs.saveIndex(v.logs.indexPath(attempt), g.index, f) == nil {
		g.saved = g.index.Scanned // where it could not be stored, the next view tries again
	}
	return nil
}

// catchUp extends the log's index. A long extension waits for its turn.
func (v *View) catchUp(ctx context.Context, g *log) error {
	x := g.index
	if v.size == x.Scanned {
		return nil
	}
	if v.size-x.Scanned > worthKeeping {
		if err := v.logs.turn(ctx); err != nil {
			return err
		}
		defer v.logs.done()
	}
	x = x.clone()
	err := x.extend(ctx, v.logs.finder, v.file, v.size)
	g.index = x // also the part before an error
	return err
}

// withLastLine returns an index with the marks of a last line without a
// newline. The line may still grow, so this is for one view only.
func (v *View) withLastLine(x *index) (*index, error) {
	if v.size == x.LineStart || x.Scanned > x.LineStart {
		return x, nil
	}
	text, err := readAt(v.file, make([]byte, v.size-x.LineStart), x.LineStart)
	if err != nil {
		return nil, err
	}
	y := x.clone()
	y.findMarks(v.logs.finder, text)
	return y, nil
}

// maxScans is how many logs are looked through at a time.
const maxScans = 2

// turn waits until there are few enough who look through whole logs.
func (l *Logs) turn(ctx context.Context) error {
	select {
	case l.scans <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Logs) done() { <-l.scans }

// Close closes the log's file. It cannot fail: the file was only read.
func (v *View) Close() {
	_ = v.file.Close()
	v.free()
}

// Size returns the number of bytes.
func (v *View) Size() int64 { return v.size }

// Lines returns the number of lines. A last line without a newline counts.
func (v *View) Lines() int64 {
	if v.size > v.index.LineStart {
		return v.index.Lines + 1
	}
	return v.index.Lines
}

// Errors returns the lines that tell of errors, in order: the first ones and the
// last ones of those found. From 10,000 on no more are looked for.
func (v *View) Errors() (list []Mark, found int) { return v.index.Errors, v.index.Found }

// Phases returns the lines with which the parts of the build begin.
func (v *View) Phases() []Mark { return v.index.Phases }

// Line is one line of a log.
type Line struct {
	Number int64  // from 1
	Offset int64  // of its first byte in the log
	Text   []byte // raw, without the newline; of a long line a part
	Size   int64  // bytes of the whole line, without the newline
}

// Bounds of one read.
const (
	MaxLine   = 4 << 10   // bytes kept of one line
	MaxLines  = 1000      // lines
	maxWindow = 256 << 10 // bytes of all lines together, beyond the first line
)

// From returns n lines beginning with the one of this number, or fewer when
// they are long or the log ends.
func (v *View) From(line int64, n int) ([]Line, error) {
	line = max(line, 1)
	lines, err := v.read(line, min(int64(n), v.Lines()-line+1), true)
	return fit(lines, false), err
}

// Before returns the lines that end before the one of this number: n of them, or
// fewer when they are long or the log begins.
func (v *View) Before(line int64, n int) ([]Line, error) {
	line = min(line, v.Lines()+1)
	first := max(1, line-min(int64(n), MaxLines))
	lines, err := v.read(first, line-first, false)
	return fit(lines, true), err
}

// fit leaves out lines beyond the bound of bytes: at the end, or at the
// beginning.
func fit(lines []Line, atBeginning bool) []Line {
	total := 0
	for i := range lines {
		at := i
		if atBeginning {
			at = len(lines) - 1 - i
		}
		if total += len(lines[at].Text); total <= maxWindow || i == 0 {
			continue
		}
		if atBeginning {
			return lines[at+1:]
		}
		return lines[:at]
	}
	return lines
}

// read returns n lines. With early it may stop when it has more bytes than fit.
func (v *View) read(first, n int64, early bool) ([]Line, error) {
	n = min(n, MaxLines)
	if n <= 0 {
		return nil, nil
	}
	at, err := v.find(first)
	if err != nil {
		return nil, err
	}
	lines, total := make([]Line, 0, n), 0
	r := lineReader{view: v, at: start{first, at}}
	for range n {
		line, err := r.next()
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
		if total += len(line.Text); early && total > maxWindow {
			break
		}
	}
	return lines, nil
}

// find returns the offset at which a line of the log begins. It reads no more than
// an interval, because no line begins farther from a kept start.
func (v *View) find(line int64) (int64, error) {
	s := v.index.before(line)
	if s.Line == line {
		return s.Offset, nil
	}
	text, err := readAt(v.file, make([]byte, min(interval, v.size-s.Offset)), s.Offset)
	if err != nil {
		return 0, err
	}
	at := 0
	for range line - s.Line {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("line %d is not where the index of the log says", line)
		}
		at += i + 1
	}
	return s.Offset + int64(at), nil
}

// end returns the offset of the newline that ends a line, or the log's end.
func (v *View) end(line, from int64) (int64, error) {
	if next := v.index.before(line + 1); next.Line == line+1 {
		return next.Offset - 1, nil
	}
	if line > v.index.Lines {
		return v.size, nil
	}
	next, err := v.find(line + 1)
	if err == nil && next <= from {
		err = fmt.Errorf("line %d is not where the index of the log says", line+1)
	}
	return next - 1, err
}

// lineReader reads one line after the other.
type lineReader struct {
	view   *View
	at     start
	buf    []byte // read ahead; begins at the line
	memory []byte
}

func (r *lineReader) next() (Line, error) {
	n := bytes.IndexByte(r.buf, '\n')
	if n < 0 {
		if err := r.fill(); err != nil {
			return Line{}, err
		}
		n = bytes.IndexByte(r.buf, '\n')
	}
	size := int64(n)
	if n < 0 {
		end, err := r.view.end(r.at.Line, r.at.Offset)
		if err != nil {
			return Line{}, err
		}
		size = end - r.at.Offset
	}
	text, err := r.keep(size)
	line := Line{Number: r.at.Line, Offset: r.at.Offset, Text: text, Size: size}
	r.buf = r.buf[min(size+1, int64(len(r.buf))):]
	r.at = start{r.at.Line + 1, r.at.Offset + size + 1}
	return line, err
}

// fill reads ahead from the current line on.
func (r *lineReader) fill() (err error) {
	if r.memory == nil {
		r.memory = make([]byte, interval)
	}
	left := r.view.size - r.at.Offset
	r.buf = nil
	if left > 0 {
		r.buf, err = readAt(r.view.file, r.memory[:min(int64(len(r.memory)), left)], r.at.Offset)
	}
	return err
}

// keep copies the line, which has this size, or the part of it that is kept: its
// beginning, or what was last written where carriage returns wrote over it.
func (r *lineReader) keep(size int64) ([]byte, error) {
	if size <= MaxLine {
		return bytes.Clone(r.buf[:size]), nil
	}
	tail, err := readAt(r.view.file, make([]byte, MaxLine), r.at.Offset+size-MaxLine)
	if err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(bytes.TrimRight(tail, "\r"), '\r'); i >= 0 {
		return tail[i+1:], nil
	}
	return bytes.Clone(r.buf[:MaxLine]), nil
}
