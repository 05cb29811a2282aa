package main

import (
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

func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	cmdtest.Reference(t, command())
}
