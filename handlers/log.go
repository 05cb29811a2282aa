package handlers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/ansi"
	"buildbtw/views"
)

const (
	windowLines = 400 // of a log in one page
	linesAbove  = 50  // of a line that was asked for
	windowHits  = 200 // of a search in one page

	logLines = 200      // at the end of a log, on the page of a build
	logBytes = 64 << 10 // of log in one answer to the page of a build
)

// logPage shows a window of the log of an attempt: its end, or where the query
// says. Its parts say how the attempt stands, what was found in the log, and how
// long it is; static/src/logview fetches lines.
func (a *App) logPage(c *fiber.Ctx) error {
	attempt, err := a.attempt(c)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound && c.Query("attempt") == "" {
		id, idErr := buildbtw.ParseBuildID(c.Params("id"))
		if idErr != nil {
			return idErr
		}
		switch origin, originErr := a.Store.LogOrigin(c.UserContext(), id); {
		case originErr != nil:
			return originErr
		case origin != 0:
			return seeOther(c, views.BuildURL(origin)+"/log")
		}
	}
	if err != nil {
		return err
	}
	w := watched{
		topics: []string{topicLog(attempt.BuildID), topicBuild(attempt.BuildID)}, seconds: 3,
		query: []string{"attempt"}, view: []string{"q", "regexp", "case", "line", "from", "before", "limit", "hits"},
		address: views.LogURL(attempt.BuildID, attempt.Number),
	}
	load := func() (*livePage, error) { return a.logLive(c, attempt.BuildID, attempt.Number) }
	if attempt.State != buildbtw.AttemptFinished || wantsPart(c) {
		return a.renderLive(c, w, load)
	}
	page, err := load() // nothing more comes
	if err != nil {
		return err
	}
	return a.render(c, page.shell, page.content)
}

// logLive reads the page of an attempt's log.
func (a *App) logLive(c *fiber.Ctx, id int64, number int) (*livePage, error) {
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return nil, err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return nil, err
	}
	attempt, err := pick(attempts, strconv.Itoa(number), id)
	if err != nil {
		return nil, err
	}
	if err := a.logGone(c.UserContext(), &a.Store.Reader, attempt, row); err != nil {
		return nil, err
	}
	log, err := a.Logs.View(c.UserContext(), attempt.Name()) // after the attempt, or its last lines could be missed
	if err != nil {
		return nil, err
	}
	defer log.Close()
	v := views.LogPage{
		BuildLink: linkOf(row), Buildspace: row.Buildspace, Iteration: row.Iteration, Version: row.ShownVersion(),
		Place: views.LogPlace{Build: id, Attempt: attempt.Number, Query: logQuery(c)}, Bytes: log.Size(),
		Lines: log.Lines(),
	}
	marks, found := log.Errors()
	v.Finds = views.LogFinds{
		Place: views.LogPlace{Build: id, Attempt: attempt.Number}, State: attempt.State, Outcome: attempt.Outcome,
		Message: attempt.Message, Errors: logMarks(marks), Found: found, Phases: a.logPhases(log, attempt),
	}
	for _, t := range attempts {
		v.Attempts = append(v.Attempts, views.LogAttempt{Number: t.Number, State: t.State, Outcome: t.Outcome})
	}
	if !wantsPart(c) {
		if v.Window, err = logWindow(c, log, v.Place, attempt.StartedAt); err != nil {
			return nil, err
		}
		if v.Place.Query.Text != "" {
			if v.Hits, err = a.hitsView(c, log, v.Place); err != nil {
				return nil, err
			}
		}
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.BuildCrumbs(v.BuildLink, v.Buildspace, v.Iteration, views.Crumb{Label: v.Name(), URL: views.BuildURL(v.ID)}, views.Crumb{Label: "Log"})
	return &livePage{shell: s, parts: v.Parts(), content: views.LogContent(v)}, nil
}

// attempt finds the attempt that the query names, or the latest one.
func (a *App) attempt(c *fiber.Ctx) (buildbtw.Attempt, error) {
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	return pick(attempts, c.Query("attempt"), id)
}

// pick finds an attempt by its number; without one it is the latest.
func pick(attempts []buildbtw.Attempt, wanted string, build int64) (buildbtw.Attempt, error) {
	for _, t := range attempts {
		if wanted == "" || wanted == strconv.Itoa(t.Number) {
			return t, nil
		}
	}
	if len(attempts) == 0 {
		return buildbtw.Attempt{}, buildbtw.NotFound("build %d has not been started, and so there is no log of it yet", build)
	}
	return buildbtw.Attempt{}, buildbtw.NotFound("build %d has no attempt %.20q, and so no log of it", build, wanted)
}

