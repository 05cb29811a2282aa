package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/cmdtest"
)

// No command takes a number, a time or a word that it cannot mean.
func TestFlagsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, err := range cli.CheckFlags((&app{out: io.Discard, errors: io.Discard}).command()) {
		t.Error(err)
	}
}

// Every command that takes the name of something completes it. One that is not listed
// here takes none, or something that nobody can know.
func TestNamesAreCompleted(t *testing.T) {
	t.Parallel()
	without := []string{"auth token create", "auth token revoke", "release fetch", "release sign", "release withdraw", "notify add", "notify replay"}
	walk((&app{out: io.Discard, errors: io.Discard}).command(), func(c *cobra.Command, path string) {
		takes := c.Runnable() && c.ValidateArgs([]string{"x"}) == nil || c.Runnable() && c.ValidateArgs([]string{"x", "y"}) == nil
		if takes && c.ValidArgsFunction == nil && !slices.Contains(without, path) {
			t.Errorf("bbtw %s completes no names", path)
		}
	})
}

// walk calls f for every command that people can call, with its words.
func walk(c *cobra.Command, f func(c *cobra.Command, path string)) {
	for _, sub := range c.Commands() {
		if sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.Runnable() {
			f(sub, strings.TrimPrefix(sub.CommandPath(), "bbtw "))
		}
		walk(sub, f)
	}
}

// A table fits into the terminal: the widest cells are shortened, names never; where
// that is not enough each row is lines of its own. Without a width nothing is.
func TestTablesFitIntoTheTerminal(t *testing.T) {
	t.Parallel()
	table := table{head: []string{"NAME", "STATUS", "WHY"}, rows: [][]cell{
		{{text: "a-rather-long-name"}, {text: "built", colour: green}, {text: "depends on something with a long name"}},
		{{text: "b"}, {text: "failed", colour: red}, {}},
	}}
	for _, test := range []struct {
		width   int
		colours bool
		want    string
	}{
		{0, false, "NAME                STATUS  WHY\na-rather-long-name  built   depends on something with a long name\nb                   failed\n"},
		{44, false, "NAME                STATUS  WHY\na-rather-long-name  built   depends on some…\nb                   failed\n"},
		{44, true, "NAME                STATUS  WHY\na-rather-long-name  \x1b[32mbuilt\x1b[0m   depends on some…\nb                   \x1b[31mfailed\x1b[0m\n"},
		{20, false, "NAME:   a-rather-long-name\nSTATUS: built\nWHY:    depends on\n        something\n        with a long\n        name\n\nNAME:   b\nSTATUS: failed\n"},
		{1, true, "NAME:   a-rather-long-name\nSTATUS: \x1b[32mbuilt\x1b[0m\nWHY:    depends on\n        something\n        with a\n        long name\n\nNAME:   b\nSTATUS: \x1b[31mfailed\x1b[0m\n"},
	} {
		if got := table.aligned(test.width, test.colours); got != test.want {
			t.Errorf("width %d:\n%s\nwant\n%s", test.width, got, test.want)
		}
	}
}

// The last lines of a log are the last ones, in their order.
func TestCopyTail(t *testing.T) {
	t.Parallel()
	for lines, want := range map[int]string{1: "e", 2: "d\ne", 3: "c\nd\ne", 9: "a\nb\nc\nd\ne"} {
		var out bytes.Buffer
		if err := copyTail(&out, bytes.NewReader([]byte("a\nb\nc\nd\ne")), lines); err != nil || out.String() != want {
			t.Errorf("%d lines: %q, %v", lines, out.String(), err)
		}
	}
}

func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	cmdtest.Reference(t, (&app{out: io.Discard, errors: io.Discard}).command())
}
