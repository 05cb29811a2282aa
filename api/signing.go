package api

import (
	"context"
	"net/http"
	"net/url"

	"buildbtw/signing"
)

// Signatures are detached OpenPGP signatures of files of a release.
type Signatures struct {
	Signatures []signing.Signature `json:"signatures"`
}

// SigningProgress is how many of the files of a release are signed.
type SigningProgress struct {
	Files  int `json:"files"`
	Signed int `json:"signed"` // by keys that the target accepts

	// Databases: with the last signature of the packages the release waits for those of its
	// target's databases.
	Databases bool `json:"databases,omitempty"`
}

// SigningList returns what is to be signed of a release that waits for signatures.
func (c *Client) SigningList(ctx context.Context, id string) (signing.List, error) {
	var l signing.List
	if err := c.get(ctx, "/releases/"+url.PathEscape(id)+"/signing-list", nil, &l); err != nil {
		return l, err
	}
	return l, l.Validate()
}

// PutSignatures sends signatures of a release's files. The server verifies them.
func (c *Client) PutSignatures(ctx context.Context, id string, s []signing.Signature) (SigningProgress, error) {
	var p SigningProgress
	k := call{method: http.MethodPut, path: "/releases/" + url.PathEscape(id) + "/signatures", limit: headersTimeout}
	if err := k.jsonBody(Signatures{s}); err != nil {
		return p, err
	}
	return p, c.repeat(ctx, func() error { return c.once(ctx, k, &p) })
}
