// Package ansi converts the terminal output of programs to plain text, or to spans of
// text with colours. It knows escape sequences
// (ECMA-48), carriage returns that write over a line, and bytes that are no text.
package ansi

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

const (
	escape = 0x1b
	bell   = 0x07
)

// Plain makes output printable: escape sequences are left out, a line that was
// written over shows what a terminal shows in the end, control characters are left
// out, and bytes that are no UTF-8 show as U+FFFD. It has the lines that raw has.
func Plain(raw []byte) []byte {
	if IsPlain(raw) {
		return raw
	}
	p := plain{out: make([]byte, 0, len(raw))}
	scan(raw, &p)
	return p.out
}

// IsPlain reports whether raw needs no treatment: it is ASCII without control
// characters other than tab and newline. Other text may be printable, too.
func IsPlain(raw []byte) bool {
	for _, b := range raw {
		if special[b] {
			return false
		}
	}
	return true
}

// special are the bytes at which a run of plain ASCII ends.
var special = specialBytes() //nolint:gochecknoglobals // a table that never changes

func specialBytes() (t [256]bool) {
	for b := range t {
		t[b] = (b < ' ' && b != '\t' && b != '\n') || b >= 0x7f
	}
	return t
}

// sink receives the parts of a text, in order, from scan.
type sink interface {
	text(run []byte)       // printable, with tabs and newlines
	sequence(whole []byte) // an escape sequence
	restyle(s Style)       // the following text has this style, whatever came before
}

type plain struct{ out []byte }

func (p *plain) text(run []byte) { p.out = append(p.out, run...) }

func (p *plain) sequence([]byte) {}

func (p *plain) restyle(Style) {}

// scan takes raw apart, line by line. One that goes back over itself is written to a
// screen first.
func scan(raw []byte, to sink) {
	for line := range bytes.Lines(raw) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if moves(text) {
			var s screen
			scanLine(bytes.TrimRight(text, "\r"), &s, &s)
			s.show(to)
		} else {
			scanLine(text, to, nil)
		}
		if ended {
			to.text([]byte("\n"))
		}
	}
}

// parts takes what scanLine finds.
type parts interface {
	text(run []byte)
	sequence(whole []byte)
}

// scanLine takes a line without its newline apart. When it goes back over itself, on
// is the screen that it is written to; else nil.
func scanLine(raw []byte, to parts, on *screen) {
	for len(raw) > 0 {
		n := 0
		for n < len(raw) && !special[raw[n]] {
			n++
		}
		if n > 0 {
			to.text(raw[:n])
			raw = raw[n:]
			continue
		}
		raw = raw[scanSpecial(raw, to, on):]
	}
}

// scanSpecial passes the control character, escape sequence or rune that raw begins with
// on, and returns its length.
func scanSpecial(raw []byte, to parts, on *screen) int {
	switch {
	case raw[0] == escape:
		n := escapeLength(raw)
		to.sequence(raw[:n])
		return n
	case raw[0] == '\r' && on != nil:
		on.column = 0
		return 1
	case raw[0] == '\b' && on != nil:
		on.column = max(0, on.column-1)
		return 1
	}
	r, size := utf8.DecodeRune(raw)
	switch {
	case r == utf8.RuneError && size == 1:
		to.text([]byte(string(utf8.RuneError)))
		return invalid(raw)
	case !unicode.IsControl(r):
		to.text(raw[:size])
	}
	return size
}

// invalid returns the length of the bytes that raw begins with and that are no
// UTF-8: together they show as one character.
func invalid(raw []byte) int {
	for n := 1; n < len(raw); n++ {
		if r, size := utf8.DecodeRune(raw[n:]); r != utf8.RuneError || size != 1 {
			return n
		}
	}
	return len(raw)
}

// escapeLength measures the escape sequence at the start of s: CSI ends with a
// byte from @ to ~, OSC with BEL or ESC \, others with the first byte behind
// those from space to slash. One that is not complete ends with its line.
func escapeLength(s []byte) int {
	line := s
	if end := bytes.IndexByte(s, '\n'); end >= 0 {
		line = s[:end]
	}
	if len(line) < 2 {
		return 1
	}
	switch line[1] {
	case '[':
		return lengthUntil(line, 2, func(i int) bool { return line[i] >= '@' && line[i] <= '~' })
	case ']':
		return lengthUntil(line, 2, func(i int) bool {
			return line[i] == bell || line[i] == '\\' && line[i-1] == escape
		})
	}
	n := lengthUntil(line, 1, func(i int) bool { return line[i] < ' ' || line[i] > '/' })
	if last := line[n-1]; n > 1 && last >= utf8.RuneSelf {
		return n - 1 // no escape sequence has such a byte; the character stays whole
	}
	return n
}

// lengthUntil returns the length of s up to and with the first byte, not before
// from, that ends it, or all of s.
func lengthUntil(s []byte, from int, ends func(i int) bool) int {
	for i := from; i < len(s); i++ {
		if ends(i) {
			return i + 1
		}
	}
	return len(s)
}
