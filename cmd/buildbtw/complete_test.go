package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// What shells ask for when somebody presses the tab key.
func TestShellsCompleteTheServersSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, want string }{
		{"serve --", "--data-dir"},
		{"serve --li", "--listen"},
		{"config --disp", "--dispatch"},
		{"doctor --", "--json"},
		{"serve --check ", "empty=blocking"},
		{"serve --sources ", "dir:"},
		{"serve --signer ", "unix:"},
		{"serve --debug-listen ", "127.0.0.1:6060"},
		{"config --listen ", "unix:"},
		{"serve --data-dir ", ":16"}, // the shell's own directories
		{"serve --source-links ", ":16"},
		{"serve --config ", "toml"},
		{"doc", "doctor"},
	} {
		root := command()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"__complete"}, strings.Split(test.line, " ")...))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", test.line, err)
		}
		offered := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' || r == '\t' })
		if !slices.Contains(offered, test.want) {
			t.Errorf("%s: no %s in %q", test.line, test.want, offered)
		}
	}
}
