package buildlog

import (
	"bytes"
	"context"
	"time"

	"buildbtw/internal/ansi"
)

// Bounds of one search.
const (
	MaxHits    = 1000
	searchTime = 1500 * time.Millisecond
)

// Hit is a line in which something was found.
type Hit struct {
	Line int64
	Text string // plain; of a long line the part with the find
	From int    // where the find is in Text, in bytes
	To   int
}

// Found is the answer of one search.
type Found struct {
	Hits []Hit
	// Next is the line to go on from when the search came to a bound before the
	// log's end; 0 when it came to the end.
	Next int64
}

// overlap is how much of a long line is looked at twice, so that a find that
// lies across two blocks is found.
const overlap = 4 << 10

// Search searches for a query from a line on, line by line, ignoring escapes
// for colours. It returns at most limit hits, one per line, and takes bounded
// time: see Found.Next.
func (v *View) Search(ctx context.Context, q Query, from int64, limit int) (Found, error) {
	m, err := q.compile()
	if err != nil {
		return Found{}, err
	}
	if err := v.logs.turn(ctx); err != nil {
		return Found{}, err
	}
	defer v.logs.done()
	from = max(from, 1)
	if from > v.Lines() {
		return Found{}, nil
	}
	offset, err := v.find(from)
	if err != nil {
		return Found{}, err
	}
	s := search{view: v, matcher: m, at: start{from, offset}, limit: min(max(limit, 1), MaxHits)}
	end := time.Now().Add(v.logs.patient)
	s.over = func() bool { return ctx.Err() != nil || time.Now().After(end) }
	return s.run(ctx)
}

// search is one search under way.
type search struct {
	view    *View
	matcher *matcher
	at      start // the line, and how much of it is done
	limit   int
	hits    []Hit
	over    func() bool // the time is over
}

func (s *search) run(ctx context.Context) (Found, error) {
	buf := make([]byte, min(block, s.view.size-s.at.Offset))
	for s.at.Offset < s.view.size {
		if ctx.Err() != nil {
			return Found{}, context.Cause(ctx)
		}
		text, err := readAt(s.view.file, buf[:min(int64(len(buf)), s.view.size-s.at.Offset)], s.at.Offset)
		if err != nil {
			return Found{}, err
		}
		full := s.lines(text)
		if !full && s.over() {
			err = s.leaveLongLine()
			full = true
		}
		if err != nil || full {
			return Found{Hits: s.hits, Next: s.next()}, err
		}
	}
	return Found{Hits: s.hits}, nil
}

// next returns the line to go on from.
func (s *search) next() int64 {
	if s.at.Line > s.view.Lines() {
		return 0
	}
	return s.at.Line
}

// lines searches the whole lines of text, or all of it when it lies within one
// line, and moves behind them. full reports that there are as many hits as
// wanted.
func (s *search) lines(text []byte) (full bool) {
	last := s.at.Offset+int64(len(text)) == s.view.size
	whole := bytes.LastIndexByte(text, '\n') + 1
	step := whole
	switch {
	case last:
		whole, step = len(text), len(text)
	case whole == 0:
		whole, step = len(text), len(text)-overlap
	}
	shown := ansi.Plain(text[:whole])
	hay := s.matcher.in(shown)
	line, counted := s.at.Line, 0
	for at := 0; at < len(shown); {
		h, from, to := hay.next(at, s.over)
		if from == len(shown) {
			break
		}
		line += int64(bytes.Count(shown[counted:from], newline))
		if h == nil {
			return s.stopBefore(line)
		}
		counted, at = from, to+1
		if n := len(s.hits); n == 0 || s.hits[n-1].Line != line { // not that of the overlap again
			h.Line = line
			s.hits = append(s.hits, *h)
		}
		if len(s.hits) == s.limit {
			return s.stopBefore(line + 1)
		}
	}
	s.at = start{s.at.Line + int64(bytes.Count(text[:step], newline)), s.at.Offset + int64(step)}
	return false
}

// stopBefore ends the search at a line.
func (s *search) stopBefore(line int64) bool {
	s.at.Line = line
	return true
}

// leaveLongLine makes a search whose time is over in the middle of a line go on
// behind it the next time: lines may be longer than can be searched in that time.
func (s *search) leaveLongLine() error {
	if s.at.Line > s.view.Lines() {
		return nil
	}
	begin, err := s.view.find(s.at.Line)
	if begin < s.at.Offset {
		s.at.Line++
	}
	return err
}
