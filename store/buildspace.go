package store

import (
	"buildbtw"
	"buildbtw/buildgraph"
)

// BuildspaceRow is a buildspace with what lists and pages show of it.
type BuildspaceRow struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset `bun:"-"` // by source
	Latest     *IterationRow        `bun:"-"` // nil before the first
}

// BuildspaceFilter selects buildspaces; empty fields select all.
type BuildspaceFilter struct {
	Status string // active or stopped
	Source string // has a changeset of this source
	Query  string // part of the name
	Cursor string // where the page before ended
	Limit  int    // 50 when 0, at most 500
}

// Edit is what to change of a buildspace; nil keeps what is there.
type Edit struct {
	Settings   *buildbtw.Settings
	Changesets *[]buildbtw.Changeset
}

// ActiveBuildspace is all that deciding about a new iteration takes.
type ActiveBuildspace struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset          // as they are wanted, by source
	Latest     *buildbtw.Iteration           // nil before the first
	Planned    []buildgraph.PlannedChangeset // of the latest iteration, with the commits they stood at
}
