package store

import "buildbtw"

// LeaseRow is what a running lease gives access to.
type LeaseRow struct {
	Attempt buildbtw.Attempt
	Build   BuildRow // with the buildspace's name and the iteration's number
}
