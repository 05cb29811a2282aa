package api

import (
	"context"
	"net/http"
	"net/url"
)

// ReleaseBundle is a release that a packager hands over to a distribution by its dbscripts: the
// package files with their signatures, and the versions whose tags db-update looks up.
type ReleaseBundle struct {
	Release    string       `json:"release"`
	Buildspace string       `json:"buildspace"`
	Iteration  int          `json:"iteration"`
	Target     string       `json:"target"`
	Host       string       `json:"host"`   // on which db-update runs, as ssh takes it
	Digest     string       `json:"digest"` // of the set
	Files      []BundleFile `json:"files"`  // by repository and name
	Units      []BundleUnit `json:"units"`  // by pkgbase
	Keys       []byte       `json:"keys"`   // public ones, of which one has to sign each file and tag: as gpg exports them, in base64
}

// BundleFile is a package of a bundle.
type BundleFile struct {
	Package
	Repository string `json:"repository"` // that receives it: staging/REPOSITORY/ on the host
	Build      string `json:"build"`      // whose package it is
	Signature  []byte `json:"signature"`  // detached, of a key that the target accepts: an OpenPGP packet in base64
}

// BundleUnit is a pkgbase of a bundle. db-update reads its PKGBUILD at the tag of its version.
type BundleUnit struct {
	Pkgbase string `json:"pkgbase"`
	Version string `json:"version"`
	Source  string `json:"source"`
	Commit  string `json:"commit"` // that was built
	Tag     string `json:"tag"`
	Build   string `json:"build"`
	Tagged  bool   `json:"tagged"` // the server's mirror, which may be some minutes behind, has the tag at the commit, signed by one of the keys

	TagFault string `json:"tag_fault,omitempty"` // why db-update would refuse the tag that the mirror has at the commit
}

// RepositoryProgress is how much of a release the repositories of a distribution have.
type RepositoryProgress struct {
	Files int `json:"files"`
	There int `json:"there"`
}

// ReleaseBundle returns what is needed to hand over a release that waits for its repository. It
// is computed on the repositories as they are now; when another set can go, the release
// has to be confirmed again, and the error says how it differs.
func (c *Client) ReleaseBundle(ctx context.Context, id string) (ReleaseBundle, error) {
	var b ReleaseBundle
	return b, c.send(ctx, http.MethodPost, "/releases/"+url.PathEscape(id)+"/bundle", nil, &b)
}

// LookForRelease has the server read the repositories of the distribution again, and returns
// the release: released, when they have all of it.
func (c *Client) LookForRelease(ctx context.Context, id string) (StoredRelease, error) {
	var r StoredRelease
	return r, c.send(ctx, http.MethodPatch, "/releases/"+url.PathEscape(id), EditRelease{State: "released"}, &r)
}
