package planview

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"buildbtw/buildgraph"
	"buildbtw/forecast"
)

// needs says how long numbers of workers would take for a plan, by what is
// known of durations: half, the asked number, twice and four times as many, and
// the number from which on more do not help.
func (o *printer) needs(p *buildgraph.Plan, workers int) {
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		w, err := newWork(p.Architectures[arch])
		if err != nil {
			o.err = err
			return
		}
		o.line("\ntime for %s:", arch)
		for _, n := range compared(workers) {
			span, idle := w.graph.Makespan(w.seconds, w.chains, n)
			busy := 1.0
			if span > 0 {
				busy = 1 - idle/(span*float64(n))
			}
			o.line("  %4d workers  %10s  busy %3.0f %%", n, coarse(span), 100*busy)
		}
		o.line("  the longest chain alone takes %s; from %d workers on, more hardly help", coarse(w.longest()), w.enough())
	}
}

// compared returns the numbers of workers to show, ascending.
func compared(workers int) []int {
	list := []int{max(1, workers/2), workers, 2 * workers, 4 * workers}
	slices.Sort(list)
	return slices.Compact(list)
}

// work is a plan as forecasts take it.
type work struct {
	graph   *forecast.Graph
	seconds []float64
	chains  []float64
}

// newWork reads how long each build takes out of the plan's chains: a build's
// chain is its own time and the longest chain after it.
func newWork(a *buildgraph.ArchPlan) (*work, error) {
	place := make(map[string]int32, len(a.Builds))
	w := &work{seconds: make([]float64, len(a.Builds)), chains: make([]float64, len(a.Builds))}
	for i := range a.Builds {
		place[a.Builds[i].Key()] = int32(i)
		w.chains[i] = a.Builds[i].Priority
	}
	after := make([]float64, len(a.Builds))
	edges := make([]forecast.Edge, len(a.Edges))
	for i, e := range a.Edges {
		from, to := place[e.From], place[e.To]
		edges[i] = forecast.Edge{From: from, To: to}
		after[from] = max(after[from], w.chains[to])
	}
	for i := range w.seconds {
		w.seconds[i] = max(0, w.chains[i]-after[i])
	}
	var err error
	if w.graph, err = forecast.NewGraph(len(a.Builds), edges); err != nil {
		return nil, fmt.Errorf("read the order of the plan: %w", err)
	}
	return w, nil
}

func (w *work) longest() float64 {
	if len(w.chains) == 0 {
		return 0
	}
	return slices.Max(w.chains)
}

// enough returns the least number of workers that take at most a twentieth longer
// than the longest chain.
func (w *work) enough() int {
	const hardly = 1.05
	least, most := 1, max(1, len(w.seconds))
	for least < most {
		middle := (least + most) / 2
		if span, _ := w.graph.Makespan(w.seconds, w.chains, middle); span <= hardly*w.longest() {
			most = middle
		} else {
			least = middle + 1
		}
	}
	return least
}

// coarse returns seconds as exactly as matters in a plan.
func coarse(seconds float64) string {
	if math.IsInf(seconds, 1) {
		return "for ever"
	}
	unit := time.Minute
	if seconds < 600 {
		unit = time.Second
	}
	return time.Duration(seconds * float64(time.Second)).Round(unit).String()
}
