package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxLogChunk is the largest piece of a log that one call may carry, in bytes.
const MaxLogChunk = 256 << 10

// slowestUpload is the throughput, in bytes a second, below which an upload
// counts as stuck.
const slowestUpload = 64 << 10

// OffsetError answers a log chunk that does not start where the server's log
// ends.
type OffsetError struct {
	Offset int64 // where the server's log ends
	Err    error // of kind conflict
}

func (e *OffsetError) Error() string {
	return fmt.Sprintf("the server's log ends at %d: %v", e.Offset, e.Err)
}

func (e *OffsetError) Unwrap() error { return e.Err }

// Claim asks for a build and waits as long as the request says. It returns nil
// when there is nothing to do. Repeating it is safe: the same worker and slot
// get the same build until it is finished. None says why the worker gets no new
// builds (Worker.NoBuilds), and is empty when it gets some, or has got this one.
func (c *Client) Claim(ctx context.Context, r ClaimRequest) (job *Job, none string, err error) {
	r.Wait = min(r.Wait, MaxWait)
	k := call{method: http.MethodPost, path: "/worker/claim", limit: time.Duration(r.Wait)*time.Second + answerTimeout}
	if err := k.jsonBody(r); err != nil {
		return nil, "", err
	}
	job = new(Job)
	err = c.repeat(ctx, func() error {
		header, err := c.exchange(ctx, k, job)
		none = header.Get(HeaderNoBuilds)
		return err
	})
	if err != nil || job.Lease == "" {
		return nil, none, err
	}
	return job, "", nil
}

// Heartbeat extends a lease and returns whether to go on. It is tried once: the
// next one follows soon anyway. Kind conflict means that the lease is over.
func (c *Client) Heartbeat(ctx context.Context, lease string, r HeartbeatRequest) (HeartbeatAnswer, error) {
	var answer HeartbeatAnswer
	k := call{method: http.MethodPost, path: leasePath(lease, "heartbeat"), limit: answerTimeout / 2}
	if err := k.jsonBody(r); err != nil {
		return answer, err
	}
	err := c.once(ctx, k, &answer)
	return answer, err
}

// AppendLog adds a chunk that starts at offset, and returns the log's new end. The
// error is an *OffsetError when the server's log ends elsewhere.
func (c *Client) AppendLog(ctx context.Context, lease string, offset int64, chunk []byte) (int64, error) {
	k := call{method: http.MethodPatch, path: leasePath(lease, "log"), size: int64(len(chunk))}
	k.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(chunk)), nil }
	k.setHeader("Content-Type", "application/offset+octet-stream")
	k.setHeader(HeaderOffset, strconv.FormatInt(offset, 10))
	var answer LogAnswer
	err := c.repeat(ctx, func() error { return c.once(ctx, k, &answer) })
	return answer.Offset, err
}

// Upload is a package file on its way to the server.
type Upload struct {
	Lease  string
	Name   string // file name
	SHA256 [32]byte
	Size   int64 // bytes
	Open   func() (io.ReadCloser, error)
}

// UploadPackage streams a package file. created is false when the server had it
// already. Repeating it is safe.
func (c *Client) UploadPackage(ctx context.Context, u Upload) (created bool, err error) {
	k := call{
		method: http.MethodPut, path: leasePath(u.Lease, "packages", u.Name),
		body: u.Open, size: u.Size,
		limit: 4*answerTimeout + time.Duration(u.Size/slowestUpload)*time.Second,
	}
	k.setHeader("Content-Type", "application/octet-stream")
	k.setHeader(HeaderSHA256, hex.EncodeToString(u.SHA256[:]))
	err = c.repeat(ctx, func() error {
		answer, err := c.open(ctx, k) //nolint:bodyclose // drain closes it
		if err != nil {
			return err
		}
		created = answer.StatusCode == http.StatusCreated
		drain(answer.Body)
		return nil
	})
	return created, err
}

// Source opens the tree of the job's commit as an uncompressed tar. The caller
// closes it. A stream that breaks later is an error of Read, not repeated here.
func (c *Client) Source(ctx context.Context, lease string) (io.ReadCloser, error) {
	k := call{method: http.MethodGet, path: leasePath(lease, "source"), limit: -1}
	var answer *http.Response
	err := c.repeat(ctx, func() error {
		var err error
		answer, err = c.open(ctx, k) //nolint:bodyclose // the caller does
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Finish ends the attempt. Repeating it returns the same answer; kind conflict
// means that the lease was over before and the result was refused.
func (c *Client) Finish(ctx context.Context, lease string, r FinishRequest) (FinishAnswer, error) {
	var answer FinishAnswer
	k := call{method: http.MethodPost, path: leasePath(lease, "finish"), limit: 4 * answerTimeout}
	if err := k.jsonBody(r); err != nil {
		return answer, err
	}
	err := c.repeat(ctx, func() error { return c.once(ctx, k, &answer) })
	return answer, err
}

func leasePath(lease string, rest ...string) string {
	parts := append([]string{"/worker/leases", url.PathEscape(lease)}, rest...)
	last := len(parts) - 1
	parts[last] = url.PathEscape(parts[last]) // a file name; the others are ours
	return strings.Join(parts, "/")
}
