package ansi_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"buildbtw/internal/ansi"
)

func terminal(t testing.TB, colours bool, chunks ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := ansi.NewTerminal(&out, colours)
	for _, c := range chunks {
		if _, err := w.Write([]byte(c)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestOnlyColoursReachATerminal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, plain, coloured string }{
		"text":      {"a\tb\nc", "a\tb\nc", "a\tb\nc"},
		"colour":    {"\x1b[1;31mred\x1b[0m\n", "red\n", "\x1b[1;31mred\x1b[0m\x1b[0m\n"},
		"unended":   {"\x1b[31mred\nnext\n", "red\nnext\n", "\x1b[31mred\x1b[0m\nnext\n"},
		"title":     {"\x1b]0;pwned\aa\n", "a\n", "a\n"},
		"link":      {"\x1b]8;;http://evil\x1b\\a\x1b]8;;\x1b\\\n", "a\n", "a\n"},
		"clipboard": {"\x1b]52;c;cm0gLXJm\aa\n", "a\n", "a\n"},
		"conceal":   {"\x1b[8mhidden\n", "hidden\n", "hidden\n"},
		"cursor":    {"\x1b[2J\x1b[1;1Ha\x1b[6n\n", "a\n", "a\n"},
		"private":   {"\x1b[?1049ha\x1b[>4;2m\n", "a\n", "a\n"},
		"device":    {"\x1bPq#0\x1b\\a\x1b_x\x1b\\\n", "q#0a" + "x\n", "q#0a" + "x\n"},
		"c1":        {"\u009b31ma\u0085\n", "31ma\n", "31ma\n"},
		"overwrite": {"progress 1\rprogress 2\n", "progress 2\n", "progress 2\n"},
		"erased":    {"\x1b[96;48;5;1mab\x1b[m\bc\n", "ac\n", "\x1b[0;96;41ma\x1b[0mc\x1b[0m\n"},
		"combined":  {"xa\u034f\b\b\bb\n", "ba<U+034F>\n", "ba<U+034F>\n"},
		"bell":      {"a\a\b\x00\n", "a\n", "a\n"},

		"direction": {"a\u202eb\u2066c\u200f\n", "a<U+202E>b<U+2066>c<U+200F>\n", "a<U+202E>b<U+2066>c<U+200F>\n"},
		"unseen":    {"a\u200bb\ufeffc\u00ad\n", "a<U+200B>b<U+FEFF>c<U+00AD>\n", "a<U+200B>b<U+FEFF>c<U+00AD>\n"},
		"tags":      {"a\U000e0041\U000e0100\n", "a<U+E0041><U+E0100>\n", "a<U+E0041><U+E0100>\n"},
		"fillers":   {"a\u3164\u115f\u034f\n", "a<U+3164><U+115F><U+034F>\n", "a<U+3164><U+115F><U+034F>\n"},
		"separator": {"a\u2028b\u2029\n", "a<U+2028>b<U+2029>\n", "a<U+2028>b<U+2029>\n"},
		"scripts":   {"żółw עברית 日本語 ❤\ufe0f\n", "żółw עברית 日本語 ❤\ufe0f\n", "żółw עברית 日本語 ❤\ufe0f\n"},
	} {
		if got := terminal(t, false, c.in); got != c.plain {
			t.Errorf("%s, plain: %q, want %q", name, got, c.plain)
		}
		if got := terminal(t, true, c.in); got != c.coloured {
			t.Errorf("%s, with colours: %q, want %q", name, got, c.coloured)
		}
	}
}

// TestWhereAChunkEndsDoesNotMatter compares any output, cut anywhere, with the same
// in one piece, and looks for escapes that are no colours.
func TestWhereAChunkEndsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"a", "é", "\n", "\x1b", "\x1b[31m", "\x1b]0;x\a", "\x1b]52;c;eA==", "\x1b\\", "\r", "\x9b", "[0m", "8m", "\x00"})).Draw(r, "parts")
		text := strings.Join(parts, "")
		whole := terminal(t, true, text)
		at := rapid.IntRange(0, len(text)).Draw(r, "at")
		if got := terminal(t, true, text[:at], text[at:]); got != whole {
			r.Fatalf("%q cut at %d: %q, whole %q", text, at, got, whole)
		}
		for rest := whole; ; {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			end := strings.IndexByte(after, 'm')
			if end < 1 || after[0] != '[' || strings.Trim(after[1:end], "0123456789;:") != "" {
				r.Fatalf("%q lets through an escape before %q", text, after)
			}
			rest = after[end:]
		}
	})
}

// A text of others is shown in a table or a message as a log is on a terminal.
func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\tb\n": "a\tb\n", "\x1b[31mred\x1b[0m": "red", "x\u202ecod.exe": "x<U+202E>cod.exe", "\u061cü\x00": "<U+061C>ü",
	} {
		if got := string(ansi.Visible([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
