package handlers

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
)

var updateMetrics = flag.Bool("update-metrics", false, "write the list of metrics into docs/operations.md")

// The documentation's table of metrics is the code's.
func TestDocumentedMetricsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| metric | kind | labels | |\n|---|---|---|---|\n")
	for _, d := range NewMetrics().list {
		labels := strings.Join(d.labels, "`, `")
		if labels != "" {
			labels = "`" + labels + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", d.name, d.kind, labels, d.help)
	}
	const page, begin, end = "../docs/operations.md", "<!-- metrics: go test ./handlers -run DocumentedMetrics -update-metrics -->\n", "<!-- end of metrics -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	documented, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the list of metrics", page)
	}
	if *updateMetrics {
		if err := os.WriteFile(page, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if documented != table.String() {
		t.Errorf("%s lists other metrics; run: go test ./handlers -run DocumentedMetrics -update-metrics", page)
	}
}

// https://prometheus.io/docs/practices/naming/
func TestMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	t.Parallel()
	good := regexp.MustCompile(`^buildbtw_[a-z]+(_[a-z]+)*$`)
	for _, d := range NewMetrics().list {
		if !good.MatchString(d.name) || d.help == "" {
			t.Errorf("%s: %q", d.name, d.help)
		}
		if total := strings.HasSuffix(d.name, "_total"); total != (d.kind == counter) {
			t.Errorf("%s is a %s: counters alone end in _total", d.name, d.kind)
		}
		if d.kind == histogram && !strings.HasSuffix(d.name, "_seconds") {
			t.Errorf("%s measures no seconds", d.name)
		}
	}
}

func TestMetricsCountWhatTheStoreTells(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Moved(buildbtw.StatusPending, buildbtw.CauseLost, 2)
	m.Moved(buildbtw.StatusPending, buildbtw.CauseRetried, 3)
	m.Moved(buildbtw.StatusBuilt, buildbtw.CauseFinished, 4)
	m.Saved(buildbtw.CauseReused, 5)
	m.Saved(buildbtw.CauseUnchanged, 6)
	m.Ended(buildbtw.OutcomeStalled)
	m.Leased(20 * time.Second)
	m.Tried(buildbtw.ChannelMail, buildbtw.DeliveryWaiting)
	m.Tried(buildbtw.ChannelMail, buildbtw.DeliveryGivenUp)
	m.Took(store.TimingWait, 3*time.Millisecond)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			value := sample.GetCounter().GetValue()
			if h := sample.GetHistogram(); h != nil {
				value = h.GetSampleSum()
			}
			if !strings.HasPrefix(f.GetName(), "buildbtw_") || value == 0 {
				continue
			}
			words := []string{f.GetName()}
			for _, l := range sample.GetLabel() {
				words = append(words, l.GetValue())
			}
			got = append(got, fmt.Sprint(strings.Join(words, " "), " ", value))
		}
	}
	slices.Sort(got)
	want := []string{
		"buildbtw_attempts_total stalled 1",
		"buildbtw_build_changes_total finished built 4", "buildbtw_build_changes_total lost pending 2", "buildbtw_build_changes_total retried pending 3",
		"buildbtw_builds_saved_total cut-off 6", "buildbtw_builds_saved_total reuse 5",
		"buildbtw_database_use_seconds wait 0.003", "buildbtw_dispatch_wait_seconds 20", "buildbtw_leases_lost_total 2",
		"buildbtw_notification_tries_total mail failed 1", "buildbtw_notification_tries_total mail given-up 1",
		"buildbtw_retries_total lost 2", "buildbtw_retries_total retried 3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
