package buildgraph

import (
	"math"
	"slices"
	"sync"
)

// defaultSeconds is how long a build is thought to take while no duration of
// any package is known.
const defaultSeconds = 60

// estimate gives the duration of a pkgbase in seconds; unknown ones take the
// median of the known.
type estimate struct {
	known   map[string]float64
	unknown func() float64 // sorts all durations: only called when needed
}

func newEstimate(known map[string]float64) estimate {
	e := estimate{known: known}
	e.unknown = sync.OnceValue(func() float64 { return median(known) })
	return e
}

// median is defaultSeconds when nothing usable is known.
func median(known map[string]float64) float64 {
	usable := make([]float64, 0, len(known))
	for _, s := range known {
		if usableSeconds(s) {
			usable = append(usable, s)
		}
	}
	if len(usable) == 0 {
		return defaultSeconds
	}
	slices.Sort(usable)
	return usable[len(usable)/2]
}

// usableSeconds refuses what cannot be a duration and would spoil every sum.
func usableSeconds(s float64) bool { return s >= 0 && !math.IsInf(s, 1) }

func (e estimate) of(pkgbase string) float64 {
	if len(e.known) == 0 {
		return defaultSeconds
	}
	if s, ok := e.known[pkgbase]; ok && usableSeconds(s) {
		return s
	}
	return e.unknown()
}
