package graphview

import (
	"buildbtw"
)

// BuildState is the part of a build that changes.
type BuildState struct {
	ID         int64
	Status     buildbtw.Status
	SkipReason buildbtw.Cause
	Priority   float64 // seconds of the longest chain that begins with it
}

// stuck reports whether builds that wait for this one wait in vain until a
// person does something.
func (b BuildState) stuck() bool {
	return b.Status.RootCause(b.SkipReason)
}

// settled reports whether builds that wait for this one need not do so any more.
func (b BuildState) settled() bool {
	return b.Status.Satisfies(b.SkipReason)
}

// State is where the builds of a graph stand at one moment. It never changes.
type State struct {
	*Graph
	Builds []BuildState // by node
	Held   []bool       // by node: waits for a stuck one, directly or not
	Codes  string       // by node: a letter
	Chain  []int32      // the longest chain, in build order
}

// State looks at the graph with its builds as they are now. Builds that the
// graph does not have are left out, those that are missing count as blocked.
func (g *Graph) State(builds []BuildState) *State {
	s := &State{Builds: make([]BuildState, len(g.Nodes)), Held: make([]bool, len(g.Nodes)), Graph: g}
	for i := range s.Builds {
		s.Builds[i] = BuildState{ID: g.Nodes[i].ID, Status: buildbtw.StatusBlocked}
	}
	for _, b := range builds {
		if i, ok := g.byID(b.ID); ok {
			s.Builds[i] = b
		}
	}
	var stuck []int32
	for v, b := range s.Builds {
		if b.stuck() {
			stuck = append(stuck, int32(v))
		}
	}
	s.spread(stuck, func(v int32) { s.Held[v] = true })
	s.Chain = s.longestChain()
	codes := make([]byte, len(s.Builds))
	for v := range codes {
		codes[v] = StatusCode(s.Shown(int32(v)))
	}
	s.Codes = string(codes)
	return s
}

// Shown returns the status of a node as people read it.
func (s *State) Shown(v int32) buildbtw.Status { return s.Builds[v].Status.Shown(s.Held[v]) }

// Counts returns how many builds have which status as people read it.
func (s *State) Counts() buildbtw.Counts {
	counts := buildbtw.Counts{}
	for v := range s.Builds {
		counts[s.Shown(int32(v))]++
	}
	return counts
}

// StatusCode returns the letter of a status, as people read it, in State.Codes.
// static/src/graph/colours.js knows the letters too.
func StatusCode(status buildbtw.Status) byte {
	switch status {
	case buildbtw.StatusBuilt:
		return 'd'
	case buildbtw.StatusFailed:
		return 'f'
	case buildbtw.StatusBuilding:
		return 'b'
	case buildbtw.StatusScheduled:
		return 's'
	case buildbtw.StatusPending:
		return 'p'
	case buildbtw.StatusSkipped:
		return 'x'
	case buildbtw.StatusBlocked:
		return 'h'
	}
	return 'k' // waiting
}

// spread goes from builds to those that are blocked because of them, directly
// or not, and visits each once.
func (s *State) spread(from []int32, visit func(int32)) {
	seen := make([]bool, len(s.Builds))
	queue := append([]int32(nil), from...)
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, to := range s.out.of(v) {
			if !seen[to] && s.Builds[to].Status == buildbtw.StatusBlocked {
				seen[to] = true
				visit(to)
				queue = append(queue, to)
			}
		}
	}
}

// Blocks returns how many builds are blocked because of v, directly or not.
func (s *State) Blocks(v int32) int {
	n := 0
	s.spread([]int32{v}, func(int32) { n++ })
	return n
}

// maxCauses bounds the causes that are named for one build.
const maxCauses = 20

// Causes lists the stuck builds because of which v is blocked, nearest first.
func (s *State) Causes(v int32) []int32 {
	if !s.Held[v] {
		return nil
	}
	var causes []int32
	seen := map[int32]bool{v: true}
	for queue := []int32{v}; len(queue) > 0 && len(causes) < maxCauses; queue = queue[1:] {
		for _, from := range s.in.of(queue[0]) {
			if seen[from] {
				continue
			}
			seen[from] = true
			if s.Builds[from].stuck() {
				causes = append(causes, from)
			} else if s.Held[from] {
				queue = append(queue, from)
			}
		}
	}
	return causes
}

// longestChain returns the chain from the build with the largest priority
// through the dependent with the largest each time: its length bounds the whole
// iteration.
func (s *State) longestChain() []int32 {
	var chain []int32
	next := s.first(s.order, func(int32) bool { return true })
	for next >= 0 {
		chain = append(chain, next)
		next = s.first(s.out.of(next), func(int32) bool { return true })
	}
	return chain
}

// first returns the one of these nodes with the largest priority, the first when
// equal; -1 when there is none that is wanted.
func (s *State) first(nodes []int32, wanted func(int32) bool) int32 {
	best := int32(-1)
	for _, v := range nodes {
		if wanted(v) && (best < 0 || s.Builds[v].Priority > s.Builds[best].Priority) {
			best = v
		}
	}
	return best
}

// blockersCompared bounds the search for the worst failure.
const blockersCompared = 64

// Focus returns the build to show first: the failure that blocks most builds,
// else a running build, else a pending one, else a changeset, each with the
// largest priority. It is -1 for an empty graph.
func (s *State) Focus() int32 {
	worst, most, compared := int32(-1), -1, 0
	for v, b := range s.Builds {
		if b.Status == buildbtw.StatusFailed && compared < blockersCompared {
			compared++
			if n := s.Blocks(int32(v)); n > most {
				worst, most = int32(v), n
			}
		}
	}
	if worst >= 0 {
		return worst
	}
	for _, wanted := range []func(int32) bool{
		func(v int32) bool { return s.Builds[v].Status.Running() },
		func(v int32) bool { return s.Builds[v].Status == buildbtw.StatusPending },
		func(v int32) bool { return s.Nodes[v].Reason.Kind == buildbtw.ReasonChangeset },
		func(int32) bool { return true },
	} {
		if v := s.first(s.order, wanted); v >= 0 {
			return v
		}
	}
	return -1
}
