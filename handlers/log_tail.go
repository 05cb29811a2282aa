package handlers

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/internal/ansi"
	"buildbtw/views"
)

const (
	logLines = 200      // at the end of a log that a page begins with
	logBytes = 64 << 10 // of log in one answer to a page
)

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
	text, more, err := a.logPiece(attempt, offset)
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

// logView is a log from an offset on, without text. Its version is older than
// what is read then: a change in between is told twice, never missed.
func (a *App) logView(attempt buildbtw.Attempt, from int64) *views.Log {
	topics := []string{topicLog(attempt.BuildID), topicBuild(attempt.BuildID)}
	return &views.Log{Build: attempt.BuildID, Attempt: attempt.Number, From: from, Topics: topics, Since: a.news.hub.Version(topics...)}
}

// logPiece reads on from offset. Whether more may come was decided when the
// attempt was loaded, before its log was read: the other way round the last
// lines could be missed.
func (a *App) logPiece(attempt buildbtw.Attempt, offset int64) (text []byte, more bool, err error) {
	r, size, err := a.Logs.Reader(attempt.ID)
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

// logEnd is what the page of a build begins with.
func (a *App) logEnd(attempt buildbtw.Attempt) (*views.Log, error) {
	v := a.logView(attempt, 0)
	text, from, err := a.Logs.Tail(attempt.ID, logLines)
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
