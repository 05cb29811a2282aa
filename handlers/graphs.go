package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"sync"
	"time"

	"buildbtw/internal/graphlayout"
	"buildbtw/internal/graphview"
	"buildbtw/internal/lru"
	"buildbtw/store"
)

const (
	cachedGraphs = 8                      // a graph of 8,000 builds takes some 5 MB
	stateAge     = 500 * time.Millisecond // many pages ask for one graph; they may get what is a moment old
)

// graphs keeps the build graphs that people look at. What never changes is read
// once; where builds stand is read anew when the buildspace has changed.
type graphs struct {
	recent  *lru.Cache[graphKey, *shownGraph]
	layouts graphlayout.Cache
}

// graphKey names one architecture's graph of an iteration.
type graphKey struct {
	iteration int64
	arch      string
}

// shownGraph is a graph that people look at.
type shownGraph struct {
	graphKey

	mu     sync.Mutex // held while reading, so that many who ask cause one read
	shape  *graphview.Graph
	latest seenState
	whole  []byte // the whole graph's picture, packed
}

type seenState struct {
	*graphview.State
	version uint64 // of the buildspace, before it was read
	at      time.Time
}

func newGraphs() graphs { return graphs{recent: lru.New[graphKey, *shownGraph](cachedGraphs)} }

// of returns a graph, empty if nobody has looked at it lately.
func (g *graphs) of(iteration int64, arch string) *shownGraph {
	return g.recent.GetOrPut(graphKey{iteration, arch}, func() *shownGraph { return &shownGraph{graphKey: graphKey{iteration, arch}} })
}

// state reads where the builds stand, unless that is known as of this version, or
// was read just before and this may be late.
func (s *shownGraph) state(ctx context.Context, a *App, version uint64, mayBeLate bool) (seenState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := a.Now()
	if s.latest.State != nil && (s.latest.version >= version || mayBeLate && now.Sub(s.latest.at) < stateAge) {
		return s.latest, nil
	}
	if s.shape == nil {
		shape, err := a.Store.GraphShape(ctx, s.iteration, s.arch)
		if err != nil {
			return seenState{}, err
		}
		s.shape = newGraph(shape)
	}
	rows, err := a.Store.GraphStates(ctx, s.iteration, s.arch)
	if err != nil {
		return seenState{}, err
	}
	builds := make([]graphview.BuildState, len(rows))
	for i, row := range rows {
		builds[i] = graphview.BuildState(row)
	}
	s.latest = seenState{s.shape.State(builds), version, now}
	return s.latest, nil
}

// packedWhole is the whole graph's picture as JSON, compressed. It is made once.
func (s *shownGraph) packedWhole(state seenState, layOut graphview.Layouter) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole != nil {
		return s.whole, nil
	}
	p, err := state.Picture(graphview.View{Mode: graphview.ModeAll, Focus: -1}, layOut)
	if err != nil {
		return nil, fmt.Errorf("lay out the graph of iteration %d for %s: %w", s.iteration, s.arch, err)
	}
	text, err := state.EncodePicture(p)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	s.whole = packed.Bytes()
	return s.whole, nil
}

// newGraph takes a graph out of the store's hands.
func newGraph(shape store.GraphShape) *graphview.Graph {
	nodes := make([]graphview.Node, len(shape.Builds))
	for i, b := range shape.Builds {
		nodes[i] = graphview.Node(b)
	}
	edges := make([]graphview.BuildEdge, len(shape.Edges))
	for i, e := range shape.Edges {
		edges[i] = graphview.BuildEdge{From: e.From, To: e.To, Kinds: e.Kinds, Through: e.Through}
	}
	cuts := make([]graphview.BuildCut, len(shape.Cuts))
	for i, c := range shape.Cuts {
		cuts[i] = graphview.BuildCut{From: c.From, To: c.To, Kinds: c.Kinds, Cycle: c.Cycle}
	}
	return graphview.New(nodes, edges, cuts)
}
