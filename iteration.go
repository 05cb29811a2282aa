package buildbtw

import (
	"fmt"
	"maps"
	"time"
)

// IterationState is the part of an iteration's status that is stored.
type IterationState string

// The states of an iteration. Only a ready one has builds handed out.
const (
	IterationCalculating IterationState = "calculating" // the plan is being made
	IterationReady       IterationState = "ready"       // builds exist; the status follows from theirs
	IterationInvalid     IterationState = "invalid"     // no plan could be made; the reason is in Error
	IterationStopped     IterationState = "stopped"     // its buildspace was stopped while it was the newest
	IterationSuperseded  IterationState = "superseded"  // a newer iteration took over
)

// IterationReason is why an iteration was made.
type IterationReason string

// The reasons for an iteration.
const (
	IterationCreated   IterationReason = "created"   // with its buildspace
	IterationPushed    IterationReason = "pushed"    // a changeset's commit moved
	IterationEdited    IterationReason = "edited"    // changesets or settings were changed
	IterationRequested IterationReason = "requested" // a person asked for it
	IterationStarted   IterationReason = "started"   // a stopped buildspace was started again
	IterationFollowed  IterationReason = "followed"  // some commit or edge of the graph changed (follow: all)
)

// Iteration is one attempt of a buildspace: fixed commits, one build graph per
// architecture, own pacman repositories.
type Iteration struct {
	ID           int64           `bun:"id,pk,autoincrement"`
	BuildspaceID int64           `bun:"buildspace_id"`
	Number       int             `bun:"number"` // from 1, per buildspace
	State        IterationState  `bun:"state"`
	Reason       IterationReason `bun:"reason"`
	ReasonText   string          `bun:"reason_text"` // in words: "libalpha/main moved from 1a2b3c4 to 5d6e7f8"
	Error        string          `bun:"error"`       // why it is invalid; else empty
	PlanDigest   string          `bun:"plan_digest"` // two iterations of one digest have the same builds and edges; empty when invalid
	CreatedAt    time.Time       `bun:"created_at"`

	// Its builds have the ids from FirstBuild on; GraphID is the graph of their edges,
	// shared by iterations with the same order. Both are 0 without builds.
	GraphID    int64 `bun:"graph_id"`
	FirstBuild int64 `bun:"first_build"`

	Pinned        bool       `bun:"pinned"`          // nothing of it is ever removed
	ArchivedAt    *time.Time `bun:"archived_at"`     // since when its packages are not kept any more; nil: they are
	LogsRemovedAt *time.Time `bun:"logs_removed_at"` // since when its logs are not kept any more; nil: they are
	DeletedAt     *time.Time `bun:"deleted_at"`      // since when all of it is being removed; nil: it is not
	FilesLeft     string     `bun:"files_left"`      // name of the repository whose files are still to be removed
}

// RepositoryName is the name under which an iteration's pacman repositories lie
// on disk and are served: {buildspace}_{number}.
func RepositoryName(buildspace string, iteration int) string {
	return fmt.Sprintf("%s_%d", buildspace, iteration)
}

// Counts is the number of builds by status.
type Counts map[Status]int

// Total is the number of builds.
func (c Counts) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Shown returns the counts as people read them: of the builds with the status blocked,
// so many are stuck, and the others waiting.
func (c Counts) Shown(stuck int) Counts {
	shown := maps.Clone(c)
	if waiting := c[StatusBlocked] - stuck; waiting > 0 {
		shown[StatusWaiting] = waiting
	}
	if shown[StatusBlocked] = min(stuck, c[StatusBlocked]); stuck == 0 {
		delete(shown, StatusBlocked)
	}
	return shown
}

// Settled is the number of builds that are built or skipped.
func (c Counts) Settled() int { return c[StatusBuilt] + c[StatusSkipped] }

// IterationStatus is the status of an iteration on pages and in the API,
// derived from its state and its builds.
type IterationStatus string

