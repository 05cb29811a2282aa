package views

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// render gives a component as a document.
func render(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var out bytes.Buffer
	if err := c.Render(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	document, err := goquery.NewDocumentFromReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestAgesAreCoarse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]string{
		-time.Minute: "now", 4 * time.Second: "now", 5 * time.Second: "5 s ago", 59 * time.Second: "59 s ago",
		60 * time.Second: "1 min ago", 59*time.Minute + 59*time.Second: "59 min ago", time.Hour: "1 h ago",
		23*time.Hour + 59*time.Minute: "23 h ago", 47 * time.Hour: "1 d ago",
	} {
		if got := (Moment{At: now.Add(-age), Now: now}).Age(); got != want {
			t.Errorf("age of %s: %q, want %q", age, got, want)
		}
	}
	if got := (Moment{Now: now}).Age(); got != "never" {
		t.Errorf("no time at all: %q", got)
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0": Count(0), "999": Count(999), "1,000": Count(1000), "6,885": Count(6885), "-1,234,567": Count(-1234567),
		"1 build": Plural(1, "build"), "0 builds": Plural(0, "build"), "6,885 builds": Plural(6885, "build"),
		"1023 B": Bytes(1023), "1.0 KiB": Bytes(1024), "1.5 MiB": Bytes(3 << 19), "2.0 GiB": Bytes(2 << 30), "2048.0 TiB": Bytes(2 << 50),
		"0 s": Took(-time.Second), "59 s": Took(59 * time.Second), "1 min 5 s": Took(65 * time.Second), "25 h 1 min": Took(25*time.Hour + time.Minute),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAddressesAreEscaped(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"/buildspaces/a%2F..%2Fb":                 BuildspaceURL("a/../b"),
		"/buildspaces/x/3/x86_64/graph":           IterationURL("x", 3, "x86_64", "graph"),
		"/packages/gtk+%3Fx":                      PackageURL("gtk+?x"),
		"/builds/7/log?attempt=2":                 LogURL(7, 2),
		"/builds/7/log?attempt=2&line=3&q=a+b#L3": LogPlace{Build: 7, Attempt: 2, Query: LogQuery{Text: "a b"}}.Line(3),
		"/builds/7/log/raw?attempt=2":             LogPlace{Build: 7, Attempt: 2}.Raw(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEveryStatusIsColourShapeAndWord(t *testing.T) {
	t.Parallel()
	for _, status := range buildbtw.Statuses() {
		badge := render(t, StatusBadge(status, "")).Find(".status")
		if !badge.HasClass("status-"+string(status)) || badge.Text() != string(status) {
			t.Errorf("%s: class %q, word %q", status, badge.AttrOr("class", ""), badge.Text())
		}
	}
	if got := render(t, StatusBadge(buildbtw.StatusSkipped, buildbtw.CauseUnchanged)).Find(".status-skipped").Text(); got != "skipped: unchanged" {
		t.Errorf("skipped says %q", got)
	}
}

func TestProgressShowsTheSmallestShareAndFillsTheBar(t *testing.T) {
	t.Parallel()
	for name, counts := range map[string]buildbtw.Counts{
		"one failure among many": {"built": 6883, "failed": 1, "blocked": 1},
		"all statuses":           {"built": 3, "failed": 1, "blocked": 1, "pending": 1, "scheduled": 1, "building": 1, "skipped": 1},
		"tiny shares everywhere": {"built": 1, "failed": 1, "blocked": 100000, "pending": 1, "scheduled": 1, "building": 1, "skipped": 1},
		"tiny shares at the end": {"built": 100000, "failed": 1, "blocked": 1, "pending": 1, "scheduled": 1, "building": 1, "skipped": 1},
		"one build":              {"pending": 1},
	} {
		end := 0
		for _, s := range segments(counts) {
			if s.x != end || s.width < 8 {
				t.Errorf("%s: %s begins at %d (want %d) and is %d wide", name, s.status, s.x, end, s.width)
			}
			end = s.x + s.width
		}
		if end != barWidth {
			t.Errorf("%s: the bar ends at %d", name, end)
		}
	}
	if got := segments(buildbtw.Counts{}); len(got) != 0 {
		t.Errorf("no builds make %v", got)
	}
	label := render(t, ProgressBar(buildbtw.Counts{"built": 2, "skipped": 1, "failed": 1})).Find("svg").AttrOr("aria-label", "")
	if label != "2 of 4 built, 1 skipped, 1 failed" {
		t.Errorf("the bar is called %q", label)
	}
}

func TestRootCausesAreBounded(t *testing.T) {
	t.Parallel()
	var roots []BuildLink
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		roots = append(roots, BuildLink{Pkgbase: name, Status: buildbtw.StatusFailed})
	}
	text := strings.Join(strings.Fields(render(t, RootCauses(roots)).Text()), " ")
	if !strings.HasPrefix(text, "blocked by a") || strings.Contains(text, "d") && strings.Contains(text, "(failed) d") || !strings.HasSuffix(text, "and 2 more") {
		t.Errorf("root causes: %q", text)
	}
}

// Text of packages and people reaches every page; none of it may become markup.
func TestTextOfOthersStaysText(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	b := BuildDetail{
		BuildLink: BuildLink{Pkgbase: evil, Architecture: evil, Status: buildbtw.StatusFailed}, Buildspace: evil, Source: evil, Commit: CommitLine{ID: evil, Subject: evil, Author: evil},
		Version: evil, Pkgnames: []string{evil}, Chain: []ReasonLink{{Reason: evil}},
		Attempts: []AttemptLine{{Worker: evil, Runner: evil, Message: evil, Outcome: evil}}, Log: &Log{Text: evil},
		Packages: PackageList{
			Against: evil, URL: evil, Gone: []string{evil},
			Lines: []PackageLine{{
				Pkgname: evil, Filename: evil, URL: evil, SHA256: evil, Was: evil,
				Info:   &alpm.PkgInfo{Name: evil, Desc: evil, URL: evil, Depends: []string{evil, evil}, XData: map[string]string{evil: evil}},
				Offers: &alpm.Comparison{Sonames: []alpm.Difference{{Text: evil, Change: alpm.ChangeAdded}}},
			}},
		},
		Dependents: NeighbourList{
			ID: "x", Title: evil, URL: evil, Counts: buildbtw.Counts{"built": 1},
			Lines: []NeighbourLine{{BuildLink: BuildLink{Pkgbase: evil}, Kinds: []string{evil}, Through: []string{evil}}},
		},
		Actions: []BuildAction{{Label: evil, WhyNot: evil}}, Reproduce: []Recipe{{ID: "r", Title: evil, Commands: evil}}, Events: []EventLine{{Actor: evil, Message: evil}},
		Cuts: []CutLine{NewCutLine(evil, evil, []string{evil}, []string{evil})},
	}
	shell := Shell{Title: evil, User: buildbtw.User{Name: evil}, Live: Live{URL: "/" + evil}}
	page := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return Page(shell).Render(templ.WithChildren(ctx, BuildContent(b)), w)
	})
	document := render(t, page)
	if n := document.Find("body script, img[onerror], [onerror]").Length(); n != 0 {
		t.Errorf("%d elements came out of text", n)
	}
	if !strings.Contains(document.Find("h1").Text(), evil) {
		t.Error("the text itself is gone")
	}
}

// So is the text of commits, on each page that shows it, and the address of the forge runs
// nothing.
func TestTextOfCommitsStaysText(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	c := CommitLine{ID: evil, Subject: evil, Author: evil, URL: "javascript:alert(3)"}
	for name, content := range map[string]templ.Component{
		"commits": SourceCommitsContent(SourceCommits{
			Slug: evil, From: &c, To: c, Commits: []CommitLine{c}, Behind: 1, Diff: []CodeLine{{Kind: "+", Text: evil}, {Kind: evil, Text: evil}},
			Files: []ChangedFile{{Path: evil, Status: evil}},
		}),
		"pushes": PushesContent(Pushes{Lines: []PushLine{{Source: evil, Ref: evil, Commit: c, Followers: []string{evil}, Caused: []PushCause{{Buildspace: evil}}}}}),
		"since":  sinceBuilt(&SinceBuilt{Last: &ResultLink{Buildspace: evil}, Before: &c, Commit: c, Span: &CommitSpan{Total: 1, Commits: []CommitLine{c}, URL: "/"}}),
		"diff":   diffBody(Diff{Architectures: []DiffArch{{Architecture: evil, Changed: []DiffChange{{Pkgbase: evil, Source: evil, To: c}}}}}, DiffShown),
		"event":  eventWords(EventLine{Commits: []EventCommit{{Source: evil, Commit: c}}}),
	} {
		document := render(t, content)
		if n := document.Find("script, img, [onerror], a[href^='javascript:']").Length(); n != 0 {
			t.Errorf("%s: %d elements came out of text", name, n)
		}
		if !strings.Contains(document.Find(".subject").Text(), evil) {
			t.Errorf("%s: the text itself is gone", name)
		}
		if document.Find("a.commit-link[rel~=noopener]").Length() == 0 {
			t.Errorf("%s: no link to the forge", name)
		}
	}
}

func TestUncertainDurationsHaveTwoDigits(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"45 s": 45 * time.Second, "3.6 min": 3*time.Minute + 34*time.Second, "34 min": 34 * time.Minute, "1.0 h": time.Hour,
		"9.3 h": 9*time.Hour + 20*time.Minute, "17 h": 17*time.Hour + 23*time.Minute, "2.1 d": 51 * time.Hour, "120 d": 123 * 24 * time.Hour, "0 s": -time.Second,
	} {
		if got := Approximately(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestAClockHasTheDayWhenItIsAnother(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 22, 0, 0, 0, time.UTC)
	for want, after := range map[string]time.Duration{"23:30 UTC": 90 * time.Minute, "Tue 1 Dec 00:10 UTC": 130 * time.Minute} {
		if got := (Moment{At: now.Add(after), Now: now}).Clock(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNoListHasABlankBeforeItsCommas: templ makes a blank of the line break between an element
// and what follows it, so that a comma on a line of its own gives "a , b". See commaAfter.
func TestNoListHasABlankBeforeItsCommas(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	lone := regexp.MustCompile(`(?m)^[ \t]*(,|\{ ", " \})[ \t]*$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if place := lone.FindIndex(text); place != nil {
			t.Errorf("%s:%d: a comma on a line of its own", file, 1+strings.Count(string(text[:place[0]]), "\n"))
		}
	}
}
