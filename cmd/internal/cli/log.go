package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"

	"buildbtw/internal/logattr"
)

// LogFlags are how a program writes its log.
type LogFlags struct{ Format, Level string }

// Register adds --log-format and --log-level.
func (l *LogFlags) Register(flags *pflag.FlagSet) {
	Word(flags, &l.Format, "log-format", "text", "text or json", "text", "json")
	Word(flags, &l.Level, "log-level", "info", "the least that is logged: debug, info, warn or error", "debug", "info", "warn", "error")
}

// New returns a logger that writes to w, and with each line what its context is about.
func (l LogFlags) New(w io.Writer) (*slog.Logger, error) {
	var o slog.HandlerOptions
	if l.Level != "" {
		var level slog.Level
		if err := level.UnmarshalText([]byte(l.Level)); err != nil {
			return nil, Usage(fmt.Errorf("unknown log level %q; choose debug, info, warn or error", l.Level))
		}
		o.Level = level
	}
	if l.Format == "json" {
		return slog.New(logattr.Handler(slog.NewJSONHandler(w, &o))), nil
	}
	return slog.New(logattr.Handler(slog.NewTextHandler(w, &o))), nil
}
