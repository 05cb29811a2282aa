package buildlog

import (
	"context"
	"fmt"
	"io"
	"slices"

	"buildbtw"
)

// MaxTail is the maximum number of bytes that Tail returns, whatever the lines'
// length.
const MaxTail = 4 << 20

const tailBlock = 64 << 10

// Tail returns the last lines of a log and the offset at which they begin. It
// reads from the end and no more than is needed. A last line without a newline
// counts as a line.
func (l *Logs) Tail(ctx context.Context, attempt buildbtw.AttemptName, lines int) (text []byte, offset int64, err error) {
	f, size, err := l.openFile(ctx, attempt)
	if err != nil || f == nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // nothing was written with it
	offset, err = startOfLines(f, size, lines)
	if err != nil {
		return nil, 0, fmt.Errorf("read the end of log %s: %w", attempt, err)
	}
	text = make([]byte, size-offset)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, size-offset), text); err != nil {
		return nil, 0, fmt.Errorf("read the end of log %s: %w", attempt, err)
	}
	return text, offset, nil
}

// startOfLines finds where the last lines of a text begin.
func startOfLines(r io.ReaderAt, size int64, lines int) (int64, error) {
	if lines <= 0 {
		return size, nil
	}
	lowest := max(0, size-MaxTail)
	block := make([]byte, tailBlock)
	end := size - 1 // a newline there ends the last line, it begins none
	for end > lowest {
		start := max(lowest, end-tailBlock)
		b := block[:end-start]
		if _, err := r.ReadAt(b, start); err != nil {
			return 0, err
		}
		for i := range slices.Backward(b) {
			if b[i] != '\n' {
				continue
			}
			if lines--; lines == 0 {
				return start + int64(i) + 1, nil
			}
		}
		end = start
	}
	return lowest, nil
}
