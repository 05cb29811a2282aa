package api

import (
	"context"
	"net/http"
	"net/url"
)

// Overlaps is what stands between an open buildspace and its release by now.
type Overlaps struct {
	Buildspace string            `json:"buildspace"`
	Iteration  int               `json:"iteration"`
	With       []Overlap         `json:"with"`     // with other open buildspaces, the most serious first
	Behind     []BehindChangeset `json:"behind"`   // changesets that lack commits of the base ref
	Stale      []string          `json:"stale"`    // pkgbases that are rebuilt from a commit of which the base ref has a newer one
	Outdated   []OutdatedBuild   `json:"outdated"` // builds below a version that the base has
	URL        string            `json:"url"`
}

// Overlap is what a buildspace has in common with another one. The numbers of units are
// only there where they were computed.
type Overlap struct {
	Buildspace string          `json:"buildspace"` // the other one
	Iteration  int             `json:"iteration"`
	Shared     []SharedPackage `json:"shared"` // at most 200, the most serious first
	Total      int             `json:"total"`  // shared pkgbases
	Words      string          `json:"words"`

	Exact      bool     `json:"exact"`                 // what follows was computed
	Goes       int      `json:"goes,omitempty"`        // units that go if this one is released first
	Loses      []string `json:"loses,omitempty"`       // those of them that do not if the other one is
	OtherGoes  int      `json:"other_goes,omitempty"`  // the same of the other one
	OtherLoses []string `json:"other_loses,omitempty"` // if this one is released first
	Unknown    string   `json:"unknown,omitempty"`     // why it could not be computed
}

// SharedPackage is a pkgbase that two buildspaces build.
type SharedPackage struct {
	Pkgbase string   `json:"pkgbase"`
	Here    bool     `json:"here"`           // it is a changeset here, not only rebuilt
	There   bool     `json:"there"`          // in the other one
	Lost    []string `json:"lost,omitempty"` // sonames of the base's packages that are gone in one of the two
}

// BehindChangeset is a changeset that lacks commits of its source's base ref.
type BehindChangeset struct {
	Changeset string `json:"changeset"`
	Commits   int    `json:"commits"` // that it lacks; 0 when they could not be counted
	Words     string `json:"words"`
}

// OutdatedBuild is a build whose version is below one that the base has.
type OutdatedBuild struct {
	Pkgbase string `json:"pkgbase"`
	Version string `json:"version"`
	Base    string `json:"base"`
}

// Merge is a request to take the changesets of another buildspace over, which is stopped.
type Merge struct {
	With string `json:"with"`
}

// AllOverlaps returns the overlaps of all open buildspaces; what two have in common stands
// at the newer one.
func (c *Client) AllOverlaps(ctx context.Context) ([]Overlaps, error) {
	return pages[Overlaps](ctx, c, "/overlaps", nil)
}

// Overlaps returns the overlaps of a buildspace, with what releasing one takes from the
// other.
func (c *Client) Overlaps(ctx context.Context, name string) (Overlaps, error) {
	var o Overlaps
	return o, c.get(ctx, "/buildspaces/"+url.PathEscape(name)+"/overlaps", nil, &o)
}

// Rebase asks for an iteration on what has moved since the latest one was planned.
func (c *Client) Rebase(ctx context.Context, name string) (Buildspace, error) {
	var space Buildspace
	return space, c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/rebase", nil, &space)
}

// Merge takes the changesets of another buildspace over and stops that one.
func (c *Client) Merge(ctx context.Context, name string, m Merge) (Buildspace, error) {
	var space Buildspace
	return space, c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/merge", m, &space)
}
