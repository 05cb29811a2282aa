package main

import (
	"bufio"
	"errors"
	"io"
)

// copyTail copies the last lines of r.
func copyTail(w io.Writer, r io.Reader, lines int) error {
	ring := make([][]byte, 0, lines)
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if len(ring) == lines {
				ring = append(ring[:0], ring[1:]...)
			}
			ring = append(ring, line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, line := range ring {
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
