package views

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"buildbtw"
	"buildbtw/internal/ansi"
)

// LogPlace is the log of an attempt, with what is searched for in it.
type LogPlace struct {
	Build   int64
	Attempt int
	Query   LogQuery
}

// LogQuery is what the search form of a log says.
type LogQuery struct {
	Text              string
	Regexp, MatchCase bool
}

// values are the parameters that say which log and which search.
func (p LogPlace) values() url.Values {
	v := url.Values{"attempt": {strconv.Itoa(p.Attempt)}}
	if p.Query.Text != "" {
		v.Set("q", p.Query.Text)
	}
	if p.Query.Regexp {
		v.Set("regexp", "true")
	}
	if p.Query.MatchCase {
		v.Set("case", "true")
	}
	return v
}

// page is the address of the log's page, with one more parameter.
func (p LogPlace) page(name string, n int64) string {
	v := p.values()
	v.Set(name, strconv.FormatInt(n, 10))
	return BuildURL(p.Build) + "/log?" + v.Encode()
}

// End is the address of the page at the log's end.
func (p LogPlace) End() string { return BuildURL(p.Build) + "/log?" + p.values().Encode() }

// Line is the address of the page at one line.
func (p LogPlace) Line(n int64) string { return p.page("line", n) + "#L" + strconv.FormatInt(n, 10) }

// part is the address of something that belongs to the log.
func (p LogPlace) part(name string) string {
	return BuildURL(p.Build) + "/log/" + name + "?attempt=" + strconv.Itoa(p.Attempt)
}

// Raw is the address of the log as it was written.
func (p LogPlace) Raw() string { return p.part("raw") }

// LogURL is the address of the page of an attempt's log.
func LogURL(build int64, attempt int) string { return LogPlace{Build: build, Attempt: attempt}.End() }

// LogPage is a window of an attempt's log and what is known of the whole.
type LogPage struct {
	BuildLink
	Buildspace string
	Iteration  int
	Version    string
	Place      LogPlace
	Attempts   []LogAttempt // newest first
	Window     LogWindow
	Bytes      int64 // of the whole log
	Lines      int64 // of the whole log
	Finds      LogFinds
	Hits       *LogHits // nil when nothing is searched for
}

// Title begins with how the attempt stands.
func (v LogPage) Title() string {
	state := string(v.Finds.Outcome)
	if v.running() {
		state = string(v.Finds.State)
	}
	return fmt.Sprintf("%s · log of %s %s", state, v.Name(), v.Version)
}

func (v LogPage) running() bool { return v.Finds.State != buildbtw.AttemptFinished }

// LogAttempt is an attempt whose log can be chosen.
type LogAttempt struct {
	Number  int
	State   buildbtw.AttemptState
	Outcome buildbtw.Outcome
}

// LogWindow is some lines of a log.
type LogWindow struct {
	Place  LogPlace
	Lines  []LogLine
	Chosen int64 // the line that was asked for, or 0
	Total  int64 // lines of the whole log
}

// First is the number of the first line, or that of the one which would be.
func (w LogWindow) First() int64 {
	if len(w.Lines) == 0 {
		return w.Total + 1
	}
	return w.Lines[0].Number
}

// Last is the number of the last line.
func (w LogWindow) Last() int64 { return w.First() + int64(len(w.Lines)) - 1 }

// LogLine is one line.
type LogLine struct {
	Number int64
	Spans  []ansi.Span
	Left   int64  // bytes of the line that are left out
	After  string // how long after the start of the attempt; empty when that is not known
}

// Elapsed is a duration as a clock shows it: "1:02:03", or "2:03" below an hour.
func Elapsed(d time.Duration) string {
	seconds := int(max(0, d).Seconds())
	if seconds < 3600 {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// LogFinds is what the lines of a log tell, and how its attempt stands.
type LogFinds struct {
	Place   LogPlace
	State   buildbtw.AttemptState
	Outcome buildbtw.Outcome
	Message string
	Errors  []LogMark // the first ones and the last
	Found   int       // so many there are
	Phases  []LogPhase
}

// LogPhase is a part of the build: the line with which it begins, and how much it is.
type LogPhase struct {
	LogMark
	Lines int64  // of the log
	Took  string // empty when that is not known
}

// LogMark is a line that matters.
type LogMark struct {
	Line       int64
	Kind, Text string
}

// maxFound is as far as errors are counted.
const maxFound = 10_000

// words says how many errors there are.
func (f LogFinds) words() string {
	if f.Found >= maxFound {
		return Count(maxFound) + " or more"
	}
	return Count(f.Found)
}

// LogHits is what a search found.
type LogHits struct {
	Place LogPlace
	Wrong string // what is wrong with the search, or empty
	Hits  []LogHit
	Begun int64 // the line that the search began with
	Next  int64 // the line to go on from, or 0
}

// LogHit is a line in which something was found.
type LogHit struct {
	Line                 int64
	Before, Found, After string
}

// logText is the text of a line with its colours. It is written here because
// spaces count in it.
func logText(spans []ansi.Span) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<span class="log-text">`)
		for _, s := range spans {
			text := templ.EscapeString(s.Text)
			if class := logClass(s.Style); class != "" {
				text = `<span class="` + class + `">` + text + `</span>`
			}
			b.WriteString(text)
		}
		b.WriteString(`</span>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// logClass names a style for static/src/css/log.css.
func logClass(s ansi.Style) string {
	var classes []string
	if s.Foreground > 0 {
		classes = append(classes, "fg-"+strconv.Itoa(int(s.Foreground)-1))
	}
	if s.Background > 0 {
		classes = append(classes, "bg-"+strconv.Itoa(int(s.Background)-1))
	}
	for _, face := range []struct {
		on   bool
		name string
	}{{s.Bold, "bold"}, {s.Dim, "dim"}, {s.Italic, "italic"}, {s.Underline, "underlined"}, {s.Inverse, "inverse"}, {s.Strike, "struck"}} {
		if face.on {
			classes = append(classes, face.name)
		}
	}
	return strings.Join(classes, " ")
}
