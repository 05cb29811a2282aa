package store

import "buildbtw"

// Diff is what changed from one iteration of a buildspace to another.
type Diff struct {
	From, To      int // iteration numbers
	Architectures map[string]ArchDiff
}

// ArchDiff is the diff of one architecture's graph. Builds are named by
// pkgbase, "pkgbase@2" for a second stage; all lists are sorted.
type ArchDiff struct {
	Added, Removed           []string
	Changed                  []BuildChange
	EdgesAdded, EdgesRemoved []EdgeChange
}

// BuildChange is a build whose commit moved.
type BuildChange struct {
	Pkgbase     string
	FromCommit  string
	ToCommit    string
	FromVersion string
	ToVersion   string
}

// EdgeChange is an edge by the names of its builds.
type EdgeChange struct {
	From, To string
	Kinds    buildbtw.EdgeKinds
}
