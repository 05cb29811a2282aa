package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/ansi"
)

// column is a column of a list.
type column[T any] struct {
	name   string // heading; in lower case it is a word of --sort
	text   func(T) string
	status func(T) string   // decides the colour; nil: none
	by     func(a, b T) int // the order of --sort; nil: that of the texts
	wide   bool             // shown with -o wide only
}

// listing is how a command shows a list: the columns, and what -o and --sort say.
type listing[T any] struct {
	columns []column[T]
	name    func(T) string // of one row, as other commands take it; nil: there is none
	output  string
	sort    string
}

// register adds -o and --sort.
func (l *listing[T]) register(flags *pflag.FlagSet) {
	formats := []string{"table", "wide", "json"}
	usage := "table, wide for more columns, or json"
	if l.name != nil {
		formats, usage = append(formats, "name"), "table, wide for more columns, name for names alone, or json"
	}
	cli.ShortWord(flags, &l.output, "output", "o", "table", usage, formats...)
	words := make([]string, 0, 2*len(l.columns))
	for _, c := range l.columns {
		words = append(words, c.word())
	}
	for _, c := range l.columns {
		words = append(words, "-"+c.word())
	}
	cli.Word(flags, &l.sort, "sort", "", "sort by a column: "+cli.Either(words[:len(l.columns)])+"; with - before it downwards, as in --sort=-"+words[0], words...)
}

func (c column[T]) word() string { return strings.ReplaceAll(strings.ToLower(c.name), " ", "-") }

// isJSON reports whether the list, or what it is a part of, is wanted as JSON.
func (a *app) isJSON(output string) bool { return a.json || output == "json" }

// sorted sorts the rows as --sort says.
func (l *listing[T]) sorted(rows []T) {
	word, down := strings.CutPrefix(l.sort, "-")
	i := slices.IndexFunc(l.columns, func(c column[T]) bool { return c.word() == word })
	if i < 0 {
		return
	}
	by := l.columns[i].by
	if by == nil {
		by = func(a, b T) int { return compareTexts(l.columns[i].text(a), l.columns[i].text(b)) }
	}
	slices.SortStableFunc(rows, func(a, b T) int {
		if down {
			return by(b, a)
		}
		return by(a, b)
	})
}

// compareTexts compares numbers as such, and everything else as text.
func compareTexts(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

// print prints a list in the order that is wanted.
func (l *listing[T]) print(a *app, rows []T) error {
	l.sorted(rows)
	if a.isJSON(l.output) {
		return a.printJSON(rows)
	}
	if l.output == "name" {
		for _, row := range rows {
			if _, err := fmt.Fprintln(a.out, plain(l.name(row))); err != nil {
				return err
			}
		}
		return nil
	}
	var t table
	for _, c := range l.columns {
		if !c.wide || l.output == "wide" {
			t.head = append(t.head, c.name)
		}
	}
	for _, row := range rows {
		var cells []cell
		for _, c := range l.columns {
			if c.wide && l.output != "wide" {
				continue
			}
			x := cell{text: plain(c.text(row))}
			if c.status != nil {
				x.colour = colourOf(c.status(row))
			}
			cells = append(cells, x)
		}
		t.rows = append(t.rows, cells)
	}
	return t.print(a)
}

// table prints rows: aligned with a heading on a terminal, plain with tabs in a
// pipe, so that cut and awk work.
type table struct {
	rows [][]cell
	head []string
}

// cell is a text with the number of its colour; 0: none.
type cell struct {
	text   string
	colour int
}

func (t *table) print(a *app) error {
	if !isTerminal(a.out) {
		return t.printRows(a)
	}
	_, err := io.WriteString(a.out, t.aligned(width(a.out), a.colours()))
	return err
}

// printRows prints the rows one after the other: with tabs in a pipe, else with blanks.
func (t *table) printRows(a *app) error {
	between := "\t"
	if isTerminal(a.out) {
		between = "  "
	}
	for _, row := range t.rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = painted(c.text, c.colour, a.colours())
		}
		if _, err := fmt.Fprintln(a.out, strings.Join(texts, between)); err != nil {
			return err
		}
	}
	return nil
}

