package storetest

import (
	"flag"
	"fmt"
	"testing"
)

// raceChecks is how many cases a property test draws under the race detector,
// which makes SQLite ten times slower. Every run draws other cases, and without
// the detector rapid's hundred are drawn.
const raceChecks = "25"

// Main is what TestMain of a package with property tests calls; it gives the
// exit code.
func Main(m *testing.M) int {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	if RaceDetector && !chosen {
		if err := flag.Set("rapid.checks", raceChecks); err != nil {
			fmt.Println("property tests draw their usual number of cases:", err)
		}
	}
	return m.Run()
}
