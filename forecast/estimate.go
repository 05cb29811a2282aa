package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Duration is the estimated duration of a build: about one in six takes more
// than Seconds·e^Spread.
type Duration struct {
	Seconds float64 // the median
	Spread  float64 // standard deviation of the logarithm; 0: exactly Seconds

	// Common is the standard deviation of an error that all builds share which have
	// one, because their Seconds were guessed from the same few builds. Errors of single
	// builds even out over thousands of them, this one does not.
	Common float64
}

// Range is an uncertain duration in seconds: one run in ten is over before
// Early, half are before Likely, and one in ten takes longer than Late.
type Range struct {
	Early  float64 `json:"early"`
	Likely float64 `json:"likely"`
	Late   float64 `json:"late"`
}

// samples is how often a range tries the work: enough for its tenths.
const samples = 21

// Estimate returns the time that so many workers need. Elapsed is how long each
// build has been running already; nil when none has. The same input returns the
// same result.
func (g *Graph) Estimate(durations []Duration, elapsed []float64, workers int) Range {
	medians := make([]float64, len(durations))
	for i, d := range durations {
		medians[i] = remaining(d.Seconds, elapsed, i)
	}
	priority := g.Chains(medians)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a simulation wants the same numbers every time
	spans := make([]float64, samples)
	seconds := make([]float64, len(durations))
	for s := range spans {
		common := quantile((float64(s) + 0.5) / samples)
		for i, d := range durations {
			seconds[i] = remaining(d.Seconds*math.Exp(d.Spread*random.NormFloat64()+d.Common*common), elapsed, i)
		}
		spans[s], _ = g.Makespan(seconds, priority, workers)
	}
	slices.Sort(spans)
	return Range{Early: spans[samples/10], Likely: spans[samples/2], Late: spans[samples-1-samples/10]}
}

// quantile returns the quantile of the standard normal distribution for a share. The
// samples of the common error are taken evenly by it: 21 random ones would say little
// about tenths.
func quantile(share float64) float64 { return math.Sqrt2 * math.Erfinv(2*share-1) }

// overdue is the share of its whole time that a build is thought to have left
// when it has been running longer than it should.
const overdue = 0.1

// remaining returns the part of a build's seconds that is left.
func remaining(seconds float64, elapsed []float64, i int) float64 {
	if elapsed == nil || elapsed[i] == 0 {
		return seconds
	}
	return Left(seconds, elapsed[i])
}

// Left returns the expected remaining seconds of a build with this expected
// duration that has been running for elapsed seconds.
func Left(seconds, elapsed float64) float64 { return math.Max(seconds-elapsed, overdue*seconds) }
