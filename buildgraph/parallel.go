package buildgraph

import (
	"runtime"
	"sync"
)

// together runs functions at the same time and returns when all are done.
func together(functions ...func()) {
	var group sync.WaitGroup
	for _, f := range functions[1:] {
		group.Go(f)
	}
	functions[0]()
	group.Wait()
}

// span is the numbers from a first one up to an end.
type span struct{ from, to int }

// spans cuts the numbers below n into parts of at least some size, no more than
// there are processors. There is always one.
func spans(n, least int) []span {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/least))
	out := make([]span, parts)
	for i := range out {
		out[i] = span{n * i / parts, n * (i + 1) / parts}
	}
	return out
}

// each works on all parts at the same time.
func each(parts []span, work func(part int, s span)) {
	functions := make([]func(), len(parts))
	for i, s := range parts {
		functions[i] = func() { work(i, s) }
	}
	together(functions...)
}
