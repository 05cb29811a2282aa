package api

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// LogState is the size of an attempt's log with its errors and phases.
type LogState struct {
	Attempt     int       `json:"attempt"`
	Running     bool      `json:"running"` // more may come
	Size        int64     `json:"size"`    // bytes
	Lines       int64     `json:"lines"`
	ErrorsFound int       `json:"errors_found"`     // lines that tell of an error; 10,000: so many or more
	Errors      []LogMark `json:"errors,omitempty"` // the first and the last of them; not in event streams
	Phases      []LogMark `json:"phases,omitempty"` // where the parts of the build begin; not in event streams
}

// LogMark is a line that matters.
type LogMark struct {
	Line int64  `json:"line"` // from 1
	Kind string `json:"kind"` // makepkg, compiler, linker, …, or phase
	Text string `json:"text"`

	At *time.Time `json:"at,omitempty"` // of a phase: about when it began; absent when that is not known
}

// LogLines is a window of a log.
type LogLines struct {
	Lines []LogLine `json:"lines"`
	Total int64     `json:"total"` // lines of the whole log
}

// LogLine is one line, without terminal escapes.
type LogLine struct {
	Line int64  `json:"line"`
	Text string `json:"text"` // of a long line only a part
	Size int64  `json:"size"` // bytes of the whole line as it was written

	At *time.Time `json:"at,omitempty"` // about when it came; absent when that is not known
}

// LogHits are the hits of a search.
type LogHits struct {
	Hits []LogHit `json:"hits"`
	Next int64    `json:"next,omitempty"` // the line to go on from; absent: the log's end was reached
}

// LogHit is a line in which something was found, from byte From to byte To of
// Text.
type LogHit struct {
	Line int64  `json:"line"`
	Text string `json:"text"` // of a long line the part with the find
	From int    `json:"from"`
	To   int    `json:"to"`
}

// LogState returns how long a log is and which of its lines tell of errors. Attempt
// 0 is the latest.
func (c *Client) LogState(ctx context.Context, build string, attempt int) (LogState, error) {
	var s LogState
	return s, c.get(ctx, logPath(build)+"/state", logQuery(attempt), &s)
}

// LogLines returns lines of a log from one on, from 1. Attempt 0 is the latest.
func (c *Client) LogLines(ctx context.Context, build string, attempt int, from int64, lines int) (LogLines, error) {
	query := logQuery(attempt)
	query.Set("from", strconv.FormatInt(from, 10))
	query.Set("limit", strconv.Itoa(lines))
	var l LogLines
	return l, c.get(ctx, logPath(build)+"/lines", query, &l)
}

// LogSearch is a search in a log.
type LogSearch struct {
	Build     string
	Attempt   int // 0: the latest
	Text      string
	Regexp    bool
	MatchCase bool
	From      int64 // line
}

// SearchLog returns some hits, and where to go on.
func (c *Client) SearchLog(ctx context.Context, s LogSearch) (LogHits, error) {
	query := logQuery(s.Attempt)
	query.Set("q", s.Text)
	query.Set("regexp", strconv.FormatBool(s.Regexp))
	query.Set("case", strconv.FormatBool(s.MatchCase))
	query.Set("from", strconv.FormatInt(s.From, 10))
	var h LogHits
	return h, c.get(ctx, logPath(s.Build)+"/search", query, &h)
}

func logPath(build string) string { return "/builds/" + url.PathEscape(build) + "/log" }

func logQuery(attempt int) url.Values {
	query := url.Values{}
	if attempt > 0 {
		query.Set("attempt", strconv.Itoa(attempt))
	}
	return query
}
