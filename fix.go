package buildbtw

import "slices"

// MaxFixes is the largest number of builds in a Fix.
const MaxFixes = 500

// Fix is a request to build failed builds again from newer commits of their sources. Their
// sources become changesets of the buildspace, and one new iteration builds them.
type Fix struct {
	Builds []int64 // ids of failed builds of one buildspace
	Ref    string  // the branch, tag or commit with the fix; empty: that of the changeset if the source is one, else the base ref
}

// CanFix returns nil for a failed build, which a Fix may name, and a Conflict for any other.
func (b Build) CanFix() error {
	if b.Status == StatusFailed {
		return nil
	}
	return Conflict("%s is %s; only a failed build can be built with a fix", b.Pkgbase, b.Status)
}

// Replace returns a copy of changesets to which others are added. One of a source that is
// in the list already takes the place of that one.
func Replace(changesets, others []Changeset) []Changeset {
	all := slices.Clone(changesets)
	for _, other := range others {
		i := slices.IndexFunc(all, func(c Changeset) bool { return c.Source == other.Source })
		if i < 0 {
			all = append(all, other)
		} else {
			all[i] = other
		}
	}
	return all
}

// ShortCommit returns the first seven characters of a commit's id, or of another digest, as
// git shows them.
func ShortCommit(id string) string { return id[:min(len(id), 7)] }
