package ansi

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// tabWidth is the distance of a terminal's tab stops.
const tabWidth = 8

// moves reports whether a line, without its newline, goes back over itself: it has a
// backspace, or a carriage return that something follows.
func moves(line []byte) bool {
	return bytes.IndexByte(bytes.TrimRight(line, "\r"), '\r') >= 0 || bytes.IndexByte(line, '\b') >= 0
}

// cell is one character of a line, with the marks that combine with it.
type cell struct {
	style Style
	text  []byte
}

// screen is one line of a terminal that is wide enough for it. Each character is one
// column wide.
type screen struct {
	cells  []cell
	column int // where the next character goes, at most len(cells)
	style  Style
}

func (s *screen) text(run []byte) {
	for len(run) > 0 {
		r, size := utf8.DecodeRune(run)
		switch {
		case r == '\t':
			stop := s.column/tabWidth*tabWidth + tabWidth
			for len(s.cells) < stop {
				s.cells = append(s.cells, cell{s.style, []byte{' '}})
			}
			s.column = stop
		case unicode.Is(unicode.Mn, r) && s.column > 0:
			before := &s.cells[s.column-1]
			before.text = append(before.text, run[:size]...)
		default:
			s.put(run[:size:size])
		}
		run = run[size:]
	}
}

func (s *screen) put(text []byte) {
	if s.column == len(s.cells) {
		s.cells = append(s.cells, cell{})
	}
	s.cells[s.column] = cell{s.style, text}
	s.column++
}

// sequence changes the style (SGR), or erases in the line (EL, CSI n K).
func (s *screen) sequence(whole []byte) {
	if len(whole) < 3 || whole[1] != '[' {
		return
	}
	n := numbers(whole[2 : len(whole)-1])
	switch whole[len(whole)-1] {
	case 'm':
		s.style.apply(n)
	case 'K':
		if n[0] == 1 || n[0] == 2 {
			for i := range s.cells[:min(s.column+1, len(s.cells))] {
				s.cells[i] = cell{Style{}, []byte{' '}}
			}
		}
		if n[0] == 0 || n[0] == 2 {
			s.cells = slices.Delete(s.cells, s.column, len(s.cells))
		}
	}
}

// show writes to a sink what the line looks like in the end.
func (s *screen) show(to sink) {
	for i, c := range s.cells {
		if i == 0 || c.style != s.cells[i-1].style {
			to.restyle(c.style)
		}
		for text := c.text; len(text) > 0; {
			_, size := utf8.DecodeRune(text)
			to.text(text[:size])
			text = text[size:]
		}
	}
}
