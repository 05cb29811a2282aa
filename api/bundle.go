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
