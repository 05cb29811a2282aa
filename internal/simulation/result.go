package simulation

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
)

// Result is the result of a simulation. Times are seconds of virtual time.
type Result struct {
	Builds     int             `json:"builds"`
	Built      int             `json:"built"`    // attempts that ended with packages
	Attempts   int             `json:"attempts"` // builds handed out
	Failures   int             `json:"failures"` // attempts that failed and were retried
	Kills      int             `json:"kills"`    // attempts whose machine died
	GivenUp    int             `json:"given_up"` // builds that machines failed too often, until a person retried them
	Aside      int             `json:"aside"`    // times that a worker was quarantined
	Counts     buildbtw.Counts `json:"counts"`   // builds by status at the end
	Makespan   float64         `json:"makespan"`
	Chain      float64         `json:"chain"` // the longest chain of the attempts' durations
	Work       float64         `json:"work"`  // of all attempts
	Bound      float64         `json:"bound"` // no order of these attempts is faster: max(chain, work/workers)
	Ratio      float64         `json:"ratio"` // makespan to bound
	Idle       float64         `json:"idle"`  // of all workers together, time in which machines were away included
	Events     int             `json:"events"`
	Checks     int             `json:"checks"` // of all invariants
	Violations []string        `json:"violations"`
	Took       time.Duration   `json:"took"` // real time
}

// Settled reports whether every build is built.
func (r Result) Settled() bool { return r.Builds > 0 && r.Counts[buildbtw.StatusBuilt] == r.Builds }

// conclude compares the run with the lower bound for its attempts.
func (r *run) conclude(ctx context.Context) error {
	it, err := r.store.Iteration(ctx, "simulation", 0)
	if err != nil {
		return err
	}
	work, err := r.store.Work(ctx, it.ID)
	if err != nil {
		return err
	}
	spent := make([]float64, len(work.Builds))
	x := &r.result
	for i, b := range work.Builds {
		spent[i] = r.spent[b.ID]
		x.Work += spent[i]
	}
	for _, c := range work.Graph.Chains(spent) {
		x.Chain = max(x.Chain, c)
	}
	x.Builds, x.Counts = len(work.Builds), it.Counts
	x.Bound = work.Graph.Bound(spent, r.Workers)
	x.Idle = x.Makespan*float64(r.Workers) - x.Work
	if x.Bound > 0 {
		x.Ratio = x.Makespan / x.Bound
	}
	if !x.Settled() {
		x.Violations = append(x.Violations, fmt.Sprintf("the iteration ended as %s with %v", it.Status(), it.Counts))
	}
	return nil
}
