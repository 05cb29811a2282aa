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
// end of it.
func (a *App) logTail(c *fiber.Ctx) error {
	attempt, err := a.attempt(c)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(c.Query("offset"), 10, 64)
	if err != nil || offset < 0 {
		return buildbtw.Invalid("offset=%.40q is no position in a log", c.Query("offset"))
	}
	return a.buildLogFragment(c, attempt, offset)
}

// buildLogFragment answers with what the log has gained since offset, or with
// nothing to swap in.
func (a *App) buildLogFragment(c *fiber.Ctx, attempt buildbtw.Attempt, offset int64) error {
	text, more, err := a.logPiece(attempt, offset)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	if len(text) == 0 && more {
		return c.SendStatus(fiber.StatusNoContent)
	}
	return sendView(c.UserContext(), c, views.LogChunk(views.Log{
		Build: attempt.BuildID, Attempt: attempt.Number, Text: string(ansi.Plain(text)),
		From: offset, End: offset + int64(len(text)), Running: more,
	}))
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
	text, from, err := a.Logs.Tail(attempt.ID, logLines)
	if err != nil {
		return nil, err
	}
	if cut := len(text) - logBytes; cut > 0 {
		text, from = text[cut:], from+int64(cut)
	}
	running := attempt.State != buildbtw.AttemptFinished
	if running {
		text = wholeLines(text)
	}
	return &views.Log{
		Build: attempt.BuildID, Attempt: attempt.Number, Text: string(ansi.Plain(text)), From: from,
		End: from + int64(len(text)), Running: running,
	}, nil
}
