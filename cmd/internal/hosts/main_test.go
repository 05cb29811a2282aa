// Package hosts tries what docs/operations.md says about reverse proxies, TLS, tokens
// and build machines on two hosts: network namespaces with a wire between them. It
// has nothing but tests, which need root.
package hosts_test

import (
	"os"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

func TestMain(m *testing.M) { os.Exit(cmdtest.Main(m.Run)) }
