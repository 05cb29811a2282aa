package buildbtw_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
)

var allCauses = []buildbtw.Cause{
	buildbtw.CausePlanned, buildbtw.CauseReady, buildbtw.CauseLeased, buildbtw.CauseDispatched, buildbtw.CauseReused,
	buildbtw.CauseFinished, buildbtw.CauseFailed, buildbtw.CauseInfrastructure, buildbtw.CauseLost, buildbtw.CauseReturned, buildbtw.CauseReleased,
	buildbtw.CauseRetried, buildbtw.CauseResumed, buildbtw.CauseForced, buildbtw.CauseCancelled, buildbtw.CauseStopped, buildbtw.CauseSuperseded,
	buildbtw.CauseUnchanged, buildbtw.CauseExcluded,
}

// grid is the whole state machine in short, written a second time: for every
// pair of statuses the causes that lead from one to the other.
const grid = `
            blocked pending     scheduled  building built    failed skipped
(new)       planned planned     -          -        reused   -      SKIP
blocked     -       ready       -          -        -        -      SKIP
pending     forced  -           dispatched START    reused   -      SKIP
scheduled   forced  lost        -          START    -        failed SKIP
building    forced  AGAIN       -          -        finished failed SKIP
built       forced  forced      -          -        -        -      -
failed      forced  retried     -          -        -        -      -
skipped     BACK    resumed     -          -        -        -      -`

var gridSets = map[string]string{
	"-":     "",
	"START": "leased returned",
	"SKIP":  "stopped superseded unchanged excluded cancelled",
	"BACK":  "forced resumed",
	"AGAIN": "lost infrastructure released retried",
}

// allowed reads the grid: "from to cause" for every way.
func allowed() map[string]bool {
	lines := strings.Split(strings.TrimSpace(grid), "\n")
	to := strings.Fields(lines[0])
	ways := map[string]bool{}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		from := cells[0]
		if from == "(new)" {
			from = ""
		}
		for i, cell := range cells[1:] {
			causes, isSet := gridSets[cell]
			if !isSet {
				causes = cell
			}
			for _, cause := range strings.Fields(causes) {
				ways[way(buildbtw.Status(from), buildbtw.Status(to[i]), buildbtw.Cause(cause))] = true
			}
		}
	}
	return ways
}

func way(from, to buildbtw.Status, cause buildbtw.Cause) string {
	return fmt.Sprintf("%q %q %s", from, to, cause)
}

func TestEveryWayIsAllowedExactlyAsTheGridSays(t *testing.T) {
	t.Parallel()
	want := allowed()
	statuses := append([]buildbtw.Status{buildbtw.StatusNew}, buildbtw.Statuses()...)
	n := 0
	for _, from := range statuses {
		for _, to := range statuses {
			for _, cause := range allCauses {
				w := way(from, to, cause)
				if got := from.CanBecome(to, cause); got != want[w] {
					t.Errorf("%s: allowed %v, want %v", w, got, want[w])
				}
				if got := slices.Contains(buildbtw.StatusesBefore(to, cause), from); got != want[w] {
					t.Errorf("%s: among the sources %v, want %v", w, got, want[w])
				}
				if want[w] {
					n++
				}
			}
		}
	}
	if n != len(want) {
		t.Errorf("%d ways were found, the grid has %d: it names an unknown status or cause", n, len(want))
	}
}

func TestStatusesAreOfOneKind(t *testing.T) {
	t.Parallel()
	for _, s := range buildbtw.Statuses() {
		final := s == buildbtw.StatusBuilt || s == buildbtw.StatusFailed || s == buildbtw.StatusSkipped
		if s.Active() == final {
			t.Errorf("%s: active %v, want %v", s, s.Active(), !final)
		}
		if s.Running() && !s.Active() {
			t.Errorf("%s is running but not active", s)
		}
	}
}

