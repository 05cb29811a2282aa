package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// jobLog writes what the agent logs into the log of GitLab's job, for the people who read
// it there: warnings only, each a sentence. What begins and ends the stages tell.
type jobLog struct {
	cause string // of the logger's own attributes
}

// Enabled implements slog.Handler.
func (jobLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (l jobLog) Handle(_ context.Context, r slog.Record) error {
	why := l.cause
	r.Attrs(func(a slog.Attr) bool {
		why = why + causeOf(a)
		return true
	})
	say("%s%s", r.Message, why)
	return nil
}

// WithAttrs implements slog.Handler. Which build a line is about the job's log need not say.
func (l jobLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l.cause += causeOf(a)
	}
	return l
}

// WithGroup implements slog.Handler.
func (l jobLog) WithGroup(string) slog.Handler { return l }

// causeOf returns why something happened, as the end of a sentence; other attributes are
// for programs.
func causeOf(a slog.Attr) string {
	if a.Key != "error" && a.Key != "cause" && a.Key != "reason" {
		return ""
	}
	return fmt.Sprintf(": %s", strings.TrimSpace(printable([]byte(a.Value.String()), true)))
}
