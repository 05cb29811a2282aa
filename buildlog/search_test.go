package buildlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/internal/ansi"
)

// searchAll goes on with a search until it is at the end.
func searchAll(t testing.TB, v *View, q Query, limit int) (hits []Hit, rounds int) {
	t.Helper()
	for from := int64(1); from != 0; rounds++ {
		found, err := v.Search(t.Context(), q, from, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Hits) > limit || found.Next != 0 && found.Next <= from {
			t.Fatalf("%d hits from %d on, next %d", len(found.Hits), from, found.Next)
		}
		hits, from = append(hits, found.Hits...), found.Next
	}
	return hits, rounds
}

func TestSearch(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "Alpha beta\n\x1b[31mal\x1b[0mpha gamma\nprogress 1%\rdelta (x)\nKelvin \u212A\nend alpha")
	v := open(t, l, 1)
	defer v.Close()
	for _, tt := range []struct {
		query Query
		want  string
	}{
		{Query{Text: "alpha"}, "[2 5]"},
		{Query{Text: "alpha", IgnoreCase: true}, "[1 2 5]"},
		{Query{Text: "ALPHA GAMMA", IgnoreCase: true}, "[2]"},
		{Query{Text: "progress"}, "[]"}, // was written over
		{Query{Text: "(x)"}, "[3]"},
		{Query{Text: "(x)", Regexp: true}, "[3]"},
		{Query{Text: "^al", Regexp: true}, "[2]"},
		{Query{Text: "a$", Regexp: true}, "[1 2 5]"},
		{Query{Text: "k", IgnoreCase: true}, "[4]"},
		{Query{Text: "k$", Regexp: true, IgnoreCase: true}, "[4]"},
		{Query{Text: "a.*", Regexp: true}, "[1 2 3 5]"},
		{Query{Text: "x*", Regexp: true}, "[1 2 3 4 5]"},
		{Query{Text: "(alpha|gamma) g", Regexp: true}, "[2]"},
	} {
		var got []int64
		hits, _ := searchAll(t, v, tt.query, 2)
		for _, h := range hits {
			got = append(got, h.Line)
		}
		if s := fmt.Sprint(got); s != tt.want {
			t.Errorf("%+v is in lines %s, want %s", tt.query, s, tt.want)
		}
	}
}

func TestASearchFindsWhatEveryLineSays(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	attempt := int64(0)
	queries := []Query{
		{Text: "99"},
		{Text: "WW 1", IgnoreCase: true},
		{Text: `e \d1+ w`, Regexp: true},
		{Text: "ERROR", IgnoreCase: true},
		{Text: `(?i)LINE 3+ `, Regexp: true},
		{Text: "yzyz"},
		{Text: `^x+$`, Regexp: true},
	}
	rapid.Check(t, func(rt *rapid.T) {
		attempt++
		text := drawLog(rt)
		mustAppend(t, l, attempt, 0, text)
		l.patient = time.Duration(rapid.IntRange(0, 1).Draw(rt, "hurry")) * time.Hour
		v := open(t, l, attempt)
		defer v.Close()
		q := rapid.SampledFrom(queries).Draw(rt, "query")
		expression := q.Text
		if q.IgnoreCase {
			expression = "(?i)" + expression
		}
		want := regexp.MustCompile(expression)
		hits, _ := searchAll(t, v, q, rapid.IntRange(1, 50).Draw(rt, "limit"))
		found := map[int64]Hit{}
		for _, h := range hits {
			found[h.Line] = h
		}
		if len(found) != len(hits) {
			rt.Fatalf("%d hits in %d lines", len(hits), len(found))
		}
		for i, line := range split(text) {
			if len(line) > block {
				continue // is searched in parts
			}
			h, ok := found[int64(i+1)]
			if ok != want.Match(ansi.Plain([]byte(line))) {
				rt.Fatalf("%+v in line %d, %.80q: %v", q, i+1, line, ok)
			}
			if ok && !want.MatchString(h.Text[h.From:h.To]) && h.To < len(h.Text) {
				rt.Fatalf("%+v: hit %+v", q, h)
			}
		}
	})
}

func TestASearchInALongLine(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	long := strings.Repeat("x", 3*block)
	for _, at := range []int{0, 100, block - 3, block, block + 1, 2*block - overlap, len(long)} {
		mustAppend(t, l, int64(at), 0, "first\n"+long[:at]+"needle"+long[at:]+"\nneedle\n")
		v := open(t, l, int64(at))
		hits, _ := searchAll(t, v, Query{Text: "needle"}, 10)
		if len(hits) != 2 || hits[0].Line != 2 || hits[1].Line != 3 {
			t.Errorf("needle at %d: %+v", at, hits)
		} else if h := hits[0]; h.Text[h.From:h.To] != "needle" || len(h.Text) > hitLength {
			t.Errorf("needle at %d: %+v", at, h)
		}
		l.patient = 0
		if hits, _ := searchAll(t, v, Query{Text: "needle"}, 10); len(hits) == 0 || hits[len(hits)-1].Line != 3 {
			t.Errorf("in a hurry, needle at %d: %+v", at, hits)
		}
		l.patient = searchTime
		v.Close()
	}
}

func TestASearchIsBoundedAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, bigLog())
	l.patient = 0
	v := open(t, l, 1)
	defer v.Close()
	if _, rounds := searchAll(t, v, Query{Text: "not there"}, 10); rounds < 5 {
		t.Errorf("%d rounds: a search without time goes on", rounds)
	}
	mustAppend(t, l, 2, 0, strings.Repeat(strings.Repeat("nothing", triedAtOnce/7+1)+"\n", 20))
	short := open(t, l, 2)
	defer short.Close()
	if _, rounds := searchAll(t, short, Query{Text: "[yz]", Regexp: true}, 10); rounds != 20 {
		t.Errorf("%d rounds: the time is looked at after every long line that an expression was tried on", rounds)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Search(ctx, Query{Text: "x"}, 1, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := l.View(ctx, id(1)); err != nil { // it is known already
		t.Errorf("a view of what is known: %v", err)
	}
}

func TestWrongQueriesAreTold(t *testing.T) {
	t.Parallel()
	for _, q := range []Query{
		{},
		{Text: strings.Repeat("x", maxQuery+1)},
		{Text: "a\nb"},
		{Text: "\xff"},
		{Text: "(", Regexp: true},
		{Text: "((a{1000}){1000}){1000}", Regexp: true},
		{Text: `(?=x)`, Regexp: true},
		{Text: strings.Repeat("x?", 210), Regexp: true}, // takes minutes on a large log
	} {
		if _, err := ParseQuery(q.Text, strconv.FormatBool(q.Regexp), ""); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%.40q: %v", q.Text, err)
		}
	}
}

func TestTheNeededWord(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"abc": "abc", "(?i)ABC": "abc", "(?i)success": "ucce", "(?i)KSK": "", "a+bc|d": "", "(abc)+d": "abc", "x?yz": "yz", ".*": "",
		"err(or)?: ": "err", "(?i)größe": "gr", "[ab]c{2,}": "c",
	} {
		m, err := Query{Text: expression, Regexp: true}.compile()
		if err != nil || string(m.needed.text) != want {
			t.Errorf("%s needs %q, %v; want %q", expression, m.needed.text, err, want)
		}
	}
}