func TestWhatPeopleMayDo(t *testing.T) {
	t.Parallel()
	retry := []buildbtw.Status{buildbtw.StatusFailed}
	cancel := []buildbtw.Status{buildbtw.StatusBlocked, buildbtw.StatusPending, buildbtw.StatusScheduled, buildbtw.StatusBuilding}
	for _, s := range buildbtw.Statuses() {
		b := buildbtw.Build{Pkgbase: "lib", Architecture: "x86_64", Status: s, SkipReason: buildbtw.CauseSuperseded}
		check := func(what string, err error, want bool) {
			if (err == nil) != want {
				t.Errorf("%s a %s build: %v, want allowed %v", what, s, err, want)
			}
			if err != nil && buildbtw.KindOf(err) != buildbtw.KindConflict {
				t.Errorf("%s a %s build: %v is no conflict", what, s, err)
			}
		}
		check("retry", b.CanRetry(), slices.Contains(retry, s))
		check("cancel", b.CanCancel(), slices.Contains(cancel, s))
		check("rebuild", b.CanRebuild(), s == buildbtw.StatusBuilt)
		b.TwinOf = 7
		check("retry as a twin", b.CanRetry(), false)
		check("rebuild as a twin", b.CanRebuild(), false)
	}
	for _, why := range []buildbtw.Cause{
		buildbtw.CauseStopped, buildbtw.CauseSuperseded, buildbtw.CauseUnchanged, buildbtw.CauseExcluded, buildbtw.CauseCancelled,
	} {
		b := buildbtw.Build{Pkgbase: "lib", Status: buildbtw.StatusSkipped, SkipReason: why}
		want := why == buildbtw.CauseStopped || why == buildbtw.CauseCancelled
		if err := b.CanRetry(); (err == nil) != want {
			t.Errorf("retry a build that was skipped (%s): %v, want allowed %v", why, err, want)
		}
		b.TwinOf = 7
		if err := b.CanRetry(); (err == nil) != want {
			t.Errorf("retry a twin that was skipped (%s): %v, want allowed %v", why, err, want)
		}
	}
}

func TestWhatIsSaidOfABuildThatIsTriedAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 2, 20, 0, 0, time.UTC)
	next := time.Date(2026, 3, 1, 2, 27, 57, 0, time.UTC)
	for _, tt := range []struct {
		build buildbtw.Build
		last  string
		want  string
	}{
		{buildbtw.Build{Status: buildbtw.StatusPending, Retries: 4, NotBefore: &next}, "the disk is full.", "tried 4 times, last: the disk is full, next try 02:27:57"},
		{buildbtw.Build{Status: buildbtw.StatusPending, Retries: 1, NotBefore: &now}, "", "tried once, next try as soon as a worker is free"},
		{buildbtw.Build{Status: buildbtw.StatusPending}, "", ""},
		{buildbtw.Build{Status: buildbtw.StatusFailed, Retries: 6}, "no", ""},
	} {
		if got := tt.build.RetryWords(tt.last, now, func(t time.Time) string { return t.Format(time.TimeOnly) }); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestOwnersSayWhyAPackageIsNotPublished(t *testing.T) {
	t.Parallel()
	o := buildbtw.Owners{"moved": "newhome", "app": "other"}
	want := "app is not published from here: other makes it, too, and the plan chose that one; moved is not published from here: newhome makes it, too, and the plan chose that one"
	if o.String() != want {
		t.Errorf("%q", o)
	}
	b := buildbtw.Build{NotOwned: o}
	if b.Publishes("moved") || !b.Publishes("oldhome") {
		t.Error("only what another pkgbase owns is not published")
	}
}

// TestDrawingShowsTheTransitionTable compares docs/state-machine.md with
// Transitions: every arrow with its causes, in both directions.
func TestDrawingShowsTheTransitionTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/state-machine.md")
	if err != nil {
		t.Fatal(err)
	}
	arrow := regexp.MustCompile(`(?m)^ +(\S+) --> (\w+): (.+)$`)
	drawn := map[string][]string{}
	for _, m := range arrow.FindAllStringSubmatch(string(text), -1) {
		from := strings.TrimSuffix(m[1], "[*]")
		causes := strings.Split(m[3], ", ")
		slices.Sort(causes)
		drawn[from+" to "+m[2]] = causes
	}
	table := map[string][]string{}
	for _, tr := range buildbtw.Transitions() {
		var causes []string
		for _, c := range tr.Causes {
			causes = append(causes, string(c))
		}
		slices.Sort(causes)
		table[string(tr.From)+" to "+string(tr.To)] = causes
	}
	if d := cmp.Diff(table, drawn); d != "" {
		t.Errorf("docs/state-machine.md (+) differs from Transitions (-):\n%s", d)
	}
	for _, s := range slices.Sorted(maps.Keys(describedStatuses(string(text)))) {
		if !slices.Contains(buildbtw.Statuses(), s) {
			t.Errorf("docs/state-machine.md describes %q, which is no status", s)
		}
	}
	if n := len(describedStatuses(string(text))); n != len(buildbtw.Statuses()) {
		t.Errorf("docs/state-machine.md describes %d statuses, want %d", n, len(buildbtw.Statuses()))
	}
}

