package api

import (
	"context"
	"net/url"

	"buildbtw"
)

// Comparison lists the differences between the results of A and B: two iterations of any
// buildspaces, or an iteration and the base repositories.
type Comparison struct {
	A       string         `json:"a"` // demo#3, or base
	B       string         `json:"b"`
	Lists   []ComparedList `json:"lists"`
	Same    int            `json:"same"`              // packages that are the same file in both
	Unknown int            `json:"unknown"`           // packages whose sonames and provides are not recorded
	Missing []string       `json:"missing,omitempty"` // why sizes and dependencies are not compared
	URL     string         `json:"url"`               // of the page
}

// ComparedList is a list of a comparison with its first lines.
type ComparedList struct {
	List  buildbtw.CompareList `json:"list"`
	Total int                  `json:"total"`
	First []Difference         `json:"first"`
}

// Difference is a build or a package in A and in B.
type Difference struct {
	Name         string        `json:"name"` // pkgbase, pkgbase@2 for a second stage; of packages the pkgname
	Architecture string        `json:"architecture"`
	A            *ComparedSide `json:"a,omitempty"` // absent: it is not in A
	B            *ComparedSide `json:"b,omitempty"`
	Added        []string      `json:"added,omitempty"` // sonames, names, dependencies or files, by the list
	Removed      []string      `json:"removed,omitempty"`
}

// ComparedSide is a build or a package on one side of a comparison.
type ComparedSide struct {
	BuildID string          `json:"build_id,omitempty"` // absent in the base
	Status  buildbtw.Status `json:"status"`             // waiting and blocked apart; built also when it needed no build
	Commit  string          `json:"commit,omitempty"`
	Source  string          `json:"source,omitempty"`

	CommitInfo *Commit `json:"commit_info,omitempty"` // in the list of other commits

	Version string `json:"version"`
	Seconds *int   `json:"seconds,omitempty"` // that the build took; absent when it was reused or has not ended
	Size    int64  `json:"size,omitempty"`    // of the installed package in bytes, in the list of sizes
}

func comparedQuery(a, b string) url.Values { return values("a", a, "b", b) }

// Compare returns the differences between two iterations, each named as demo#3, demo for
// the latest, or base for the base repositories. Each list has its first lines only.
func (c *Client) Compare(ctx context.Context, a, b string) (Comparison, error) {
	var answer Comparison
	return answer, c.get(ctx, "/compare", comparedQuery(a, b), &answer)
}

// CompareList returns one list of a comparison, reading page after page.
func (c *Client) CompareList(ctx context.Context, a, b string, list buildbtw.CompareList) ([]Difference, error) {
	return pages[Difference](ctx, c, "/compare/lists/"+url.PathEscape(string(list)), comparedQuery(a, b))
}

// CompareFiles returns the files of a package that came and went from a to b. An empty
// architecture means the first for which both have the package.
func (c *Client) CompareFiles(ctx context.Context, a, b, architecture, pkgname string) (Difference, error) {
	query := comparedQuery(a, b)
	if architecture != "" {
		query.Set("arch", architecture)
	}
	var answer Difference
	return answer, c.get(ctx, "/compare/files/"+url.PathEscape(pkgname), query, &answer)
}