// The statuses of an iteration. Those that are no IterationState follow from
// the builds.
const (
	IterationStatusCalculating IterationStatus = "calculating"
	IterationStatusBuilding    IterationStatus = "building"
	IterationStatusBuilt       IterationStatus = "built"
	IterationStatusFailed      IterationStatus = "failed" // nothing can go on until something is fixed
	IterationStatusStopped     IterationStatus = "stopped"
	IterationStatusSuperseded  IterationStatus = "superseded"
	IterationStatusInvalid     IterationStatus = "invalid"
)

// DeriveStatus returns the status of an iteration with these builds. Work that
// can go on wins over failures: an iteration is failed only when every build is
// settled, failed, or blocked for good.
func (s IterationState) DeriveStatus(c Counts) IterationStatus {
	switch {
	case s != IterationReady:
		return IterationStatus(s)
	case c[StatusPending]+c[StatusScheduled]+c[StatusBuilding] > 0:
		return IterationStatusBuilding
	case c[StatusFailed]+c[StatusBlocked] > 0:
		return IterationStatusFailed
	default:
		return IterationStatusBuilt
	}
}

// Final reports whether the status can change only when somebody does
// something.
func (s IterationStatus) Final() bool {
	return s != IterationStatusCalculating && s != IterationStatusBuilding
}

// EdgeKinds is a set of dependency kinds, as bits.
type EdgeKinds uint8

// The kinds of dependencies, strongest first.
const (
	EdgeDepends EdgeKinds = 1 << iota
	EdgeMakedepends
	EdgeCheckdepends
)

// TriggerKinds returns the kinds of dependencies through which a rebuilt
// package brings its dependents into the set: depends, and makedepends if the
// buildspace asks for it. checkdepends never do.
func TriggerKinds(makedepends bool) EdgeKinds {
	if makedepends {
		return EdgeDepends | EdgeMakedepends
	}
	return EdgeDepends
}

// Names lists the kinds in the set, strongest first.
func (k EdgeKinds) Names() []string {
	names := make([]string, 0, 3)
	for i, name := range [...]string{"depends", "makedepends", "checkdepends"} {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Edge is the order of two builds: From must be built before To.
type Edge struct {
	From    int64     `bun:"from_build"`
	To      int64     `bun:"to_build"`
	Kinds   EdgeKinds `bun:"kinds"`
	Through Names     `bun:"through"` // pkgbases outside the set, in order, that link From and To
}

// Cut is an edge that was left out of the order because it lies on a cycle: To
// uses the base's package of From.
type Cut struct {
	From  int64     `bun:"from_build"`
	To    int64     `bun:"to_build"`
	Kinds EdgeKinds `bun:"kinds"`
	Cycle Names     `bun:"cycle"` // pkgbases along the cycle, starting with To
}

// Event is a row of the history: who did what, when, and why. Every change of a
// build's status has exactly one.
type Event struct {
	ID           int64     `bun:"id,pk,autoincrement"`
	At           time.Time `bun:"at"`
	Actor        string    `bun:"actor"` // a user, a worker, or "buildbtw"
	BuildspaceID int64     `bun:"buildspace_id,nullzero"`
	IterationID  int64     `bun:"iteration_id,nullzero"`
	BuildID      int64     `bun:"build_id,nullzero"`
	Kind         EventKind `bun:"kind"`
	From         Status    `bun:"from_status"`
	To           Status    `bun:"to_status"`
	Cause        Cause     `bun:"cause"`
	Message      string    `bun:"message"` // the reason in words
}

// EventKind is the kind of thing that an event is about.
type EventKind string

// The kinds of events.
const (
	EventBuild      EventKind = "build"      // a build's status changed
	EventIteration  EventKind = "iteration"  // an iteration was made or its state changed
	EventRelease    EventKind = "release"    // a release was created or its state changed
	EventBuildspace EventKind = "buildspace" // a buildspace was created, edited, stopped, started
	EventWorker     EventKind = "worker"     // a worker was quarantined, drained, resumed or forgotten
)
