package main

import (
	"testing"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/cmdtest"
)

// No command takes a number, a time or a word that it cannot mean.
func TestFlagsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, err := range cli.CheckFlags(command()) {
		t.Error(err)
	}
}

func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	cmdtest.Reference(t, command())
}
