package handlers_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
)

// numbers gives the numbers of the first and the last line that a page shows.
func (a answer) numbers() string {
	lines := a.Find(".log-number")
	return lines.First().Text() + "-" + lines.Last().Text()
}

// manyLines is a log whose lines say their numbers.
func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "this is line %d\n", i+1)
	}
	return b.String()
}

func TestALogPageOpensAtTheEndAndLeadsThroughTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, manyLines(2000))
	page := s.get(t, path+"/log")
	page.wants(t, "title", "running · log of lib 1.0-1")
	page.wants(t, "#L2000 .log-text", "this is line 2000")
	page.wants(t, "#log-where", "Lines 1,601 to 2,000 of 2,000")
	page.wantsNone(t, ".log-pager a[href*=from='2001']")
	for _, step := range []struct{ click, want string }{
		{"Earlier", "1201-1600"}, {"Earlier", "801-1200"}, {"Later", "1201-1600"}, {"First", "1-400"}, {"Later", "401-800"}, {"Last", "1601-2000"},
	} {
		href, ok := page.Find(".log-pager a").FilterFunction(func(_ int, a *goquery.Selection) bool { return a.Text() == step.click }).Attr("href")
		if !ok {
			t.Fatalf("there is no link %s", step.click)
		}
		page = s.get(t, href)
		if got := page.numbers(); got != step.want {
			t.Errorf("%s leads to %s, want %s", step.click, got, step.want)
		}
	}
	for line, want := range map[string]string{"1": "1-400", "30": "1-400", "1000": "950-1349", "1999": "1601-2000", "2000": "1601-2000", "99999": "1601-2000"} {
		page := s.get(t, path+"/log?line="+line)
		if got := page.numbers(); got != want {
			t.Errorf("line %s is looked for in %s, want %s", line, got, want)
		}
		if chosen := page.Find(".log-chosen").AttrOr("id", ""); chosen != "L"+line && line != "99999" {
			t.Errorf("line %s: %q is marked", line, chosen)
		}
	}
	for _, query := range []string{"line=x", "line=0", "from=-1", "before=1e9", "limit=zz"} {
		s.get(t, path+"/log?"+query).wantsStatus(t, http.StatusUnprocessableEntity)
	}
	part := s.get(t, path+"/log/lines?attempt=1&from=10&limit=5")
	if part.numbers() != "10-14" || part.Find("h1").Length() != 0 {
		t.Errorf("the part has %s", part.numbers())
	}
}

func TestWhatALogSaysStaysText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	log := hostile + "\n\x1b[1;31m" + hostile + "\x1b[0m error: " + hostile + "\n\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07 \xff\x00\n"
	path, _ := s.running(t, log)
	page := s.get(t, path+"/log?q="+"%3Cscript%3E")
	page.wants(t, "#L1 .log-text", hostile)
	page.wants(t, "#L2 .log-text .fg-1.bold", hostile)
	page.wants(t, "#L3 .log-text", "click \uFFFD")
	page.wants(t, "#log-finds", hostile)
	page.wants(t, "#log-hits mark", "<script>")
	page.wantsNone(t, "main script, main img, [onerror], [style], a[href^=javascript]")
	if q, _ := page.Find("#log-q").Attr("value"); q != "<script>" {
		t.Errorf("the form says %q", q)
	}
}

func TestErrorsOfALogAreListedWithTheirLines(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, c := s.running(t, manyLines(700)+"x.c:1:2: error: no such thing\n"+manyLines(700)+"==> ERROR: A failure occurred in build().\n")
	s.db.End(t, c, buildbtw.OutcomeFailed)
	page := s.get(t, path+"/log")
	page.wants(t, "title", "failed · log of lib")
	page.wants(t, ".log-attempts", "Attempt 1 failed")
	page.wants(t, "#log-finds", "Errors 2", "701 · compiler x.c:1:2: error: no such thing", "1,402 · makepkg ==> ERROR")
	href, _ := page.Find("#log-finds li a").First().Attr("href")
	if !strings.HasSuffix(href, "line=701#L701") {
		t.Errorf("the first error is at %s", href)
	}
	s.get(t, href).wants(t, ".log-chosen", "701", "error: no such thing")
	s.poll(t, path+"/log?attempt=1", "").wants(t, "[hx-target='#part-finds']", "Errors 2")
}

func TestALogIsSearchedByItsForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, manyLines(1000))
	page := s.get(t, path+"/log?q=LINE+77")
	page.wants(t, "#log-hits", "Found 11", "77", "this is line 77", "770", "779")
	href, _ := page.Find("#log-hits li a").Last().Attr("href")
	there := s.get(t, href)
	there.wants(t, ".log-chosen", "779")
	there.wants(t, "#log-hits", "Found 11")
	s.get(t, path+"/log?q=LINE+77&case=true").wants(t, "#log-hits", "Found 0", "No line from 1 on has LINE 77")
	s.get(t, path+"/log?q=line+9%5B09%5D%24&regexp=true").wants(t, "#log-hits", "Found 2", "90", "99")
	wrong := s.get(t, path+"/log?q=(&regexp=true")
	wrong.wantsStatus(t, http.StatusOK)
	wrong.wants(t, "#log-hits .field-error", "no regular expression")

	many := s.get(t, path+"/log?q=line")
	many.wants(t, "#log-hits", "Found 200 so far", "Continue the search from line 201")
	more, _ := many.Find("#log-more-hits").Attr("href")
	s.get(t, more).wants(t, "#log-hits", "Found 200 so far", "201", "Continue the search from line 401")
	s.get(t, path+"/log/hits?attempt=1&q=line+1000&hits=1").wants(t, "section", "Found 1", "1,000")
}

func TestARawLogIsSentInRanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, "0123456789\n")
	raw, _ := s.get(t, path+"/log").Find("a[download]").Attr("href")
	whole := s.get(t, raw)
	if whole.status != http.StatusOK || whole.body != "0123456789\n" || whole.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("status %d, %q, %s", whole.status, whole.body, whole.header.Get("Content-Type"))
	}
	part := s.get(t, raw, "Range", "bytes=3-5")
	if part.status != http.StatusPartialContent || part.body != "345" {
		t.Errorf("status %d, %q", part.status, part.body)
	}
}

func TestAnEmptyLogAndAttemptsAreTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, c := s.running(t, "")
	s.get(t, path+"/log").wants(t, ".log-nothing", "Nothing has been printed yet")
	s.db.End(t, c, buildbtw.OutcomeReleased)
	s.get(t, path+"/log").wants(t, ".log-nothing", "This attempt has no log")
	second := s.db.Claim(t, "w")
	s.append(t, second, 0, "of the second\n")
	page := s.get(t, path+"/log")
	page.wants(t, ".log-attempts [aria-current]", "Attempt 2")
	page.wants(t, "#log-box", "of the second")
	first := s.get(t, path+"/log?attempt=1")
	first.wants(t, ".log-attempts [aria-current]", "Attempt 1 returned")
	first.wants(t, ".log-nothing", "This attempt has no log")
	s.get(t, path+"/log?attempt=3").wantsStatus(t, http.StatusNotFound)
}

func TestALongLineIsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, "short\n"+strings.Repeat("x", 10<<20)+"\nend\n")
	page := s.get(t, path+"/log")
	page.wants(t, "#L2 .log-left", "10.0 MiB more in this line")
	page.wants(t, "#L3", "end")
	if len(page.body) > 60<<10 {
		t.Errorf("the page has %d bytes", len(page.body))
	}
}

// Beside each line stands when it came, and at each phase how long it took.
func TestALogShowsWhenItsLinesCame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, "==> Starting build()...\ncc x.c\n==> Starting check()...\nok\n")
	page := s.get(t, path+"/log")
	if n := page.Find("#log-box.timed .log-line .log-time").Length(); n != 4 {
		t.Errorf("%d of 4 lines have times", n)
	}
	if after := page.Find("#L1 .log-time").Text(); !regexp.MustCompile(`^(\d+:)?\d+:\d\d$`).MatchString(after) {
		t.Errorf("the first line came after %q", after)
	}
	phases := page.Find("[aria-labelledby=h-log-phases] .log-phase")
	if words := strings.Join(strings.Fields(phases.First().Text()), " "); !regexp.MustCompile(`^2 lines in \d+ .+`).MatchString(words) || phases.Length() != 2 {
		t.Errorf("%d phases, the first %q", phases.Length(), words)
	}
}
