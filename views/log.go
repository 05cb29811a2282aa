package views

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// CleanLog makes the output of a build printable: escape sequences of terminals
// are left out, a line that a carriage return wrote over shows its last state,
// control characters are left out, and bytes that are no UTF-8 show as U+FFFD.
// The raw log keeps everything.
func CleanLog(raw []byte) string {
	text := bytes.ReplaceAll(bytes.ToValidUTF8(raw, []byte(string(utf8.RuneError))), []byte("\r\n"), []byte("\n"))
	out := make([]byte, 0, len(text))
	line := 0 // where the current line begins in out
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == escape:
			size = escapeLength(text)
		case r == '\n':
			out = append(out, '\n')
			line = len(out)
		case r == '\r':
			out = out[:line]
		case r == '\t' || !unicode.IsControl(r):
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return string(out)
}

const (
	escape = 0x1b
	bell   = 0x07
)

// escapeLength measures the escape sequence at the start of s (ECMA-48): CSI
// ends with a byte from @ to ~, OSC with BEL or ESC \, others with the first byte
// behind those from space to slash. One that is not complete ends with its line.
func escapeLength(s []byte) int {
	if len(s) < 2 || s[1] == '\n' {
		return 1
	}
	line := s
	if end := bytes.IndexByte(s, '\n'); end >= 0 {
		line = s[:end]
	}
	switch s[1] {
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

// lengthUntil gives the length of s up to and with the first byte, not before
// from, that ends it, or all of s.
func lengthUntil(s []byte, from int, ends func(i int) bool) int {
	for i := from; i < len(s); i++ {
		if ends(i) {
			return i + 1
		}
	}
	return len(s)
}
