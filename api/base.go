package api

import (
	"context"
	"net/http"
	"net/url"
)

// RefusedBase is a base repository of which a newer version was not taken, because it lost too
// many packages to be believed. The last good copy is used until the packages come back, or an
// administrator accepts that they are gone.
type RefusedBase struct {
	Name         string   `json:"name"`
	Architecture string   `json:"architecture"`
	Before       int      `json:"before"` // packages of the copy that is used
	After        int      `json:"after"`  // packages of the version that was refused
	Lost         []string `json:"lost"`   // pkgnames, sorted
	Digest       string   `json:"digest"` // of Lost: AcceptBase
	Words        string   `json:"words"`
}

// AcceptBase accepts that a base repository lost packages.
type AcceptBase struct {
	Digest string `json:"digest"` // RefusedBase.Digest of what was seen
}

// RefusedBases lists the base repositories of which a newer version was refused.
func (c *Client) RefusedBases(ctx context.Context) ([]RefusedBase, error) {
	return pages[RefusedBase](ctx, c, "/base/refused", url.Values{})
}

// AcceptBase accepts that a base repository lost packages, as they were seen.
func (c *Client) AcceptBase(ctx context.Context, seen RefusedBase) error {
	return c.send(ctx, http.MethodPost, "/base/"+url.PathEscape(seen.Name)+"/"+url.PathEscape(seen.Architecture)+"/accept", AcceptBase{Digest: seen.Digest}, nil)
}
