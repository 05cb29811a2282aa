package cli

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger makes a logger for a --log-format of text or json.
func NewLogger(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, Usage(fmt.Errorf("unknown log format %q; choose text or json", format))
}
