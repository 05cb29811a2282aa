package store

import "buildbtw"

// BuildRef names a build where another one mentions it.
type BuildRef struct {
	ID           int64           `bun:"id"`
	Pkgbase      string          `bun:"pkgbase"`
	Architecture string          `bun:"architecture"`
	Stage        int             `bun:"stage"`
	Status       buildbtw.Status `bun:"status"`
	SkipReason   buildbtw.Cause  `bun:"skip_reason"`
}

// BuildRow is a build with where it belongs and what it waits for in the end.
type BuildRow struct {
	buildbtw.Build
	Buildspace string     `bun:"buildspace"`
	Iteration  int        `bun:"iteration"`
	RootCauses []BuildRef `bun:"-"` // of a blocked build; nearest first, at most MaxRootCauses
}

// BuildFilter selects builds; empty fields select all.
type BuildFilter struct {
	Buildspace   string
	Iteration    int // 0: the latest one of Buildspace, or all when no buildspace is named
	Architecture string
	Status       string // one or more, separated by commas
	Pkgbase      string // exactly
	Query        string // part of the pkgbase
	Cursor       string // where the page before ended
	Limit        int    // 50 when 0, at most 500
}

// Neighbour is a build at the other end of an edge.
type Neighbour struct {
	BuildRef
	Kinds   buildbtw.EdgeKinds `bun:"kinds"`
	Through buildbtw.Names     `bun:"through"` // pkgbases outside the set over which the order holds
}

// BuildCut is an edge left out of the order, by the names of its builds.
type BuildCut struct {
	From  BuildRef // its package is taken from the base
	To    BuildRef
	Kinds buildbtw.EdgeKinds
	Cycle buildbtw.Names
}

// ReasonStep is a build with why it is in the set.
type ReasonStep struct {
	BuildRef
	Reason buildbtw.Reason `bun:"reason"`
}
