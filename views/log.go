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
// ends with a byte from @ to ~, OSC with BEL or ESC \, others have two bytes. One
// that is not complete ends with its line.
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
		return lengthUntil(line, func(i int) bool { return line[i] >= '@' && line[i] <= '~' })
	case ']':
		return lengthUntil(line, func(i int) bool {
			return line[i] == bell || line[i] == '\\' && line[i-1] == escape
		})
	}
	_, size := utf8.DecodeRune(s[1:])
	return 1 + size
}

// lengthUntil gives the length of s up to and with the first byte from the
// third on that ends it, or all of s.
func lengthUntil(s []byte, ends func(i int) bool) int {
	for i := 2; i < len(s); i++ {
		if ends(i) {
			return i + 1
		}
	}
	return len(s)
}
