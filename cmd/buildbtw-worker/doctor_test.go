package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/machine"
)

// doctor and the start refuse a token that builds could read, by its mode or by
// where it lies, links followed.
func TestATokenThatABuildCouldReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, public, link := filepath.Join(dir, "private"), filepath.Join(dir, "public"), filepath.Join(dir, "link")
	for name, mode := range map[string]os.FileMode{private: 0o600, public: 0o644} {
		if err := os.WriteFile(name, []byte("t0ken\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/bin/env", link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ runner, file, says string }{
		{"fake", private, ""},
		{"makepkg", private, ""},
		{"makepkg", "/etc/buildbtw/worker-token", ""}, // where the documents put it; missing is another matter
		{"fake", public, "chmod 600 " + public},
		{"makepkg", public, "chmod 600 " + public},
		{"makepkg", link, "builds of runner makepkg see " + link},
	} {
		args := []string{"--runner", test.runner, "--worker-token-file", test.file, "--work-dir", filepath.Join(dir, "work"), "--server-url", "http://127.0.0.1:1"}
		cmd := doctorCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err == nil {
			t.Error("doctor finds nothing wrong without a server")
		}
		line := "ok    secrets\n"
		if test.says != "" {
			line = "FAIL  secrets: "
		}
		if !strings.Contains(out.String(), line) || !strings.Contains(out.String(), test.says) {
			t.Errorf("%s with %s:\n%s", test.runner, test.file, &out)
		}
		s := parse(t, args...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a start that is not refused ends at once
		err := run(ctx, s, slog.New(slog.DiscardHandler))
		if refused := err != nil && strings.Contains(err.Error(), test.says); test.says != "" && !refused {
			t.Errorf("%s started with %s: %v", test.runner, test.file, err)
		}
	}
}

func TestSettingsWithSecretsAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, secret := range map[string]bool{
		"BUILDBTW_WORKER_TOKEN=abc\n":                         true,
		"export BUILDBTW_WORKER_TOKEN='abc'\n":                true,
		"concurrent = 2\n[[runners]]\n  token = \"glrt-x\"\n": true,
		"BUILDBTW_WORKER_TOKEN_FILE=/etc/buildbtw/token\n":    false,
		"[[runners]]\n  token_file = \"/etc/token\"\n":        false,
		"BUILDBTW_RUNNER=vm\n# BUILDBTW_WORKER_TOKEN=\n":      false,
	} {
		file := filepath.Join(dir, "conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := machine.WithSecrets(file, file+".none"); (len(found) == 1) != secret {
			t.Errorf("%q: %v", text, found)
		}
	}
}

func TestLimitsAreRead(t *testing.T) {
	t.Parallel()
	l := parse(t, "--max-memory", "1.5GiB", "--max-disk", "300M", "--max-processes", "0").builders.Limits
	if got := l.String(); got != "1.5 GiB of memory, 300 MiB of disk" {
		t.Error(got)
	}
	l, shared := parse(t).builders.Limits, parse(t, "--jobs", "2").builders.Limits
	if l.Memory <= 0 || shared.Memory != l.Memory/2 || l.Disk != 100<<30 || l.Processes != 4096 {
		t.Errorf("%+v, %+v", l, shared)
	}
}
