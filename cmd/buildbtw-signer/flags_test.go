package main

import (
	"testing"

	"buildbtw/cmd/internal/cli"
)

// No command takes a number, a time or a word that it cannot mean.
func TestFlagsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, err := range cli.CheckFlags(command()) {
		t.Error(err)
	}
}
