package store

import (
	"time"

	"buildbtw"
)

// Claim is a worker asking for a build.
type Claim struct {
	Worker buildbtw.Worker // Name, Architectures, Runners, Labels, Version
	Slot   int             // tells the concurrent builds of one machine apart
	Runner string          // how the build will be executed, when known
	Lease  time.Duration   // how long the lease lasts without a heartbeat
}

// Claimed is a build handed out.
type Claimed struct {
	Build   BuildRow
	Attempt buildbtw.Attempt
}