const (
	gap       = 2  // blanks between columns
	leastCell = 10 // characters that a shortened cell keeps
)

// aligned returns the table for a terminal of so many columns; 0: any number. Where
// it is too wide the widest cells are shortened; where that is not enough, each row
// is written as lines of its own.
func (t *table) aligned(terminal int, colours bool) string {
	widths := make([]int, len(t.head))
	for i, name := range t.head {
		widths[i] = len(name)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	if terminal > 0 && !shrink(widths, terminal-gap*(len(widths)-1)) {
		return t.records(terminal, colours)
	}
	var b strings.Builder
	line := func(cells []cell) {
		var l strings.Builder
		for i, c := range cells {
			text := shortened(c.text, widths[i])
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap)
			l.WriteString(painted(text, c.colour, colours) + blanks)
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	head := make([]cell, len(t.head))
	for i, name := range t.head {
		head[i].text = name
	}
	line(head)
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// shrink makes the widest columns, but not the first, narrower until all of them fit
// into space. It reports whether they do.
func shrink(widths []int, space int) bool {
	sum := 0
	for _, w := range widths {
		sum += w
	}
	for ; sum > space; sum-- {
		widest := 0
		for i := 1; i < len(widths); i++ {
			if widest == 0 || widths[i] > widths[widest] {
				widest = i
			}
		}
		if widest == 0 || widths[widest] <= leastCell {
			return false
		}
		widths[widest]--
	}
	return true
}

// records writes each row as lines "HEAD: text", with an empty line between rows. Texts
// are broken between words, under their beginning; a word that is longer than what the
// terminal leaves stays whole, so that names and addresses can be copied.
func (t *table) records(terminal int, colours bool) string {
	widest := 0
	for _, name := range t.head {
		widest = max(widest, len(name))
	}
	indent := widest + len(": ")
	var b strings.Builder
	for n, row := range t.rows {
		if n > 0 {
			b.WriteByte('\n')
		}
		for i, c := range row {
			label := t.head[i] + ":"
			for _, line := range wrapped(c.text, max(leastCell, terminal-indent)) {
				fmt.Fprintf(&b, "%-*s%s\n", indent, label, painted(line, c.colour, colours))
				label = ""
			}
		}
	}
	return b.String()
}

// wrapped breaks a text between words into lines of at most so many characters, but
// for single words that are longer.
func wrapped(text string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last < 0 || utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, word)
			continue
		}
		lines[last] += " " + word
	}
	return lines
}

func shortened(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// width returns how many columns the terminal has; 0: not known.
func width(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// colours reports whether the output may have colours (https://no-color.org,
// https://bixense.com/clicolors).
func (a *app) colours() bool {
	forced := os.Getenv("CLICOLOR_FORCE")
	switch {
	case os.Getenv("NO_COLOR") != "":
		return false
	case forced != "" && forced != "0":
		return true
	}
	return isLively(a.out) && os.Getenv("CLICOLOR") != "0"
}

// isLively reports whether w is a terminal that knows colours and can go back in a line.
func isLively(w io.Writer) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

// Colours of a terminal (ECMA-48, SGR).
const (
	red    = 31
	green  = 32
	yellow = 33
	blue   = 34
	grey   = 90
)

// colourOf returns the colour for the word of a status.
func colourOf(status string) int {
	return map[string]int{
		"built": green, "active": green, "good": green, "failed": red, "invalid": red, "broken": red,
		"blocked": yellow, "drained": yellow, "building": blue, "scheduled": blue, "calculating": blue,
		"skipped": grey, "stopped": grey, "superseded": grey,
	}[status]
}

func painted(text string, colour int, colours bool) string {
	if colour == 0 || !colours || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// plain returns a text that others have written so that it is one line, and changes
// nothing of the terminal.
func plain(text string) string {
	return strings.Join(strings.Fields(string(ansi.Visible([]byte(text)))), " ")
}

// age returns how long ago something was, in the largest unit that fits.
func age(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

// plural returns "1 build" and "2 builds".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
