package views

import (
	"testing"
	"time"
)

// A burn-down goes on to the end of the forecast, where what is blocked is left.
func TestBurnDownWithItsForecast(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return first.Add(time.Duration(minutes) * time.Minute) }
	past := BurnDown{Points: []BurnPoint{{at(0), 100}, {at(30), 40}}}
	for name, test := range map[string]struct{ got, want string }{
		"line alone": {past.line(), "0.0,0.0 300.0,0.0 300.0,54.0"},
		"area alone": {past.area(), "0.0,90.0 0.0,0.0 300.0,0.0 300.0,54.0 300.0,90.0"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
	live := past
	live.Now, live.Early, live.Likely, live.Late, live.Blocked = at(60), at(75), at(90), at(120), 10
	for name, test := range map[string]struct{ got, want string }{
		"line":  {live.line(), "0.0,0.0 75.0,0.0 75.0,54.0 150.0,54.0"},
		"ahead": {live.ahead(), "150.0,54.0 225.0,81.0"},
		"band":  {live.band(), "150.0,54.0 187.5,81.0 300.0,81.0"},
		"stop":  {live.at(at(40), live.leftAt(at(40))), "100.0,54.0"},
		"early": {live.at(at(10), live.leftAt(at(10))), "25.0,0.0"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
}

// However long an iteration takes, the table has its first point, its last, and few between.
func TestTheTableOfABurnDownIsShort(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, burnRows, burnRows + 1, 120} {
		var b BurnDown
		for i := range n {
			b.Points = append(b.Points, BurnPoint{time.Unix(int64(i), 0), n - i})
		}
		rows := b.rows()
		if len(rows) > burnRows || rows[0] != b.Points[0] || rows[len(rows)-1] != b.Points[n-1] {
			t.Errorf("of %d points: %d rows, %v", n, len(rows), rows)
		}
	}
}
