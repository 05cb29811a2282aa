package logattr_test

import (
	"bytes"
	"log/slog"
	"testing"

	"buildbtw/internal/logattr"
)

func TestLinesSayWhatTheirContextIsAbout(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	plain := slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(logattr.Handler(plain)).With("part", "store")
	ctx := logattr.With(t.Context(), slog.String("id", "r1"))
	inner := logattr.With(ctx, slog.Int("build", 7))
	log.InfoContext(t.Context(), "alone")
	log.InfoContext(inner, "both", "n", 1)
	log.InfoContext(ctx, "own", "id", "mine")
	const want = "msg=alone part=store\nmsg=both part=store n=1 id=r1 build=7\nmsg=own part=store id=mine\n"
	if got := text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
