package api

import (
	"context"
	"net/url"
	"strconv"

	"buildbtw"
)

// SourceLog is the history of a source between two commits, or up to one.
type SourceLog struct {
	Source  string   `json:"source"`
	From    *Commit  `json:"from,omitempty"` // absent: from the beginning
	To      Commit   `json:"to"`
	Commits []Commit `json:"commits"` // that to has and from does not have, the newest first; the first hundred
	More    int      `json:"more,omitempty"`
	Behind  int      `json:"behind,omitempty"` // commits of from that to does not have

	Diff      []DiffLine    `json:"diff"`               // of PKGBUILD
	DiffCut   bool          `json:"diff_cut,omitempty"` // it goes on
	NoDiff    string        `json:"no_diff,omitempty"`  // why there is none, in words
	Files     []ChangedFile `json:"files"`              // others that differ
	MoreFiles bool          `json:"more_files,omitempty"`
}

// DiffLine is a line of a unified diff.
type DiffLine struct {
	Kind string `json:"kind"` // "+" added, "-" removed, " " the same, "@" says where the next lines are
	Text string `json:"text"` // what cannot be seen is written as <U+202E>
	Old  int    `json:"old,omitempty"`
	New  int    `json:"new,omitempty"`
}

// ChangedFile is a file that differs between two commits.
type ChangedFile struct {
	Path   string `json:"path"`
	Status string `json:"status"` // added, removed, changed or type changed
	Before int64  `json:"before"` // bytes
	After  int64  `json:"after"`
}

// Push is a commit that a branch has or had, with what it caused.
type Push struct {
	Source    string      `json:"source"`
	Ref       string      `json:"ref"`
	Commit    Commit      `json:"commit"`
	Caused    []PushCause `json:"caused"`
	Followers []string    `json:"followers,omitempty"` // buildspaces that follow the branch; of a commit that caused nothing yet
}

// PushCause is the first iteration of a buildspace that has the commit.
type PushCause struct {
	Buildspace string                   `json:"buildspace"`
	Iteration  int                      `json:"iteration"`
	Status     buildbtw.IterationStatus `json:"status"`
	Counts     buildbtw.Counts          `json:"counts"`
	Later      int                      `json:"later,omitempty"` // newer iterations with the same commit
	Last       int                      `json:"last"`            // the newest of them
	URL        string                   `json:"url"`
}

// SourceLog returns the commits of a source that to has and from does not have, with what they
// changed. An empty to is the branch that is built; without from there are no changes.
func (c *Client) SourceLog(ctx context.Context, source, from, to string) (SourceLog, error) {
	var l SourceLog
	return l, c.get(ctx, "/sources/"+url.PathEscape(source)+"/commits", values("from", from, "to", to), &l)
}

// Pushes returns the newest commits of all sources, at most so many, newest first.
func (c *Client) Pushes(ctx context.Context, limit int) ([]Push, error) {
	var page Page[Push]
	return page.Items, c.get(ctx, "/pushes", values("limit", strconv.Itoa(limit)), &page)
}
