package buildgraph

import (
	"cmp"

	"buildbtw"
)

// Plan is the computed answer to "what would be built, in which order, and
// why". Nothing of it is stored by this package. All lists are sorted, so that
// the same input gives the same bytes as JSON.
type Plan struct {
	Changesets    []PlannedChangeset   `json:"changesets"`
	Scope         buildbtw.Scope       `json:"scope"`
	Scopes        map[string]int       `json:"scopes"` // number of builds for the scopes none, direct and all
	Architectures map[string]*ArchPlan `json:"architectures"`
	Warnings      []Warning            `json:"warnings"`
}

// PlannedChangeset is a changeset with the commit its ref stood at.
type PlannedChangeset struct {
	Source string `json:"source"`
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
}

// ArchPlan is the build graph of one architecture.
type ArchPlan struct {
	Builds []Build  `json:"builds"` // by level, then pkgbase, then stage
	Edges  []Edge   `json:"edges"`  // by from, then to
	Cuts   []Cut    `json:"cuts"`
	Chain  []string `json:"chain"` // the longest chain, first build first
}

// Build is a node of the build graph.
type Build struct {
	Pkgbase  string          `json:"pkgbase"`
	Source   string          `json:"source"`
	Commit   string          `json:"commit"`
	Version  string          `json:"version"` // of the packages that come out
	Pkgnames []string        `json:"pkgnames"`
	Any      bool            `json:"any,omitempty"`      // every package of it is for any architecture: built once per iteration
	Stage    int             `json:"stage"`              // 1, or 2 for the second build of a cycle
	NoCheck  bool            `json:"no_check,omitempty"` // stage 1 whose checkdepends edge was cut
	Level    int             `json:"level"`              // longest path from a build that waits for nothing
	Priority float64         `json:"priority"`           // seconds of the longest chain that starts here
	Reason   buildbtw.Reason `json:"reason"`

	// NotOwned are the pkgnames that other pkgbases have, too, with the one whose
	// package is published. A debug package may be among them.
	NotOwned buildbtw.Owners `json:"not_owned,omitempty"`

	// BumpedFrom is the version of the source when a rebuild has to have a higher one:
	// Version is that then. SourceCommit is the source's commit once Commit is one
	// that was made of it for the higher version. Both are set outside of this package.
	BumpedFrom   string `json:"bumped_from,omitempty"`
	SourceCommit string `json:"source_commit,omitempty"`
}

// VersionWords returns a version with the one that it was raised from, if it was:
// "2.0-1 → 2.0-2".
func VersionWords(from, to string) string {
	if from == "" || from == to {
		return to
	}
	return from + " → " + to
}

// Unbumped returns the commit and the version of the build's source.
func (b Build) Unbumped() (commit, version string) {
	return cmp.Or(b.SourceCommit, b.Commit), cmp.Or(b.BumpedFrom, b.Version)
}

// Edge means that From must be built before To. With two stages of one pkgbase,
// the names are "pkgbase" for stage 1 and "pkgbase@2" for stage 2 (Key).
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	*EdgeInfo
}

// EdgeInfo is why an edge is there. Many edges share one: a plan
// has sixty thousand edges of few kinds.
type EdgeInfo struct {
	Kinds   []string `json:"kinds"`             // depends, makedepends, checkdepends
	Through []string `json:"through,omitempty"` // pkgbases outside the set over which the order holds
}

// Cut is an edge that the order leaves out because it lies on a cycle: To uses
// the base's package of From.
type Cut struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kinds []string `json:"kinds"`
	Cycle []string `json:"cycle"` // From, To, …: each must be built before the next, the last before From
}

// WarningKind groups warnings by the remedy.
type WarningKind string

// The kinds of warnings that sources and requests give rise to.
const (
	WarnUnreadable WarningKind = "unreadable" // a source's .SRCINFO is missing or broken
	WarnUnresolved WarningKind = "unresolved" // a name that no source provides; the base must
	WarnUnmet      WarningKind = "unmet"      // a version constraint that no candidate meets
	WarnDuplicate  WarningKind = "duplicate"  // two sources define the same pkgbase or pkgname
	WarnUnknown    WarningKind = "unknown"    // an excluded or added name that no source has

	// WarnArchitecture means that nothing, or not every changeset, can be built for
	// an architecture that was asked for.
	WarnArchitecture WarningKind = "architecture"
	// WarnOrder means that orders over packages outside the set lie on cycles and
	// are not kept.
	WarnOrder WarningKind = "order"
	// WarnBase means that packages are built again because those of the base that
	// they are made with have changed. Iterations have it, not plans.
	WarnBase WarningKind = "base"
	// WarnUnverified means that PGP signatures of sources cannot be verified, or
	// would not be.
	WarnUnverified WarningKind = "unverified"
	// WarnIncomplete means that a build will not have all that is in its source:
	// submodules, links that lead out of it, files that only Git LFS has.
	WarnIncomplete WarningKind = "incomplete"
	// WarnFiles means that it is not known which packages have files in directories of
	// interpreters.
	WarnFiles WarningKind = "files"
	// WarnVersion means that a rebuild has no higher version than the package that it
	// replaces, or may have none.
	WarnVersion WarningKind = "version"
	// WarnOverlap means that another open buildspace builds the same packages, or that a
	// changeset lacks commits that its source has. Previews have it, not plans that are
	// stored: it changes with the others.
	WarnOverlap WarningKind = "overlap"
)

// Warning is something a packager should know before trusting the plan.
type Warning struct {
	Kind    WarningKind `json:"kind"`
	Source  string      `json:"source,omitempty"`
	Message string      `json:"message"`
}

// Key names a build within its architecture's plan.
func (b Build) Key() string { return key(b.Pkgbase, b.Stage) }

func key(pkgbase string, stage int) string {
	if stage == 2 {
		return pkgbase + "@2"
	}
	return pkgbase
}
