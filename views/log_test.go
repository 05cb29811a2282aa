package views

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestALogIsMadePrintable(t *testing.T) {
	for raw, want := range map[string]string{
		"plain\ttext\n":                            "plain\ttext\n",
		"\x1b[1m\x1b[32m==>\x1b[0m done\n":         "==> done\n",
		"\x1b]0;a title\x07after":                  "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1b(Bx":                   "x",
		" 10%\r 50%\r100%\ndone":    "100%\ndone",
		"windows\r\nline\r\n":       "windows\nline\n",
		"bad \xff\xfe bytes":        "bad \uFFFD bytes",
		"cut \x1b[3":                "cut ",
		"cut \x1b[3\nnext":          "cut \nnext",
		"cut \x1b":                  "cut ",
		"bell\x07 back\x08 nul\x00": "bell back nul",
		"":                          "",
	} {
		if got := CleanLog([]byte(raw)); got != want {
			t.Errorf("CleanLog(%q) = %q, want %q", raw, got, want)
		}
	}
}

func FuzzCleanLog(f *testing.F) {
	for _, seed := range []string{"\x1b[1;32mok\x1b[0m\n", "a\rb\r\n\x1b]0;t\x07", "\xff\x1b", "\x1b[\x1b[\x1b]\\"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := CleanLog(raw)
		if !utf8.ValidString(got) {
			t.Errorf("no UTF-8: %q", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("control character %q left in %q", r, got)
			}
		}
		if want := strings.Count(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n"); strings.Count(got, "\n") != want {
			t.Errorf("%d lines of %q became %d of %q", want, raw, strings.Count(got, "\n"), got)
		}
	})
}
