package ansi

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// Terminal is a writer that makes the output of an untrusted program harmless for a
// terminal: text, tabs, newlines and, with colours, SGR sequences (select graphic
// rendition) pass; sequences for titles, links, clipboards and cursors, and control
// characters, are removed, and invisible characters are written as Visible does. A style
// ends with its line. Close writes the rest of a last line without a newline.
type Terminal struct {
	to      io.Writer
	colours bool
	line    []byte // not written yet: a sequence may go on in the next chunk
}

// NewTerminal returns a Terminal that writes to w.
func NewTerminal(w io.Writer, colours bool) *Terminal { return &Terminal{to: w, colours: colours} }

// maxLine is how much of a line is gathered; a longer one is written in pieces.
const maxLine = 64 << 10

func (t *Terminal) Write(p []byte) (int, error) {
	t.line = append(t.line, p...)
	whole := bytes.LastIndexByte(t.line, '\n') + 1
	if whole == 0 && len(t.line) > maxLine {
		whole = len(t.line)
	}
	if whole == 0 {
		return len(p), nil
	}
	err := t.put(t.line[:whole])
	t.line = append(t.line[:0], t.line[whole:]...)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes the rest of a last line without a newline.
func (t *Terminal) Close() error {
	err := t.put(t.line)
	t.line = nil
	return err
}

func (t *Terminal) put(text []byte) error {
	if !IsPlain(text) {
		c := cleaner{colours: t.colours}
		for line := range bytes.Lines(text) {
			c.line(line)
		}
		text = c.out
	}
	_, err := t.to.Write(text)
	return err
}

// cleaner is a sink that collects harmless text.
type cleaner struct {
	out     []byte
	colours bool
	styled  bool
}

func (c *cleaner) line(line []byte) {
	c.styled = false
	rest, ended := bytes.CutSuffix(line, []byte("\n"))
	scan(rest, c)
	if c.styled {
		c.out = append(c.out, "\x1b[0m"...)
	}
	if ended {
		c.out = append(c.out, '\n')
	}
}

// text takes a run of ASCII, or one other character.
func (c *cleaner) text(run []byte) { c.out = appendVisible(c.out, run) }

// restyle writes a style in the sixteen colours: it is for a line that was written over.
func (c *cleaner) restyle(s Style) {
	if !c.colours || s == (Style{}) && !c.styled {
		return
	}
	c.out, c.styled = s.appendSequence(c.out), true
}

func (c *cleaner) sequence(whole []byte) {
	if !c.colours || len(whole) < 3 || whole[1] != '[' || whole[len(whole)-1] != 'm' {
		return
	}
	for _, b := range whole[2 : len(whole)-1] {
		if (b < '0' || b > '9') && b != ';' && b != ':' {
			return
		}
	}
	// Conceal (8) hides text from people and not from the clipboard.
	for _, n := range numbers(whole[2 : len(whole)-1]) {
		if n == 8 {
			return
		}
	}
	c.out, c.styled = append(c.out, whole...), true
}

// Visible returns the text as Plain does, with invisible characters written as <U+202E>:
// they can change how people read the others. U+202E, for one, reverses the direction of
// the text after it (CVE-2021-42574, "Trojan Source").
func Visible(raw []byte) []byte {
	text := Plain(raw)
	if IsPlain(text) {
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		out = appendVisible(out, text[:size])
		text = text[size:]
	}
	return out
}

func appendVisible(out, run []byte) []byte {
	r, _ := utf8.DecodeRune(run)
	if r < utf8.RuneSelf || !invisible(r) {
		return append(out, run...)
	}
	return fmt.Appendf(out, "<U+%04X>", r)
}

// invisible reports whether a character shows nothing: controls of direction and
// format, separators of lines, fillers, and Unicode's Other_Default_Ignorable_Code_Point.
// Variation selectors of emoji are not reported.
func invisible(r rune) bool {
	if r == 0xfe0e || r == 0xfe0f {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
