package ansi_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"buildbtw/internal/ansi"
)

func TestOutputIsMadePrintable(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"plain\ttext\n":                            "plain\ttext\n",
		"\x1b[1m\x1b[32m==>\x1b[0m done\n":         "==> done\n",
		"\x1b]0;a title\x07after":                  "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1b(Bx":                  "x",
		" 10%\r 50%\r100%\ndone":   "100%\ndone",
		" 10%\r 50%\r":             " 50%",
		"twice\r\r\n":              "twice\n",
		"windows\r\nline\r\n":      "windows\nline\n",
		"bad \xff\xfe bytes":       "bad \uFFFD bytes",
		"cut \x1b[3":               "cut ",
		"cut \x1b[3\nnext":         "cut \nnext",
		"cut \x1b":                 "cut ",
		"bell\x07 back nul\x00":    "bell back nul",
		"90%\b\b\b100%":            "100%",
		"ab\b\b\b\b\bx":            "xb",
		"typo\b \bed":              "typed",
		"end\b\b\n\bnext":          "end\nnext",
		"downloading\rdone":        "doneloading",
		"downloading\r\x1b[Kdone":  "done",
		"downloading\rdo\x1b[1Kne": "  neloading",
		"downloading\r\x1b[2Kdone": "done",
		"one\ttwo\rx\t\b\bno":      "xne   notwo",
		"o\u0308l\bx":              "o\u0308x",
		"o\u0308\bx":               "x",
		"\u0308\bx":                "x",
		"grü\b\bße\xff\b!":         "gße!",
		"grüße \u0085":             "grüße ",
		"":                         "",
	} {
		if got := string(ansi.Plain([]byte(raw))); got != want {
			t.Errorf("Plain(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	red, green := ansi.Style{Foreground: 2}, ansi.Style{Foreground: 3, Bold: true}
	for raw, want := range map[string][]ansi.Span{
		"":                                    nil,
		"plain":                               {{Text: "plain"}},
		"\x1b[31mred\x1b[0m off":              {{red, "red"}, {Text: " off"}},
		"\x1b[31mred\x1b[m off":               {{red, "red"}, {Text: " off"}},
		"\x1b[1;32m==>\x1b(B\x1b[m ok":        {{green, "==>"}, {Text: " ok"}},
		"\x1b[31mr\x1b[Ked":                   {{red, "red"}},
		"\x1b[38;5;196mred\x1b[39m":           {{ansi.Style{Foreground: 10}, "red"}},
		"\x1b[38;5;2mg\x1b[38;5;244mg":        {{ansi.Style{Foreground: 3}, "g"}, {ansi.Style{Foreground: 9}, "g"}},
		"\x1b[48;2;200;10;0;1mon red":         {{ansi.Style{Background: 2, Bold: true}, "on red"}},
		"\x1b[38:2::0:255:0mgreen":            {{ansi.Style{Foreground: 11}, "green"}},
		"\x1b[97;104mbright":                  {{ansi.Style{Foreground: 16, Background: 13}, "bright"}},
		"\x1b[38;5mcut":                       {{Text: "cut"}},
		"\x1b[1;3;4;7;9mall\x1b[22;23;24;27m": {{ansi.Style{Bold: true, Italic: true, Underline: true, Inverse: true, Strike: true}, "all"}},
		"\x1b[31m 10%\r\x1b[32;1m100%":        {{green, "100%"}},
		"\x1b[999;?1;;modd":                   {{Text: "odd"}},
		"\x1b[31mred\b\x1b[32;1mg\x1b[m!":     {{red, "re"}, {green, "g"}, {Text: "!"}},
	} {
		if got := ansi.Line([]byte(raw)); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
			t.Errorf("Line(%q) = %+v, want %+v", raw, got, want)
		}
	}
}

// FuzzLine holds that whatever a build prints, what is shown is clean text in
// known colours, and that both ways of showing it show the same.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"\x1b[1;32mok\x1b[0m\n", "a\rb\r\n\x1b]0;t\x07", "\xff\x1b", "\x1b[\x1b[\x1b]\\", "\x1b[38;5;300mx", "\x1b[48;2;;;m\x1b[38;2;1m", "\u009b31m", "a\tb\rc\b\bd\x1b[1Ke\u0308\x1b[K",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := string(ansi.Plain(raw))
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("control character %q left in %q", r, got)
			}
		}
		if !utf8.ValidString(got) {
			t.Errorf("no UTF-8: %q", got)
		}
		if want := bytes.Count(raw, []byte("\n")); strings.Count(got, "\n") != want {
			t.Errorf("%d lines of %q became %d of %q", want, raw, strings.Count(got, "\n"), got)
		}
		for line := range bytes.SplitSeq(raw, []byte("\n")) {
			var shown strings.Builder
			for _, s := range ansi.Line(line) {
				if s.Foreground > 16 || s.Background > 16 || s.Text == "" {
					t.Errorf("span %+v", s)
				}
				shown.WriteString(s.Text)
			}
			if want := string(ansi.Plain(line)); shown.String() != want {
				t.Errorf("spans of %q say %q, want %q", line, shown.String(), want)
			}
		}
	})
}
