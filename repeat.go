package buildbtw

import "time"

// RepeatResult is what came of building something a second time from the same input.
type RepeatResult string

// The results.
const (
	RepeatNone   RepeatResult = ""             // not known yet
	RepeatSame   RepeatResult = "reproducible" // the same packages, byte for byte
	RepeatOther  RepeatResult = "differs"
	RepeatFailed RepeatResult = "unknown" // it cannot be said
)

// Words returns the result as a clause about a build.
func (r RepeatResult) Words() string {
	switch r {
	case RepeatSame:
		return "reproducible: a second build made the same packages, byte for byte"
	case RepeatOther:
		return "not reproducible: a second build made other packages"
	case RepeatFailed:
		return "not known whether it is reproducible"
	case RepeatNone:
	}
	return "being built a second time"
}

// RepeatName returns the name under which a second build of a pkgbase is shown among what
// machines do.
func RepeatName(pkgbase string) string { return "second build of " + pkgbase }

// Bounds of second builds.
const (
	OpenRepeats  = 20                 // that wait or run at the same time
	RepeatAge    = 7 * 24 * time.Hour // of a result that is still built again: the base of before is gone some time
	RepeatWait   = 24 * time.Hour     // for a worker, before it is given up for the time being
	RepeatStops  = 3                  // after which it is not begun again
	RepeatYields = 30 * time.Second   // that a build waits for a worker before a second build makes room
)

// OnlyCompared reports whether nothing of the build is published: it is made on the base alone, or
// a second time, to compare the result.
func (b Build) OnlyCompared() bool { return b.BaselineID != 0 || b.RepeatOf != 0 }
