package ansi

import (
	"bytes"
	"fmt"
	"strconv"
)

// Color is one of the sixteen colours of a terminal plus one, or 0 for the
// colour that text has by itself. Others are shown as the nearest of these.
type Color uint8

// Style is how a run of text looks.
type Style struct {
	Foreground, Background                        Color
	Bold, Dim, Italic, Underline, Inverse, Strike bool
}

// Span is text of one style.
type Span struct {
	Style
	Text string
}

// Line splits one line into spans, beginning with no style. Their joined texts equal the
// result of Plain.
func Line(raw []byte) []Span {
	var s spans
	scan(raw, &s)
	s.flush()
	return s.done
}

// spans gathers the spans of one line.
type spans struct {
	style Style
	run   []byte // of that style
	done  []Span
}

func (s *spans) text(run []byte) { s.run = append(s.run, run...) }

func (s *spans) restyle(style Style) {
	s.flush()
	s.style = style
}

func (s *spans) flush() {
	if len(s.run) == 0 {
		return
	}
	if last := len(s.done) - 1; last >= 0 && s.done[last].Style == s.style {
		s.done[last].Text += string(s.run)
	} else {
		s.done = append(s.done, Span{s.style, string(s.run)})
	}
	s.run = s.run[:0]
}

// sequence changes the style when it is SGR (select graphic rendition): CSI,
// numbers, m.
func (s *spans) sequence(whole []byte) {
	if len(whole) < 3 || whole[1] != '[' || whole[len(whole)-1] != 'm' {
		return
	}
	s.flush()
	s.style.apply(numbers(whole[2 : len(whole)-1]))
}

// maxNumbers is how many numbers of one sequence are looked at.
const maxNumbers = 32

// numbers parses the parameters of an SGR sequence, such as "1;38;5;208" and
// "38:2::255:0:0". An empty one, and one that is no number, is 0.
func numbers(text []byte) []int {
	var all []int
	for part := range bytes.SplitSeq(bytes.ReplaceAll(text, []byte("::"), []byte(":")), []byte(";")) {
		for number := range bytes.SplitSeq(part, []byte(":")) {
			n, err := strconv.Atoi(string(number))
			if err != nil || n < 0 {
				n = 0
			}
			if all = append(all, n); len(all) == maxNumbers {
				return all
			}
		}
	}
	return all
}

// apply changes the style by the numbers of one sequence.
func (s *Style) apply(n []int) {
	for len(n) > 0 {
		switch n[0] {
		case 38, 48:
			color, used := extended(n[1:])
			if n[0] == 38 {
				s.Foreground = color
			} else {
				s.Background = color
			}
			n = n[used:]
		default:
			s.set(n[0])
		}
		n = n[1:]
	}
}

// set applies a number that stands for itself.
func (s *Style) set(n int) {
	switch {
	case n == 0:
		*s = Style{}
	case n >= 30 && n <= 37:
		s.Foreground = Color(n - 30 + 1)
	case n == 39:
		s.Foreground = 0
	case n >= 40 && n <= 47:
		s.Background = Color(n - 40 + 1)
	case n == 49:
		s.Background = 0
	case n >= 90 && n <= 97:
		s.Foreground = Color(n - 90 + 9)
	case n >= 100 && n <= 107:
		s.Background = Color(n - 100 + 9)
	default:
		s.setFace(n)
	}
}

func (s *Style) setFace(n int) {
	switch n {
	case 1:
		s.Bold = true
	case 2:
		s.Dim = true
	case 3:
		s.Italic = true
	case 4, 21:
		s.Underline = true
	case 7:
		s.Inverse = true
	case 9:
		s.Strike = true
	case 22:
		s.Bold, s.Dim = false, false
	case 23:
		s.Italic = false
	case 24:
		s.Underline = false
	case 27:
		s.Inverse = false
	case 29:
		s.Strike = false
	}
}

// extended parses the parameters after 38 or 48: "5;N" of 256 colours, or "2;R;G;B". It
// returns how many it used.
func extended(n []int) (c Color, used int) {
	switch {
	case len(n) >= 2 && n[0] == 5:
		return of256(n[1]), 2
	case len(n) >= 4 && n[0] == 2:
		return nearest(n[1], n[2], n[3]), 4
	}
	return 0, len(n)
}

// of256 returns a colour of xterm's 256: the sixteen, a cube of 6×6×6, and 24 greys.
func of256(n int) Color {
	switch {
	case n < 16:
		return Color(n + 1)
	case n < 232:
		n -= 16
		return nearest(level(n/36), level(n/6%6), level(n%6))
	}
	grey := 8 + 10*(min(n, 255)-232)
	return nearest(grey, grey, grey)
}

// level returns the intensity of a side of the cube.
func level(n int) int {
	if n == 0 {
		return 0
	}
	return 55 + 40*n
}

// nearest returns that of the sixteen colours whose values in xterm are closest.
func nearest(r, g, b int) Color {
	best, least := Color(0), 1<<30
	for i, c := range [16][3]int{
		{0, 0, 0},
		{205, 0, 0},
		{0, 205, 0},
		{205, 205, 0},
		{0, 0, 238},
		{205, 0, 205},
		{0, 205, 205},
		{229, 229, 229},
		{127, 127, 127},
		{255, 0, 0},
		{0, 255, 0},
		{255, 255, 0},
		{92, 92, 255},
		{255, 0, 255},
		{0, 255, 255},
		{255, 255, 255},
	} {
		dr, dg, db := min(r, 255)-c[0], min(g, 255)-c[1], min(b, 255)-c[2]
		if far := dr*dr + dg*dg + db*db; far < least {
			best, least = Color(i+1), far
		}
	}
	return best
}

// appendSequence appends the SGR sequence that gives text this style, whatever its style
// was before.
func (s Style) appendSequence(out []byte) []byte {
	out = append(out, "\x1b[0"...)
	for i, on := range []bool{s.Bold, s.Dim, s.Italic, s.Underline, s.Inverse, s.Strike} {
		if on {
			out = fmt.Appendf(out, ";%d", []int{1, 2, 3, 4, 7, 9}[i])
		}
	}
	for _, c := range []struct {
		color        Color
		dark, bright int // numbers of the first of eight colours
	}{{s.Foreground, 30, 90}, {s.Background, 40, 100}} {
		switch {
		case c.color > 8:
			out = fmt.Appendf(out, ";%d", c.bright+int(c.color)-9)
		case c.color > 0:
			out = fmt.Appendf(out, ";%d", c.dark+int(c.color)-1)
		}
	}
	return append(out, 'm')
}
