package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/store"
)

// No command takes a number, a time or a word that it cannot mean.
func TestFlagsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, err := range cli.CheckFlags(command()) {
		t.Error(err)
	}
}

// The address of commits is checked before anything is opened.
func TestTheAddressOfCommitsIsChecked(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"": true, "https://git.example.org/{source}/commit/{commit}": true, "https://git.example.org/{source}": false, "javascript:{commit}": false,
	} {
		f := serveFlags{sources: []string{"dir:" + t.TempDir()}, architectures: []string{"x86_64"}, commitURL: address}
		f.gitlab.period, f.gitlab.maxPipelines, f.retention = time.Minute, 1, store.DefaultRetention()
		if err := f.validate(); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// What serve refuses before it opens anything --check-config refuses, too.
func TestAddressesAndCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string // part of the error; empty: none
	}{
		{nil, ""},
		{[]string{"--listen", "unix:/run/x"}, ""},
		{[]string{"--listen", "0.0.0.0:80"}, "listens on loopback only"},
		{[]string{"--listen", "0.0.0.0:80", "--auth-header", "Remote-User", "--trusted-proxies", "10.0.0.1"}, ""},
		{[]string{"--listen", "8080"}, `cannot read --listen "8080"`},
		{[]string{"--listen-workers", "8080"}, `cannot read --listen-workers "8080"`},
		{[]string{"--listen-workers", "0.0.0.0:80"}, ""},
		{[]string{"--tls-cert", "/cert.pem"}, "belong together"},
		{[]string{"--tls-cert", "/nothere/cert.pem", "--tls-key", "/nothere/key.pem"}, "/nothere/cert.pem"},
	} {
		c := command()
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		c.SetArgs(append([]string{"serve", "--check-config", "--sources", "dir:" + t.TempDir()}, test.args...))
		if err := c.ExecuteContext(t.Context()); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.args, err)
		}
	}
}

func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	cmdtest.Reference(t, command())
}
