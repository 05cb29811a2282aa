package infrastructure_test

import (
	"os/exec"
	"testing"
)

// That every metric of the rules and the dashboard exists is a test of package handlers.
func TestAlertRulesWork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("NOT TESTED: the alert rules need promtool, of Debian's package prometheus")
	}
	run(t, "monitoring", nil, "promtool", "check", "rules", "buildbtw.rules.yml")
	run(t, "monitoring", nil, "promtool", "test", "rules", "buildbtw.test.yml")
}
