package buildlog

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"buildbtw"
)

// Query describes lines of a log to search for.
type Query struct {
	Text       string // contained in the line
	Regexp     bool   // Text is a regular expression (RE2)
	IgnoreCase bool
}

// maxQuery is the length of a query in bytes.
const maxQuery = 500

// ParseQuery parses the parameters of a search: a text, and whether it is a
// regular expression and whether upper and lower case differ, which are "true",
// "false" or empty. With a text that cannot be searched for the query is
// returned beside the error, so that a form can show it again.
func ParseQuery(text, expression, matchCase string) (Query, error) {
	isRegexp, err := parseFlag("regexp", expression)
	if err != nil {
		return Query{}, err
	}
	caseMatters, err := parseFlag("case", matchCase)
	if err != nil {
		return Query{}, err
	}
	q := Query{Text: text, Regexp: isRegexp, IgnoreCase: !caseMatters}
	_, err = q.compile()
	return q, err
}

func parseFlag(name, value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	flag, err := strconv.ParseBool(value)
	if err != nil {
		return false, buildbtw.Invalid("%s=%.40q is neither true nor false", name, value)
	}
	return flag, nil
}

func (q Query) compile() (*matcher, error) {
	expression := q.Text
	switch {
	case q.Text == "":
		return nil, buildbtw.Invalid("there is nothing to search for; write a word, or a regular expression")
	case len(q.Text) > maxQuery:
		return nil, buildbtw.Invalid("the search is longer than %d bytes", maxQuery)
	case !utf8.ValidString(q.Text) || strings.ContainsAny(q.Text, "\n\x00"):
		return nil, buildbtw.Invalid("the search must be text of one line")
	case !q.Regexp:
		expression = regexp.QuoteMeta(q.Text)
	}
	if q.IgnoreCase {
		expression = "(?i)" + expression
	}
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return nil, badExpression(err)
	}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, badExpression(err)
	}
	tree = tree.Simplify()
	if q.Regexp && steps(tree) > maxSteps {
		return nil, buildbtw.Invalid("the regular expression would take too long; repeat less, or look for a word of it")
	}
	return &matcher{pattern: pattern, needed: neededBy(tree)}, nil
}

// maxSteps bounds the work of an expression for each byte. The time limit of a
// search is checked between lines only; a line of 512 KiB takes up to a second
// for every hundred steps.
const maxSteps = 400

// steps returns the size of the program that an expression becomes.
func steps(e *syntax.Regexp) int {
	p, err := syntax.Compile(e)
	if err != nil {
		return maxSteps + 1
	}
	return len(p.Inst)
}

func badExpression(err error) error {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return buildbtw.Invalid("%q is no regular expression: %s (see https://golang.org/s/re2syntax)", wrong.Expr, wrong.Code)
	}
	return buildbtw.Invalid("that is no regular expression")
}

// word is text that every match contains.
type word struct {
	text   []byte
	folded bool // the case of its letters does not count; text is in lower case
}

// neededBy returns the longest word that every match of an expression contains;
// it may be empty.
func neededBy(e *syntax.Regexp) word {
	switch e.Op {
	case syntax.OpLiteral:
		if e.Flags&syntax.FoldCase == 0 {
			return word{text: []byte(string(e.Rune))}
		}
		return word{text: foldable(string(e.Rune)), folded: true}
	case syntax.OpCapture, syntax.OpPlus:
		return neededBy(e.Sub[0])
	case syntax.OpConcat:
		var best word
		for _, sub := range e.Sub {
			if w := neededBy(sub); len(w.text) > len(best.text) {
				best = w
			}
		}
		return best
	}
	return word{}
}

// foldable returns the longest part of a text whose letters have no other forms than
// a and A: ſ is a form of s, and the Kelvin sign one of k.
func foldable(text string) []byte {
	best := ""
	for part := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r == 's' || r == 'k' || r >= utf8.RuneSelf }) {
		if len(part) > len(best) {
			best = part
		}
	}
	return []byte(best)
}

// matcher finds lines.
type matcher struct {
	pattern *regexp.Regexp
	needed  word
	memory  []byte // for text in lower case
}

// triedAtOnce is how many bytes an expression is tried on before the time is
// looked at.
const triedAtOnce = 4 << 10

// haystack is text that is searched, and the same text as the needed word is
// looked for in it.
type haystack struct {
	*matcher
	text, hay []byte
}

// in makes text ready; the haystack before it is spent.
func (m *matcher) in(text []byte) haystack {
	if !m.needed.folded {
		return haystack{m, text, text}
	}
	m.memory = append(m.memory[:0], text...)
	for i, b := range m.memory {
		if b-'A' < 26 {
			m.memory[i] = b + 'a' - 'A'
		}
	}
	return haystack{m, text, m.memory}
}

// next finds the first line, not before from, which is the start of a line, that
// matches. It returns the hit without its line's number and the ends of the line.
// When there is none the hit is nil and begin the text's end; or, once over says
// so, the start of the line to go on from.
func (t haystack) next(from int, over func() bool) (h *Hit, begin, end int) {
	tried := 0
	for from < len(t.text) {
		if len(t.needed.text) > 0 {
			i := bytes.Index(t.hay[from:], t.needed.text)
			if i < 0 {
				break
			}
			from += bytes.LastIndexByte(t.text[from:from+i], '\n') + 1
		}
		end := len(t.text)
		if i := bytes.IndexByte(t.text[from:], '\n'); i >= 0 {
			end = from + i
		}
		if at := t.pattern.FindIndex(t.text[from:end]); at != nil {
			return hit(t.text[from:end], at[0], at[1]), from, end
		}
		tried += end + 1 - from
		from = end + 1
		if tried >= triedAtOnce && from < len(t.text) && over() {
			return nil, from, from
		}
	}
	return nil, len(t.text), len(t.text)
}

// hitBefore and hitLength bound the part of a line in a hit, in bytes.
const (
	hitBefore = 80
	hitLength = 240
)

// hit cuts a line to the part with the find.
func hit(line []byte, from, to int) *Hit {
	start := 0
	if len(line) > hitLength {
		start = max(0, from-hitBefore)
	}
	part := line[start:min(len(line), start+hitLength)]
	for start > 0 && len(part) > 0 && !utf8.RuneStart(part[0]) {
		part, start = part[1:], start+1
	}
	text := string(bytes.ToValidUTF8(part, nil)) // a character may be cut at the end
	return &Hit{Text: text, From: min(from-start, len(text)), To: min(to-start, len(text))}
}
