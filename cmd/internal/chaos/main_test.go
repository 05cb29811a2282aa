// Package chaos has a real server and real workers build a graph of packages
// while a schedule, drawn from a seed, kills, pauses and starves them, and wants
// at the end exactly what a quiet run gives. It also measures what many workers
// get from one server. There are only tests in it: see "Chaos and load" in
// docs/benchmarks.md.
package chaos

import (
	"flag"
	"os"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// What make chaos chooses. Without flags the test is a short one.
var (
	seed   = flag.Uint64("chaos.seed", 1, "of sources and schedule")
	builds = flag.Int("chaos.builds", 60, "packages to build")
	kills  = flag.Int("chaos.kills", 20, "times that a server or worker is killed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run()) // nothing needs the programs
	}
	os.Exit(cmdtest.Main(m.Run))
}
