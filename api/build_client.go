package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"buildbtw"
)

// BuildFilter selects builds; empty fields select all.
type BuildFilter struct {
	Buildspace   string
	Iteration    int // Latest: the newest one of Buildspace
	Architecture string
	Status       string // one or more, separated by commas
	Pkgbase      string
	Verdict      string // the word for whose fault it is that a build failed
}

// Builds returns all builds that the filter selects, reading page after page.
func (c *Client) Builds(ctx context.Context, f BuildFilter) ([]Build, error) {
	query := values("buildspace", f.Buildspace, "arch", f.Architecture, "status", f.Status, "pkgbase", f.Pkgbase, "verdict", f.Verdict, "limit", "500")
	if f.Iteration != Latest {
		query.Set("iteration", strconv.Itoa(f.Iteration))
	}
	return pages[Build](ctx, c, "/builds", query)
}

// Build returns one build with its details.
func (c *Client) Build(ctx context.Context, id string) (BuildDetail, error) {
	var b BuildDetail
	return b, c.get(ctx, "/builds/"+url.PathEscape(id), nil, &b)
}

// Attempts returns a build's attempts, oldest first.
func (c *Client) Attempts(ctx context.Context, id string) ([]Attempt, error) {
	return pages[Attempt](ctx, c, "/builds/"+url.PathEscape(id)+"/attempts", url.Values{})
}

// Reproduction returns the commands that build it again.
func (c *Client) Reproduction(ctx context.Context, id string) (Reproduction, error) {
	var r Reproduction
	return r, c.get(ctx, "/builds/"+url.PathEscape(id)+"/reproduce", nil, &r)
}

// RetryBuild queues a failed build for another attempt, or takes back that one was
// cancelled.
func (c *Client) RetryBuild(ctx context.Context, id string) (Build, error) {
	var b Build
	return b, c.send(ctx, http.MethodPost, "/builds/"+url.PathEscape(id)+"/retry", nil, &b)
}

// CompareBuild has a failed build compared with the base: it is built once more, and then
// from the same commit without the packages of its buildspace.
func (c *Client) CompareBuild(ctx context.Context, id string) (Build, error) {
	var b Build
	return b, c.send(ctx, http.MethodPost, "/builds/"+url.PathEscape(id)+"/baseline", nil, &b)
}

// RebuildBuild builds a built one again, with all its dependents.
func (c *Client) RebuildBuild(ctx context.Context, id string) (Build, error) {
	var b Build
	return b, c.send(ctx, http.MethodPost, "/builds/"+url.PathEscape(id)+"/rebuild", nil, &b)
}

// CancelBuild cancels a build that is not done.
func (c *Client) CancelBuild(ctx context.Context, id string) (Build, error) {
	var b Build
	return b, c.send(ctx, http.MethodPost, "/builds/"+url.PathEscape(id)+"/cancel", nil, &b)
}

// AbandonBuild ends the publication of a build's packages, which are built again.
// It is an administrator's.
func (c *Client) AbandonBuild(ctx context.Context, id string) (Build, error) {
	var b Build
	return b, c.send(ctx, http.MethodPost, "/builds/"+url.PathEscape(id)+"/abandon", nil, &b)
}

// LogRequest selects a log and the place to read from.
type LogRequest struct {
	Build   string
	Attempt int   // 0: the latest
	Offset  int64 // bytes to leave out at the beginning; negative: this many from the end
	Follow  bool  // wait for more until the attempt has ended
}

// Log opens the log of an attempt; the caller closes it.
func (c *Client) Log(ctx context.Context, r LogRequest) (io.ReadCloser, error) {
	k := call{method: http.MethodGet, path: "/builds/" + url.PathEscape(r.Build) + "/log", query: url.Values{}, limit: -1}
	if r.Attempt > 0 {
		k.query.Set("attempt", strconv.Itoa(r.Attempt))
	}
	if r.Follow {
		k.query.Set("follow", "true")
	}
	if r.Offset > 0 {
		k.setHeader("Range", fmt.Sprintf("bytes=%d-", r.Offset))
	}
	if r.Offset < 0 {
		k.setHeader("Range", fmt.Sprintf("bytes=%d", r.Offset))
	}
	answer, err := c.open(ctx, k)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DownloadPackage writes a package to w and checks its digest at the end; after
// an error, discard the written bytes.
func (c *Client) DownloadPackage(ctx context.Context, build string, p Package, w io.Writer) error {
	k := call{method: http.MethodGet, path: "/builds/" + url.PathEscape(build) + "/packages/" + url.PathEscape(p.Filename), limit: -1}
	answer, err := c.open(ctx, k)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	digest := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, digest), answer.Body); err != nil {
		return c.networkError(ctx, fmt.Errorf("download %s: %w", p.Filename, err))
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != p.SHA256 {
		return buildbtw.Conflict("the download of %s has another digest than the server says; it may have been rebuilt meanwhile: try again", p.Filename)
	}
	return nil
}
