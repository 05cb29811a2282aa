package buildgraph_test

import (
	"testing"

	library "github.com/dominikbraun/graph"
	"pgregory.net/rapid"

	"buildbtw/buildgraph"
)

// The cycle that is shown for a cut is as short as the shortest that the library
// finds, begins with the cut, and is one.
func TestWitnessesAreShortestCycles(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	rapid.Check(t, func(rt *rapid.T) {
		var sources []buildgraph.Source
		for _, name := range names {
			sources = append(sources, rewired(rt, rewired(rt, source(t, name), names), names))
		}
		w := newWorld(t, sources...)
		a := arch(t, w.plan(names...))
		oracle := library.New(library.StringHash, library.Directed())
		for _, name := range names {
			_ = oracle.AddVertex(name)
		}
		for _, e := range a.Edges {
			_ = oracle.AddEdge(e.From, e.To)
		}
		for _, c := range a.Cuts {
			_ = oracle.AddEdge(c.From, c.To)
		}
		for _, c := range a.Cuts {
			back, err := library.ShortestPath(oracle, c.To, c.From)
			if err != nil {
				rt.Fatalf("%s before %s was cut and lies on no cycle", c.From, c.To)
			}
			if len(c.Cycle) != len(back) || c.Cycle[0] != c.From || c.Cycle[1] != c.To {
				rt.Fatalf("cycle %v over %s, %s; the library's has %d nodes", c.Cycle, c.From, c.To, len(back))
			}
			for i, from := range c.Cycle {
				to := c.Cycle[(i+1)%len(c.Cycle)]
				if _, err := oracle.Edge(from, to); err != nil {
					rt.Fatalf("cycle %v: %s is not before %s", c.Cycle, from, to)
				}
			}
		}
	})
}