// rawLog sends the log as it was written.
func (a *App) rawLog(c *fiber.Ctx) error {
	attempt, err := a.attempt(c)
	if err != nil {
		return err
	}
	content, size, err := a.Logs.Reader(context.WithoutCancel(c.UserContext()), attempt.Name()) // it is sent when this has returned
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return transfer.Send(c, transfer.Content{Reader: content, Size: size, Type: fiber.MIMETextPlainCharsetUTF8})
}

// openLog opens the log of the attempt that a part of a page is about.
func (a *App) openLog(c *fiber.Ctx) (attempt buildbtw.Attempt, log *buildlog.View, err error) {
	if attempt, err = a.attempt(c); err != nil {
		return attempt, nil, err
	}
	log, err = a.Logs.View(c.UserContext(), attempt.Name())
	return attempt, log, err
}

// logLines sends a window of lines to a page that scrolls.
func (a *App) logLines(c *fiber.Ctx) error {
	attempt, log, err := a.openLog(c)
	if err != nil {
		return err
	}
	defer log.Close()
	w, err := logWindow(c, log, views.LogPlace{Build: attempt.BuildID, Attempt: attempt.Number}, attempt.StartedAt)
	if err != nil {
		return err
	}
	return sendPart(c, views.LogRows(w))
}

// logHits answers with the lines that a search found.
func (a *App) logHits(c *fiber.Ctx) error {
	attempt, log, err := a.openLog(c)
	if err != nil {
		return err
	}
	defer log.Close()
	hits, err := a.hitsView(c, log, views.LogPlace{Build: attempt.BuildID, Attempt: attempt.Number, Query: logQuery(c)})
	if err != nil {
		return err
	}
	return sendPart(c, views.LogHitList(*hits))
}

// sendPart is sendView for a part of a page that no browser may cache.
func sendPart(c *fiber.Ctx, part templ.Component) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return sendView(c.UserContext(), c, part)
}

// logQuery reads the search form; the query is checked when it is used.
func logQuery(c *fiber.Ctx) views.LogQuery {
	q, _ := buildlog.ParseQuery(c.Query("q"), c.Query("regexp"), c.Query("case"))
	return views.LogQuery{Text: q.Text, Regexp: q.Regexp, MatchCase: !q.IgnoreCase}
}

// logWindow reads the lines that a request asks for: around line, from one on,
// before one, or the last. Their times count from the start of the attempt.
func logWindow(c *fiber.Ctx, log *buildlog.View, place views.LogPlace, started time.Time) (views.LogWindow, error) {
	w := views.LogWindow{Place: place, Total: log.Lines()}
	at := map[string]int64{}
	for _, name := range []string{"line", "from", "before", "limit"} {
		text := c.Query(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return w, buildbtw.Invalid("%s=%.40q is no line of a log; lines are numbered from 1", name, text)
		}
		at[name] = n
	}
	n := windowLines
	if at["limit"] > 0 {
		n = int(min(at["limit"], buildlog.MaxLines))
	}
	var lines []buildlog.Line
	var err error
	switch {
	case at["line"] > 0 && at["line"] <= log.Lines()-int64(n-linesAbove):
		lines, err = log.From(at["line"]-linesAbove, n)
	case at["line"] > 0 && at["line"] <= log.Lines():
		lines, err = log.From(min(at["line"]-linesAbove, log.Lines()-int64(n)+1), n)
	case at["from"] > 0:
		lines, err = log.From(at["from"], n)
	case at["before"] > 0:
		lines, err = log.Before(at["before"], n)
	default:
		lines, err = log.Before(log.Lines()+1, n)
	}
	for _, l := range lines {
		line := views.LogLine{Number: l.Number, Spans: ansi.Line(l.Text), Left: l.Size - int64(len(l.Text))}
		if at := log.Time(l.Offset); !at.IsZero() {
			line.After = views.Elapsed(at.Sub(started))
		}
		w.Lines = append(w.Lines, line)
	}
	w.Chosen = at["line"]
	return w, err
}

// logPhases returns the phases of an attempt, each with how long it took: until the next
// one begins, or until the attempt ended.
func (a *App) logPhases(log *buildlog.View, attempt buildbtw.Attempt) []views.LogPhase {
	marks := log.Phases()
	phases := make([]views.LogPhase, len(marks))
	end := a.Now()
	if attempt.FinishedAt != nil {
		end = *attempt.FinishedAt
	}
	last := log.Lines()
	for i, m := range slices.Backward(marks) {
		phases[i].Line, phases[i].Text, phases[i].Lines = m.Line, m.Text, last-m.Line+1
		begin := log.Time(m.Offset)
		if !begin.IsZero() && !end.IsZero() {
			phases[i].Took = views.Took(max(0, end.Sub(begin)))
		}
		end, last = begin, m.Line-1
	}
	return phases
}

