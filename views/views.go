// Package views renders pages and their parts. A component takes the values it
// shows: never a store, a request or a map. Page-shaped structs stand beside the
// component that shows them; handlers fill them.
package views

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"buildbtw"
)

// Moment is a point in time and when it is looked at. The zero value is shown
// as "never".
type Moment struct{ At, Now time.Time }

// Known reports whether there is a time to show.
func (m Moment) Known() bool { return !m.At.IsZero() }

// aged is how old something is that shows its date and not its age: "5 d ago" tells
// little beside "5 d ago".
const aged = 2 * 24 * time.Hour

// Age says in words how long ago the moment was, or when it was, if that is days ago.
// static/src/ages.js keeps it right in the browser and has the same steps.
func (m Moment) Age() string {
	switch age := m.Now.Sub(m.At); {
	case !m.Known():
		return "never"
	case age < 5*time.Second:
		return "now"
	case age >= aged && m.At.Year() != m.Now.Year():
		return m.At.In(m.Now.Location()).Format("2 Jan 2006")
	case age >= aged:
		return m.At.In(m.Now.Location()).Format("2 Jan, 15:04")
	default:
		return coarse(age) + " ago"
	}
}

// Clock is the time of day in the server's zone, which is that of Now, with the day
// where it is not that of Now. Browsers with scripts show it in theirs.
func (m Moment) Clock() string {
	at := m.At.In(m.Now.Location())
	if at.Format(time.DateOnly) != m.Now.Format(time.DateOnly) {
		return at.Format("Mon 2 Jan 15:04 MST")
	}
	return at.Format("15:04 MST")
}

// ClockIn is the time of day in the zone of a day.
func (m Moment) ClockIn(day time.Time) string { return m.At.In(day.Location()).Format("15:04") }

// DateTime is the point in time in the server's zone, for those who want to know exactly.
func (m Moment) DateTime() string {
	return m.At.In(m.Now.Location()).Format("2006-01-02 15:04:05 MST")
}

// coarse gives a duration in its largest unit, rounded down.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " d"
	}
}

// Took gives a duration in its two largest units: "1 h 5 min".
func Took(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// Roughly gives a long duration in one unit: "45 min", "61 h", "12 d".
func Roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 200*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return Count(int(d.Hours()/24)) + " d"
}

// Approximately gives an uncertain duration in two digits: "45 s", "9.3 h", "2.1 d".
func Approximately(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		n := d.Seconds() / unit.of.Seconds()
		switch {
		case n >= 9.95:
			return Count(twoDigits(n)) + " " + unit.name
		case n >= 1:
			return strconv.FormatFloat(n, 'f', 1, 64) + " " + unit.name
		}
	}
	return strconv.Itoa(twoDigits(max(d, 0).Seconds())) + " s"
}

// twoDigits rounds to two significant digits.
func twoDigits(n float64) int {
	scale := 1.0
	for n/scale >= 99.5 {
		scale *= 10
	}
	return int(math.Round(n/scale) * scale)
}

// Count writes a number with thousands separated: 6,885.
func Count(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// commaAfter is what stands behind the i-th of n things in a list. It must follow its
// element on the same line: templ makes a blank of a line break, "a , b".
func commaAfter(i, n int) string {
	if i+1 < n {
		return ", "
	}
	return ""
}

// Plural writes a number with its noun; the plural adds an s.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Bytes writes a size as people read it, with powers of 1024.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size /= 1024; size < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// shortCommit is as much of a commit as people need to tell two apart.
func shortCommit(commit string) string { return commit[:min(len(commit), 10)] }

// BuildURL is the address of a build's page.
func BuildURL(id int64) string { return "/builds/" + strconv.FormatInt(id, 10) }

// BuildspaceURL is the address of a buildspace's page, with further path
// elements.
func BuildspaceURL(name string, more ...string) string {
	return "/buildspaces/" + url.PathEscape(name) + strings.Join(append([]string{""}, more...), "/")
}

// IterationURL is the address of an iteration's page, with further path
// elements.
func IterationURL(buildspace string, number int, more ...string) string {
	return BuildspaceURL(buildspace, append([]string{strconv.Itoa(number)}, more...)...)
}

// PackageURL is the address of a package's page, by pkgname or pkgbase.
func PackageURL(pkgname string) string { return "/packages/" + url.PathEscape(pkgname) }

// SourceURL is the address of a source's page.
func SourceURL(slug string) string { return "/sources/" + url.PathEscape(slug) }

// WorkerURL is the address of a worker's page. One called "time" has another address than
// all others: /workers/time shows what all of them did.
func WorkerURL(name string) string {
	if name == "time" {
		return "/workers/named/time"
	}
	return "/workers/" + url.PathEscape(name)
}

// WorkerID is the id of the element that shows a worker.
func WorkerID(name string) string { return "worker-" + name }

// BuildLink names a build where another mentions it.
type BuildLink struct {
	ID           int64
	Pkgbase      string
	Architecture string
	Stage        int
	Status       buildbtw.Status
	SkipReason   buildbtw.Cause
	Verdict      buildbtw.Verdict // whose fault it is that it failed
	OfBase       bool             // a build on the base alone, which is in no buildspace
	Second       bool             // a second build, which is in none either
}

// Name is the pkgbase, with the stage where there are two, and a word for builds on the base
// alone.
func (b BuildLink) Name() string {
	if b.OfBase {
		return buildbtw.BaselineName(b.Pkgbase)
	}
	if b.Second {
		return buildbtw.RepeatName(b.Pkgbase)
	}
	if b.Stage == 2 {
		return b.Pkgbase + " (stage 2)"
	}
	return b.Pkgbase
}
