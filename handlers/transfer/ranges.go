package transfer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// span is the part of a content that is sent.
type span struct {
	start, length int64
	partial       bool
}

// parseRange reads a Range header for a content of size bytes. What is not one
// byte range is ignored, as RFC 9110 allows, and the whole is sent; a range that
// begins behind the end is an error.
func parseRange(header string, size int64) (span, error) {
	whole := span{length: size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || strings.Contains(spec, ",") || size == 0 {
		return whole, nil
	}
	start, end, ok := bounds(first, last, size)
	switch {
	case !ok:
		return whole, nil
	case start >= size:
		return span{}, fmt.Errorf("the range begins at byte %d, but there are only %d", start, size)
	}
	return span{start: start, length: min(end, size-1) - start + 1, partial: true}, nil
}

// bounds reads "first-last", "first-" and "-suffixLength"; both ends are part of
// the range.
func bounds(first, last string, size int64) (start, end int64, ok bool) {
	if first == "" {
		n, ok := position(last)
		if n == 0 {
			return size, size, ok // an empty suffix cannot be satisfied
		}
		return max(0, size-n), size - 1, ok
	}
	start, ok = position(first)
	if last == "" {
		return start, size - 1, ok
	}
	end, okEnd := position(last)
	return start, end, ok && okEnd && start <= end
}

// Start gives the byte at which an answer shall begin whose end is not known
// yet: that of the Range header where it can be had, else the first.
func Start(c *fiber.Ctx, size int64) int64 {
	part, err := parseRange(c.Get(fiber.HeaderRange), size)
	if err != nil {
		return size
	}
	return part.start
}

func position(digits string) (int64, bool) {
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err == nil
}
