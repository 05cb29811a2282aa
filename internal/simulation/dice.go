package simulation

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// dice return chances that depend on the seed and the subject alone, not on
// earlier rolls: two runs with one seed meet the same failures however they
// order the builds.
type dice struct{ seed uint64 }

// roll returns a number in [0, 1).
func (d dice) roll(what, pkgbase string, stage, attempt int) float64 {
	return d.source(fmt.Sprintf("%s %s %d %d", what, pkgbase, stage, attempt)).Float64()
}

func (d dice) source(about string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(about)) // a hash never fails
	return rand.New(rand.NewPCG(d.seed, h.Sum64()))
}

func (d dice) lease() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("lease-%d", n)
	}
}

// jitter is the server's, with the same numbers every time.
func (d dice) jitter() func(time.Duration) time.Duration {
	random := d.source("jitter")
	return func(pause time.Duration) time.Duration {
		return pause + time.Duration(random.Float64()*float64(pause)/5)
	}
}

// The durations of a distribution's packages, as measured builds have them.
const (
	medianSeconds = 75
	logSpread     = 1.3
)

// LogNormal returns a function of build durations spread like those of a
// distribution: log-normal with a median of 75 s and σ = 1.3, and always the
// same for a pkgbase and seed.
func LogNormal(seed uint64) func(pkgbase string) float64 {
	return func(pkgbase string) float64 {
		return medianSeconds * math.Exp(logSpread*dice{seed}.source("duration "+pkgbase).NormFloat64())
	}
}
