package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func parse(t *testing.T, args ...string) *settings {
	t.Helper()
	var s settings
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s.flags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	s.complete()
	return &s
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	for _, test := range []struct {
		text  string
		mode  os.FileMode
		token string
		warns bool
	}{
		{"s3cret\n", 0o600, "s3cret", false},
		{"s3cret", 0o644, "s3cret", true},
		{" \n", 0o600, "", false},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		token, err := parse(t, "--worker-token-file", path).server.ReadToken(slog.New(slog.NewTextHandler(&log, nil)))
		if token != test.token || (err != nil) != (test.token == "") || strings.Contains(log.String(), "chmod 600") != test.warns {
			t.Errorf("%q %v: %q, %v, %s", test.text, test.mode, token, err, &log)
		}
	}
	if _, err := parse(t, "--worker-token-file", path+".none").server.ReadToken(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing token file is no error")
	}
}

func TestRunnersAreNamed(t *testing.T) {
	t.Parallel()
	list, err := parse(t, "--runner", "fake", "--runner", "makepkg", "--runner", "pkgctl").builders.Make()
	if err != nil || strings.Join(names(list), " ") != "fake makepkg pkgctl" {
		t.Errorf("%q, %v", names(list), err)
	}
	for _, args := range [][]string{{"--runner", "vmexec"}} {
		if _, err := parse(t, args...).builders.Make(); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	if os.Geteuid() == 0 {
		if _, err := parse(t, "--build-user", "root").builders.Make(); err == nil || !strings.Contains(err.Error(), "must not run as root") {
			t.Errorf("building as root: %v", err)
		}
	}
}

func TestDefaultsFollowFromOthers(t *testing.T) {
	t.Parallel()
	s := parse(t, "--name", "w1", "--jobs", "1000")
	if s.workDir != "/var/tmp/buildbtw-worker-w1" || s.builders.MakeJobs != 1 || len(s.builders.Architectures) != 1 || s.builders.Architectures[0] == "" {
		t.Errorf("%+v", s)
	}
}
