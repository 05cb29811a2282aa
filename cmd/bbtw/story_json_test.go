package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// json FILE [PATH VALUE] wants the file, or stdout, to be JSON, and the value at
// a path of keys and indexes separated by dots to print as VALUE.
func (s *story) json(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 && len(args) != 3 {
		return errors.New("usage: json FILE [PATH VALUE]")
	}
	text := ts.ReadFile(args[0])
	values := json.NewDecoder(strings.NewReader(text))
	var value any
	n := 0
	for ; ; n++ {
		var next any
		err := values.Decode(&next)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s is no JSON: %w\n%s", args[0], err, text)
		}
		value = next
	}
	if n == 0 {
		return fmt.Errorf("%s is empty", args[0])
	}
	if len(args) == 1 {
		return nil
	}
	if got := fmt.Sprint(at(value, strings.Split(args[1], "."))); got != args[2] {
		return fmt.Errorf("%s is %q, not %q, in:\n%s", args[1], got, args[2], text)
	}
	return nil
}

// at goes down into a JSON value; "len" is the length of a list.
func at(value any, path []string) any {
	for _, key := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			var i int
			if key == "len" {
				return len(v)
			}
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}
