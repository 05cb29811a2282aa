package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"buildbtw"
)

// maxBundle is more than a bundle of one commit has.
const maxBundle = 32 << 20

// CommitBundle writes the bundle of the commit that a build was made from, for a build whose
// pkgrel was raised.
func (c *Client) CommitBundle(ctx context.Context, build string, w io.Writer) error {
	answer, err := c.open(ctx, call{method: http.MethodGet, path: "/builds/" + url.PathEscape(build) + "/commit.bundle", limit: -1})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	n, err := io.Copy(w, io.LimitReader(answer.Body, maxBundle+1))
	switch {
	case err != nil:
		return c.networkError(ctx, fmt.Errorf("download the commit of build %s: %w", build, err))
	case n > maxBundle:
		return buildbtw.TooLarge("the commit of build %s has more than %d MiB", build, maxBundle>>20)
	}
	return nil
}

// ReleasedSet is the part of a release that says which commits were released.
type ReleasedSet struct {
	Buildspace string        `json:"buildspace"`
	Iteration  int           `json:"iteration"`
	State      string        `json:"state"`
	Goes       []ReleaseUnit `json:"goes"`
}

// ReleasedSet returns what a release released, by its id.
func (c *Client) ReleasedSet(ctx context.Context, id string) (ReleasedSet, error) {
	var r ReleasedSet
	return r, c.get(ctx, "/releases/"+url.PathEscape(id), nil, &r)
}
