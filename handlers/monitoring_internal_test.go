package handlers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// monitoring is where the files for Prometheus and Grafana are.
const monitoring = "../infrastructure/monitoring/"

// What stands in an expression of PromQL and names no metric.
var (
	quoted    = regexp.MustCompile(`"[^"]*"`)
	braces    = regexp.MustCompile(`\{[^}]*\}`)
	ranges    = regexp.MustCompile(`\[[^\]]*\]`)
	groupings = regexp.MustCompile(`\b(by|without|on|ignoring)\s*\([^)]*\)`)
	functions = regexp.MustCompile(`\b[a-z_0-9]+\s*\(`)
	names     = regexp.MustCompile(`\b[a-zA-Z_:][a-zA-Z0-9_:]*\b`)
)

// metricsOf returns the names of the metrics in an expression.
func metricsOf(expr string) []string {
	expr = quoted.ReplaceAllString(expr, "")
	for _, r := range []*regexp.Regexp{braces, ranges, groupings, functions} {
		expr = r.ReplaceAllString(expr, " ")
	}
	return slices.DeleteFunc(names.FindAllString(expr, -1), func(word string) bool {
		return slices.Contains([]string{"and", "or", "unless", "sum", "max", "min", "count"}, word)
	})
}

// shown are the names of all samples that /metrics can have.
func shown(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{"up": true} // Prometheus' own, of each scrape
	m := NewMetrics()
	for _, d := range m.list {
		all[d.name] = true
		if d.kind == histogram {
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				all[d.name+end] = true
			}
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		all[f.GetName()] = true
	}
	return all
}

func TestDashboardAndAlertRulesUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	exprs := map[string]string{} // by where they stand
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	text, err := os.ReadFile(monitoring + "buildbtw.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			exprs[r.Alert] = r.Expr
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %s does not say what it means and what to do", r.Alert)
			}
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if text, err = os.ReadFile(monitoring + "buildbtw.dashboard.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs[p.Title+": "+target.Expr] = target.Expr
		}
	}
	if len(exprs) < 30 {
		t.Fatalf("%d expressions were found", len(exprs))
	}
	have := shown(t)
	used := map[string]bool{}
	for where, expr := range exprs {
		found := metricsOf(expr)
		if len(found) == 0 {
			t.Errorf("%s uses no metric: %s", where, expr)
		}
		for _, name := range found {
			used[name] = true
			if !have[name] {
				t.Errorf("%s uses %s, which /metrics does not have", where, name)
			}
		}
	}
	for _, d := range NewMetrics().list {
		if !used[d.name] && !used[d.name+"_bucket"] && !slices.Contains([]string{"buildbtw_build_info", "buildbtw_scrape_failed", "buildbtw_loop_failed_passes_total", "buildbtw_loop_last_success_timestamp_seconds"}, d.name) {
			t.Errorf("neither dashboard nor alert rules use %s", d.name)
		}
	}
}

// TestDocumentsNameMetricsThatExist: a metric that has got another name leads nobody astray.
func TestDocumentsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	have := shown(t)
	named := regexp.MustCompile(`\bbuildbtw_[a-z_]+`)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d documents, %v", len(pages), err)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			if found++; !have[name] {
				t.Errorf("%s names %s, which /metrics does not have", page, name)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names of metrics were found", found)
	}
}

func TestMetricsOfAnExpression(t *testing.T) {
	t.Parallel()
	const expr = `histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{k="b_total"}[5m]))) > 1 and on() sum(c{s=~"d|e"}) == 0 or time() - f`
	if got := strings.Join(metricsOf(expr), " "); got != "a_bucket c f" {
		t.Errorf("got %s", got)
	}
}
