package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// NewRelease asks for a release of what can go from an iteration to a target.
type NewRelease struct {
	Target string `json:"target,omitempty"` // empty: the server's first

	// Digest is that of the set that was shown (Release.Digest). Without one the set is
	// computed, and waits for somebody to confirm it.
	Digest string   `json:"digest,omitempty"`
	Shown  []string `json:"shown,omitempty"` // "PKGBASE VERSION" of what was shown, to say how it differs from what can go now
}

// EditRelease confirms a release, withdraws it, or says that a packager has handed it over.
type EditRelease struct {
	State     string `json:"state"`               // handing-over, withdrawn, or released: then the repositories are looked at
	Digest    string `json:"digest,omitempty"`    // of the set that is confirmed
	Confirmed bool   `json:"confirmed,omitempty"` // withdraw although something breaks by it
}

// StoredRelease is a set of packages that goes into a target, as a whole or not at all.
type StoredRelease struct {
	ID          string           `json:"id"`
	Buildspace  string           `json:"buildspace"` // empty, and so is the iteration, when From gives the packages
	Iteration   int              `json:"iteration"`
	From        string           `json:"from,omitempty"` // the target that gives the packages
	Target      string           `json:"target"`
	State       string           `json:"state"` // checked, signing, handing-over, waiting, released, failed or withdrawn
	Digest      string           `json:"digest"`
	Units       int              `json:"units"`    // pkgbases that go
	Packages    int              `json:"packages"` // package files that go
	Message     string           `json:"message"`  // why it failed, or how the set has changed
	CreatedBy   string           `json:"created_by"`
	CreatedAt   time.Time        `json:"created_at"`
	ConfirmedBy string           `json:"confirmed_by,omitempty"`
	ConfirmedAt *time.Time       `json:"confirmed_at,omitempty"`
	FinishedAt  *time.Time       `json:"finished_at,omitempty"`
	Goes        []ReleaseUnit    `json:"goes,omitempty"`    // of one release only, not in lists
	Held        []StoredHeld     `json:"held,omitempty"`    // likewise
	Signing     *SigningProgress `json:"signing,omitempty"` // likewise, while it waits for signatures
	URL         string           `json:"url"`

	InRepository *RepositoryProgress `json:"in_repository,omitempty"` // of one release only, while it waits for the repository
}

// Over reports whether a release will not change by itself any more, or waits for somebody.
func (r StoredRelease) Over() bool {
	return r.State == "released" || r.State == "failed" || r.State == "withdrawn" || r.State == "checked" || r.State == "signing" || r.State == "waiting"
}

// StoredHeld is a pkgbase that a release left behind, with the reason in words.
type StoredHeld struct {
	Pkgbase string `json:"pkgbase"`
	Reason  string `json:"reason"`
}

// Target is a repository into which packages are released.
type Target struct {
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`            // served, directory or pkgctl
	After      string     `json:"after,omitempty"` // the target that stands behind it in pacman.conf
	Generation int        `json:"generation"`      // number of the one that is shown; 0: none yet
	Packages   int        `json:"packages"`        // files, of all architectures
	Since      *time.Time `json:"since,omitempty"` // when that was shown first
	PacmanConf string     `json:"pacman_conf"`     // the section of pacman.conf; empty: its packages are in the base repositories
	Host       string     `json:"host,omitempty"`  // of kind pkgctl: where db-update runs
	URL        string     `json:"url"`
}

// TargetDetail is a target with what it was.
type TargetDetail struct {
	Target
	Generations []Generation    `json:"generations"` // the newest first
	Releases    []StoredRelease `json:"releases"`    // likewise
}

// Generation is one complete state of a target.
type Generation struct {
	Number    int       `json:"number"`
	Parent    int       `json:"parent,omitempty"` // to which withdrawing its release goes back
	State     string    `json:"state"`            // writing, complete or gone
	Release   string    `json:"release,omitempty"`
	Undoes    string    `json:"undoes,omitempty"` // the release that was withdrawn by it
	Packages  int       `json:"packages"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// TargetCheck is what is broken for the users of a target as it is.
type TargetCheck struct {
	Target string          `json:"target"`
	Broken []BrokenPackage `json:"broken"`

	// Conflicts are pairs of packages that cannot be installed together, at least one of them the
	// target's own: the first hundred of AllConflicts. They are often meant.
	Conflicts    []Apart `json:"conflicts"`
	AllConflicts int     `json:"all_conflicts"`

	NoBase bool `json:"no_base"` // the server has no base repositories: only what was built here was looked at
}

// BrokenPackage is a package that cannot be installed.
type BrokenPackage struct {
	View       string `json:"view"` // the architecture
	Package    string `json:"package"`
	Pkgbase    string `json:"pkgbase"`
	Dependency string `json:"dependency,omitempty"` // that nothing meets
	Reason     string `json:"reason"`               // in words
}

// CreateRelease releases what can go from an iteration, or from the Latest.
func (c *Client) CreateRelease(ctx context.Context, name string, number int, n NewRelease) (StoredRelease, error) {
	var r StoredRelease
	return r, c.send(ctx, http.MethodPost, iterationPath(name, number)+"/releases", n, &r)
}

// ReleaseFrom returns what one target has and another has not that could go to that one; empty
// means the target behind it, or the server's first.
func (c *Client) ReleaseFrom(ctx context.Context, from, target string) (Release, error) {
	var r Release
	q := url.Values{}
	if target != "" {
		q.Set("target", target)
	}
	return r, c.get(ctx, "/targets/"+url.PathEscape(from)+"/release", q, &r)
}

// CreateReleaseFrom releases what can go from one target to another one.
func (c *Client) CreateReleaseFrom(ctx context.Context, from string, n NewRelease) (StoredRelease, error) {
	var r StoredRelease
	return r, c.send(ctx, http.MethodPost, "/targets/"+url.PathEscape(from)+"/releases", n, &r)
}

// StoredRelease returns a release by its id.
func (c *Client) StoredRelease(ctx context.Context, id string) (StoredRelease, error) {
	var r StoredRelease
	return r, c.get(ctx, "/releases/"+url.PathEscape(id), nil, &r)
}

// WithdrawRelease makes a target show what it showed before a release.
func (c *Client) WithdrawRelease(ctx context.Context, id string, confirmed bool) (StoredRelease, error) {
	var r StoredRelease
	return r, c.send(ctx, http.MethodPatch, "/releases/"+url.PathEscape(id), EditRelease{State: "withdrawn", Confirmed: confirmed}, &r)
}

// Targets lists where packages are released to.
func (c *Client) Targets(ctx context.Context) ([]Target, error) {
	return pages[Target](ctx, c, "/targets", url.Values{})
}

// CheckTarget returns what is broken in a target.
func (c *Client) CheckTarget(ctx context.Context, name string) (TargetCheck, error) {
	var t TargetCheck
	return t, c.get(ctx, "/targets/"+url.PathEscape(name)+"/check", nil, &t)
}

// Release returns the packages of an iteration, or of the Latest, that could be released to
// a target; an empty name means the server's first.
func (c *Client) Release(ctx context.Context, name string, number int, target string) (Release, error) {
	var r Release
	q := url.Values{}
	if target != "" {
		q.Set("target", target)
	}
	return r, c.get(ctx, iterationPath(name, number)+"/release", q, &r)
}
