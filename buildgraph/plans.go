package buildgraph

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Planned is what a request came to.
type Planned struct {
	Plan *Plan
	Err  error
}

// Plans computes what many requests make necessary, on all processors. Plans of
// the same set share their work. The results are in the order of the requests,
// each as Plan gives it.
func (ix *Index) Plans(ctx context.Context, requests []Request) []Planned {
	out := make([]Planned, len(requests))
	var next atomic.Int64
	var group sync.WaitGroup
	// Twice as many as processors: some wait for a set that another works on.
	for range min(2*runtime.GOMAXPROCS(0), len(requests)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out); i = int(next.Add(1)) - 1 {
				out[i].Plan, out[i].Err = ix.Plan(ctx, requests[i])
			}
		})
	}
	group.Wait()
	return out
}
