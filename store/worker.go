package store

import "buildbtw"

// WorkerRow is a worker with what it does now.
type WorkerRow struct {
	buildbtw.Worker
	Running []BuildRow `bun:"-"`
}
