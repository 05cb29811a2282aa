package store

import "buildbtw"

// EventRow is an event with the names of what it is about.
type EventRow struct {
	buildbtw.Event
	Buildspace   string `bun:"buildspace"`
	Iteration    int    `bun:"iteration"`
	Pkgbase      string `bun:"pkgbase"`
	Architecture string `bun:"architecture"`
}

// EventFilter selects events; empty fields select all.
type EventFilter struct {
	Buildspace string
	BuildID    int64
	Since      int64 // only events with a greater ID
	Limit      int   // 50 when 0, at most 500
	Newest     bool  // newest first; else oldest first
}
