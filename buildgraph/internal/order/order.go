// Package order puts the packages of a set into build order: levels and
// priorities, the two stages of packages on cycles, and orders that hold over
// packages outside the set.
package order

import (
	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
)

// Set is the packages that are built, numbered by their place in Nodes, and the
// dependencies between them.
type Set struct {
	Graph      *link.Graph
	Nodes      []int32    // graph nodes, ascending
	Local      []int32    // by graph node: place in Nodes, -1 outside the set
	Direct     link.Edges // dependencies inside the set
	Components *graph.Components
	Cut        []bool     // by edge of Direct: left out
	Kept       link.Edges // Direct without the cut edges
}

// NewSet numbers the nodes of a set. Cut and Kept are empty until Leave.
func NewSet(g *link.Graph, nodes []int32) *Set {
	s := &Set{Graph: g, Nodes: nodes, Local: places(len(g.Nodes), nodes)}
	s.Direct = g.Deps.Subgraph(nodes, s.Local)
	s.Components = graph.StronglyConnected(&s.Direct.CSR)
	return s
}

// Leave leaves edges out, by their place in Direct.
func (s *Set) Leave(cut []bool) {
	s.Cut = cut
	s.Kept = s.Direct.Only(func(edge int32) bool { return !cut[edge] })
}

// Size is the number of packages in the set.
func (s *Set) Size() int32 { return int32(len(s.Nodes)) }

// outside is the place of a node that is not in a list.
const outside = -1

// places numbers some of n nodes by their place in a list; outside for others.
func places(n int, nodes []int32) []int32 {
	local := make([]int32, n)
	for v := range local {
		local[v] = outside
	}
	for l, v := range nodes {
		local[v] = int32(l)
	}
	return local
}

// Job is one build of the plan: a package of the set, in one stage.
type Job struct {
	Node    int32 // place in the set
	Stage   int
	NoCheck bool
}

// Jobs are the builds of a plan and the order between them, which has no cycles.
type Jobs struct {
	List  []Job
	Deps  link.Edges // from a job to those that it waits for
	Users graph.CSR
	Via   []int32 // by edge of Deps: place of an order over packages outside, -1
	Level []int32 // by job: the longest path from one that waits for nothing
	order []int32 // each job after those that it waits for
}

func newJobs(list []Job, deps link.Edges, via []int32) *Jobs {
	j := &Jobs{List: list, Deps: deps, Users: deps.CSR.Reversed(), Via: via}
	j.order, j.Level, _ = graph.TopologicalOrder(&j.Users) // cuts and schedule leave no cycle
	return j
}

// Remaining returns, for every job, the seconds of the longest chain that starts
// there, and the job after it on that chain (-1 at the end). Given are the
// seconds that each job takes.
func (j *Jobs) Remaining(seconds []float64) (total []float64, next []int32) {
	n := len(j.List)
	total, next = make([]float64, n), make([]int32, n)
	for i := n - 1; i >= 0; i-- {
		v := j.order[i]
		next[v] = -1
		for _, u := range j.Users.Row(v) {
			if next[v] < 0 || total[u] > total[next[v]] {
				next[v] = u
			}
		}
		total[v] = seconds[v]
		if next[v] >= 0 {
			total[v] += total[next[v]]
		}
	}
	return total, next
}

// LongestChain follows the longest of the chains that Remaining found.
func LongestChain(total []float64, next []int32) []int32 {
	if len(total) == 0 {
		return nil
	}
	start := int32(0)
	for v := range total {
		if total[v] > total[start] {
			start = int32(v)
		}
	}
	var chain []int32
	for v := start; v >= 0; v = next[v] {
		chain = append(chain, v)
	}
	return chain
}
