package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Retention is what is kept, what the next pass would remove, and how far it is.
type Retention struct {
	Policy   RetentionPolicy   `json:"policy"`
	Due      []DueIteration    `json:"due"`      // by the policy; nothing of a pinned iteration or of one that something needs
	Shared   DueShared         `json:"shared"`   // by the policy, of what many builds share
	Frees    int64             `json:"frees"`    // bytes that removing the packages of all of these gives back
	Progress RetentionProgress `json:"progress"` // of the pass that is under way, or of the last one
	Disk     *DiskUsage        `json:"disk"`     // null until it was measured first
}

// RetentionPolicy says for how many seconds after its end what is kept of an iteration; 0: for good.
type RetentionPolicy struct {
	Newest   int   `json:"newest"` // iterations of each buildspace that are kept whole
	Packages int64 `json:"packages"`
	Logs     int64 `json:"logs"`
	History  int64 `json:"history"`
	Workers  int64 `json:"workers"` // since a worker was heard of

	Baselines int64 `json:"baselines"` // since a build on the base alone ended
	Installed int64 `json:"installed"` // since a build ended for which something was installed
}

// DueShared is what is to be removed of what many builds share.
type DueShared struct {
	Baselines  int `json:"baselines"`  // builds on the base alone
	Installed  int `json:"installed"`  // attempts of which it will not be known any more what was installed
	Sets       int `json:"sets"`       // lists of installed packages
	Interfaces int `json:"interfaces"` // of package files
}

// SharedRows counts what many builds share.
type SharedRows struct {
	Baselines  int `json:"baselines"`  // results on the base alone
	Sets       int `json:"sets"`       // lists of installed packages
	Interfaces int `json:"interfaces"` // of package files
}

// DueIteration is an iteration of which something is to be removed.
type DueIteration struct {
	Buildspace string    `json:"buildspace"`
	Iteration  int       `json:"iteration"`
	Ended      time.Time `json:"ended"`
	Remove     string    `json:"remove"` // packages, logs or all
	Builds     int       `json:"builds"`
	Packages   int       `json:"packages"` // files
	Bytes      int64     `json:"bytes"`    // of these, shared ones included
}

// RetentionProgress is how far a pass came.
type RetentionProgress struct {
	Doing        string     `json:"doing"` // in words; empty when no pass is under way
	Since        *time.Time `json:"since"` // when the pass began; null before the first
	Repositories int        `json:"repositories"`
	Logs         int        `json:"logs"` // removed or compressed
	Bytes        int64      `json:"bytes"`
	WriterHeldMS int64      `json:"writer_held_ms"` // the longest transaction
}

// DiskUsage is what is on disk, by kind, in bytes.
type DiskUsage struct {
	At           time.Time  `json:"at"`
	Database     int64      `json:"database"`
	Repositories int64      `json:"repositories"` // of iterations; a file that several have is counted once
	Targets      int64      `json:"targets"`      // of releases, without what iterations have, too
	Uploads      int64      `json:"uploads"`      // not published yet
	Logs         int64      `json:"logs"`
	PlainLogs    int        `json:"plain_logs"` // not compressed
	Iterations   int        `json:"iterations"`
	Archived     int        `json:"archived"` // iterations without packages
	Shared       SharedRows `json:"shared"`   // rows of the database
	Orphans      Orphans    `json:"orphans"`
}

// Orphans are files that nothing in the database names.
type Orphans struct {
	Repositories []string `json:"repositories"`
	Logs         int      `json:"logs"`
	Frees        int64    `json:"frees"`
}

// RemoveOrphans removes orphans, if they are still as many.
type RemoveOrphans struct {
	Repositories int `json:"repositories"`
	Logs         int `json:"logs"`
}

// Retention returns what is kept, and what the policy would remove.
func (c *Client) Retention(ctx context.Context) (Retention, error) {
	var r Retention
	return r, c.get(ctx, "/retention", nil, &r)
}

// Orphans looks for files that nothing in the database names.
func (c *Client) Orphans(ctx context.Context) (Orphans, error) {
	var o Orphans
	return o, c.get(ctx, "/retention/orphans", nil, &o)
}

// RemoveOrphans removes files that nothing in the database names.
func (c *Client) RemoveOrphans(ctx context.Context, r RemoveOrphans) (Orphans, error) {
	var o Orphans
	return o, c.send(ctx, http.MethodPost, "/retention/remove-orphans", r, &o)
}

// Kept is what Keep has done.
type Kept struct {
	Buildspace string `json:"buildspace"`
	Iteration  int    `json:"iteration,omitempty"` // 0: the whole buildspace
	Action     string `json:"action"`
}

// Keep does one of pin, unpin, archive and delete to a buildspace, or to one of its iterations;
// 0 is the buildspace.
func (c *Client) Keep(ctx context.Context, action, name string, iteration int) error {
	k := call{method: http.MethodPost, path: "/buildspaces/" + url.PathEscape(name) + "/" + action}
	if iteration != 0 {
		k.query = url.Values{"iteration": {strconv.Itoa(iteration)}}
	}
	return c.once(ctx, k, nil)
}
