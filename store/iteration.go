package store

import (
	"buildbtw"
	"buildbtw/buildgraph"
)

// IterationRow is an iteration with its buildspace's name and the number of its
// builds by status.
type IterationRow struct {
	buildbtw.Iteration
	Buildspace string          `bun:"buildspace"`
	Counts     buildbtw.Counts `bun:"-"`
}

// Status is what people see of the iteration.
func (r IterationRow) Status() buildbtw.IterationStatus { return r.State.DeriveStatus(r.Counts) }

// NewIteration is what CreateIteration writes.
type NewIteration struct {
	BuildspaceID int64
	Revision     int64 // of the buildspace when the plan was begun: a request that came later stays wanted
	Reason       buildbtw.IterationReason
	ReasonText   string
	Plan         *buildgraph.Plan
	Err          error // why there is no plan: the iteration becomes invalid

	// Changesets are what was tried when Plan is nil, with the commits as far
	// as they are known. A plan brings its own.
	Changesets []buildgraph.PlannedChangeset
}

// Graph is the build graph of one architecture, as rows.
type Graph struct {
	Builds []buildbtw.Build // in the plan's order
	Edges  []buildbtw.Edge  // edges and cuts within the architecture
	Cuts   []buildbtw.Cut
}