// describedStatuses are the rows of the drawing's table of statuses.
func describedStatuses(text string) map[buildbtw.Status]bool {
	found := map[buildbtw.Status]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(text, -1) {
		found[buildbtw.Status(m[1])] = true
	}
	return found
}

func TestReasonSaysWhy(t *testing.T) {
	t.Parallel()
	tests := map[string]buildbtw.Reason{
		"is a changeset":                                      {Kind: buildbtw.ReasonChangeset},
		"links libcurl.so=4-64 of curl":                       {Kind: buildbtw.ReasonSoname, Via: "curl", Name: "libcurl.so=4-64"},
		"depends on sh, which bash provides":                  {Kind: buildbtw.ReasonProvides, Via: "bash", Name: "sh"},
		"needs meson to build":                                {Kind: buildbtw.ReasonMakedepends, Via: "meson"},
		"was added by name":                                   {Kind: buildbtw.ReasonAdded},
		"has files in /usr/lib/python3.13, which python owns": {Kind: buildbtw.ReasonFiles, Via: "python", Name: "/usr/lib/python3.13/"},
		"depends on curl":                                     {Kind: buildbtw.ReasonDepends, Via: "curl"},
	}
	for want, r := range tests {
		if got := r.String(); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
		v, err := r.Value()
		var back buildbtw.Reason
		if err == nil {
			err = back.Scan(v)
		}
		if err != nil || back != r {
			t.Errorf("%+v came back from the database as %+v (%v)", r, back, err)
		}
	}
}

// TestADependencyIsSatisfiedOrARootCauseOrStillGoing goes through every status and
// every reason to skip. A build that has ended is exactly one of the two.
func TestADependencyIsSatisfiedOrARootCauseOrStillGoing(t *testing.T) {
	t.Parallel()
	for _, s := range buildbtw.Statuses() {
		for _, skip := range append(allCauses, "") {
			satisfies, rootCause := s.Satisfies(skip), s.RootCause(skip)
			wantSatisfies := s == "built" || s == "skipped" && skip == "unchanged"
			if satisfies != wantSatisfies || rootCause != (!s.Active() && !wantSatisfies) {
				t.Errorf("%s (%s): satisfies %v, root cause %v", s, skip, satisfies, rootCause)
			}
		}
	}
}

func TestFarLongerThanUsual(t *testing.T) {
	t.Parallel()
	started := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ended := started.Add(time.Hour)
	building := buildbtw.Build{Status: buildbtw.StatusBuilding, StartedAt: &started}
	for _, tt := range []struct {
		name  string
		build buildbtw.Build
		usual time.Duration
		after time.Duration
		took  time.Duration
		times int
	}{
		{"far longer", building, 2 * time.Minute, 32 * time.Minute, 32 * time.Minute, 16},
		{"rounded", building, 2 * time.Minute, 7*time.Minute + 10*time.Second, 7*time.Minute + 10*time.Second, 4},
		{"twice", building, 10 * time.Minute, 20 * time.Minute, 20 * time.Minute, 0},
		{"a short one", building, 5 * time.Second, time.Minute, time.Minute, 0},
		{"unknown", building, 0, time.Hour, time.Hour, 0},
		{"the clock went back", building, time.Minute, -time.Hour, 0, 0},
		{"ended", buildbtw.Build{Status: buildbtw.StatusFailed, StartedAt: &started, FinishedAt: &ended}, time.Minute, 2 * time.Hour, time.Hour, 0},
		{"never began", buildbtw.Build{Status: buildbtw.StatusPending}, time.Minute, time.Hour, 0, 0},
		{"cancelled, its worker not told yet", buildbtw.Build{Status: buildbtw.StatusSkipped, StartedAt: &started}, time.Minute, time.Hour, 0, 0},
	} {
		now := started.Add(tt.after)
		if took, times := tt.build.Took(now), tt.build.TimesUsual(tt.usual, now); took != tt.took || times != tt.times {
			t.Errorf("%s: took %v, %d times the usual; want %v and %d", tt.name, took, times, tt.took, tt.times)
		}
	}
}

func TestOrdinals(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 10: "10th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd", 43: "43rd", 100: "100th", 111: "111th", 1012: "1012th",
	} {
		if got := buildbtw.Ordinal(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
}