func logMarks(marks []buildlog.Mark) []views.LogMark {
	var lines []views.LogMark
	for _, m := range marks {
		lines = append(lines, views.LogMark{Line: m.Line, Kind: m.Kind, Text: m.Text})
	}
	return lines
}

// hitsView searches a log as the query says. An error in the query is shown beside
// its form.
func (a *App) hitsView(c *fiber.Ctx, log *buildlog.View, place views.LogPlace) (*views.LogHits, error) {
	v := &views.LogHits{Place: place}
	q, err := buildlog.ParseQuery(c.Query("q"), c.Query("regexp"), c.Query("case"))
	if buildbtw.KindOf(err) == buildbtw.KindInvalid {
		v.Wrong = buildbtw.MessageOf(err)
		return v, nil
	}
	from, _ := strconv.ParseInt(c.Query("hits"), 10, 64) // what is no number means the beginning
	found, err := log.Search(c.UserContext(), q, from, windowHits)
	v.Next, v.Begun = found.Next, max(from, 1)
	for _, h := range found.Hits {
		v.Hits = append(v.Hits, views.LogHit{Line: h.Line, Before: h.Text[:h.From], Found: h.Text[h.From:h.To], After: h.Text[h.To:]})
	}
	return v, err
}

// logTail sends the next piece of the log to a build's page, which follows the
// end of it: what the log has gained since offset, and the element that asks for
// what comes then; or 304 when there is nothing yet.
func (a *App) logTail(c *fiber.Ctx) error {
	a.news.catchUp(c.UserContext())
	attempt, err := a.attempt(c)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(c.Query("offset"), 10, 64)
	if err != nil || offset < 0 {
		return buildbtw.Invalid("offset=%.40q is no position in a log", c.Query("offset"))
	}
	v := a.logView(attempt, offset)
	text, more, err := a.logPiece(c.UserContext(), attempt, offset)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	if len(text) == 0 && more {
		return c.SendStatus(fiber.StatusNotModified)
	}
	v.Text, v.End, v.Running, v.Behind = string(ansi.Plain(text)), offset+int64(len(text)), more, len(text) > logBytes/2
	return sendView(c.UserContext(), c, views.LogChunk(*v))
}

// logView returns a log from an offset on, without text. Its version is older than
// what is read then: a change in between is sent twice, never missed.
func (a *App) logView(attempt buildbtw.Attempt, from int64) *views.Log {
	topics := []string{topicLog(attempt.BuildID), topicBuild(attempt.BuildID)}
	return &views.Log{Build: attempt.BuildID, Attempt: attempt.Number, From: from, Topics: topics, Since: a.news.hub.Version(topics...)}
}

// logPiece reads on from offset. Whether more may come was decided when the
// attempt was loaded, before its log was read: the other way round the last
// lines could be missed.
func (a *App) logPiece(ctx context.Context, attempt buildbtw.Attempt, offset int64) (text []byte, more bool, err error) {
	r, size, err := a.Logs.Reader(ctx, attempt.Name())
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	if _, err := r.Seek(min(offset, size), io.SeekStart); err != nil {
		return nil, false, fmt.Errorf("read log of attempt %d from %d: %w", attempt.ID, offset, err)
	}
	text, err = io.ReadAll(io.LimitReader(r, logBytes))
	if err != nil {
		return nil, false, fmt.Errorf("read log of attempt %d from %d: %w", attempt.ID, offset, err)
	}
	more = attempt.State != buildbtw.AttemptFinished || offset+int64(len(text)) < size
	if more {
		text = wholeLines(text)
	}
	return text, more, nil
}

// wholeLines leaves the beginning of a line for the next piece, unless the piece
// is full of it.
func wholeLines(text []byte) []byte {
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	if len(text) == logBytes {
		return text
	}
	return nil
}

// logEnd returns the end of a log, with which the page of a build begins.
func (a *App) logEnd(ctx context.Context, attempt buildbtw.Attempt) (*views.Log, error) {
	v := a.logView(attempt, 0)
	text, from, err := a.Logs.Tail(ctx, attempt.Name(), logLines)
	if err != nil {
		return nil, err
	}
	if cut := len(text) - logBytes; cut > 0 {
		text, from = text[cut:], from+int64(cut)
	}
	v.Running = attempt.State != buildbtw.AttemptFinished
	if v.Running {
		text = wholeLines(text)
	}
	v.Text, v.From, v.End = string(ansi.Plain(text)), from, from+int64(len(text))
	return v, nil
}
