package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// runnerKeys are the keys that gitlab-runner 19.4 knows in the sections of its settings that
// an executor needs. It ignores others in silence.
var runnerKeys = map[string]string{
	"": "listen_address session_server labels concurrent check_interval log_level log_format user sentry_dsn connection_max_age shutdown_timeout",
	"[runners]": "name limit output_limit request_concurrency strict_check_interval unhealthy_requests_limit unhealthy_interval job_status_final_update_retry_limit " +
		"url id token token_obtained_at token_expires_at tls-ca-file tls-cert-file tls-key-file labels executor builds_dir cache_dir clone_url environment proxy_exec " +
		"pre_get_sources_script post_get_sources_script pre_build_script post_build_script prepare_timeout get_sources_timeout debug_trace_disabled " +
		"safe_directory_checkout clean_git_config shell",
	"runners.custom": "config_exec config_args config_exec_timeout prepare_exec prepare_args prepare_exec_timeout run_exec run_args " +
		"cleanup_exec cleanup_args cleanup_exec_timeout graceful_kill_timeout force_kill_timeout",
}

// The settings that are shipped for gitlab-runner are ones that it knows, and call this
// program's stages.
func TestShippedSettingsOfTheRunner(t *testing.T) {
	t.Parallel()
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + "/infrastructure/gitlab-runner/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	section, got := "", map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = strings.TrimSuffix(strings.TrimPrefix(line, "["), "]")
			continue
		}
		key, value, found := strings.Cut(line, " = ")
		if !found || !slices.Contains(strings.Fields(runnerKeys[section]), key) {
			t.Errorf("gitlab-runner knows no %q in [%s]", line, section)
		}
		got[section+" "+key] = value
	}
	for _, key := range []string{" concurrent", "[runners] url", "[runners] token", "[runners] executor", "runners.custom graceful_kill_timeout"} {
		if got[key] == "" {
			t.Errorf("there is no %s", key)
		}
	}
	for _, stage := range []string{"config", "prepare", "run", "cleanup"} {
		cmd, _, err := command().Find(regexp.MustCompile(`\w+`).FindAllString(got["runners.custom "+stage+"_args"], -1))
		if err != nil || cmd.Name() != stage || !strings.HasSuffix(got["runners.custom "+stage+"_exec"], `/buildbtw-executor"`) {
			t.Errorf("%s_exec %s %s: %v", stage, got["runners.custom "+stage+"_exec"], got["runners.custom "+stage+"_args"], err)
		}
	}
}
