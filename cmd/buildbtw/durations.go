package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// readDurations reads a file of lines "PKGBASE SECONDS", with comments after a
// #. Without a name it returns nil.
func readDurations(name string) (map[string]float64, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read durations: %w", err)
	}
	defer file.Close()
	known := map[string]float64{}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s, line %d: want a pkgbase and its seconds, not %q", name, n, strings.TrimSpace(text))
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || !(seconds >= 0 && seconds < 1e9) {
			return nil, fmt.Errorf("%s, line %d: %q is no number of seconds", name, n, fields[1])
		}
		known[fields[0]] = seconds
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read durations from %s: %w", name, err)
	}
	return known, nil
}
