package api

import (
	"context"
	"net/url"

	"buildbtw"
)

// Found is the result of a search. Each list is bounded, best match first.
type Found struct {
	Query       string            `json:"query"`
	Names       []FoundName       `json:"names"` // packages, sources and provides
	MoreNames   bool              `json:"more_names,omitempty"`
	Library     *FoundLibrary     `json:"library,omitempty"` // when the query is a soname
	Buildspaces []FoundBuildspace `json:"buildspaces"`
	Builds      []Build           `json:"builds"`  // with this id
	Commits     []FoundCommit     `json:"commits"` // that begin with the query
	// Exact is the page of the only thing that is called exactly so; empty when
	// there is none, or several.
	Exact string `json:"exact,omitempty"`
}

// FoundName is a name that has the query in it.
type FoundName struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // package, pkgbase, source, provides, base
	Pkgname string `json:"pkgname,omitempty"`
	Pkgbase string `json:"pkgbase,omitempty"`
	Source  string `json:"source,omitempty"`
	Version string `json:"version,omitempty"`
	URL     string `json:"url"`

	Also       []string     `json:"also,omitempty"`       // further names of the same pkgbase that have the query in them
	Pkgnames   []string     `json:"pkgnames,omitempty"`   // that come out of the pkgbase
	Dependents int          `json:"dependents,omitempty"` // pkgbases that depend on the pkgbase
	Base       *BasePackage `json:"base,omitempty"`       // absent when the base does not have it
	Newest     *NewestBuild `json:"newest,omitempty"`     // absent when it was never built
}

// NewestBuild is the newest build of a pkgbase in any buildspace.
type NewestBuild struct {
	Build      string          `json:"build"`
	Status     buildbtw.Status `json:"status"`
	Version    string          `json:"version"`
	Buildspace string          `json:"buildspace"`
	Iteration  int             `json:"iteration"`
}

// FoundLibrary is a library with who provides it and who links with it.
type FoundLibrary struct {
	Soname    string            `json:"soname"`
	Providers []LibraryProvider `json:"providers"`
	Users     []NameUser        `json:"users"`             // by pkgname; known to link with it
	More      int               `json:"more,omitempty"`    // users that are not listed
	Unknown   []UnknownUser     `json:"unknown,omitempty"` // that may link with it
	Whole     bool              `json:"whole"`             // see NameUsers
}

// LibraryProvider is a package that has a library.
type LibraryProvider struct {
	Pkgname    string `json:"pkgname"`
	Pkgbase    string `json:"pkgbase"`
	Version    string `json:"version"`
	File       string `json:"file,omitempty"`       // in the base's package
	Repository string `json:"repository,omitempty"` // the base repository that has it
	Buildspace string `json:"buildspace,omitempty"` // where it was built
	Iteration  int    `json:"iteration,omitempty"`
	Declared   bool   `json:"declared,omitempty"` // only its source says so, mostly without a version
	Words      string `json:"words"`
}

// UnknownUser is a package that depends on a library, or on a package that provides it, and
// of which it is not known what it links with.
type UnknownUser struct {
	Pkgbase    string `json:"pkgbase"`
	Source     string `json:"source,omitempty"`
	Dependency string `json:"dependency"`
}

// FoundBuildspace is a buildspace whose name has the query in it.
type FoundBuildspace struct {
	Name   string                   `json:"name"`
	Status buildbtw.IterationStatus `json:"status,omitempty"` // of the latest iteration
	URL    string                   `json:"url"`
}

// FoundCommit is a commit of a source at the base ref or, with a buildspace, of
// a changeset.
type FoundCommit struct {
	Commit     string `json:"commit"`
	Source     string `json:"source"`
	Buildspace string `json:"buildspace,omitempty"`
	Iteration  int    `json:"iteration,omitempty"`
	URL        string `json:"url"`
}

// NameUsers are the packages that have files in a directory with a version, or that
// link with a library.
type NameUsers struct {
	Name         string     `json:"name"` // as asked for
	Architecture string     `json:"architecture"`
	Users        []NameUser `json:"users"`          // by pkgname
	More         int        `json:"more,omitempty"` // that are not listed
	// Whole is false when lists of files or of links of the base are missing, so
	// that packages may be missing here.
	Whole bool `json:"whole"`

	Providers []LibraryProvider `json:"providers,omitempty"` // of a library
	Unknown   []UnknownUser     `json:"unknown,omitempty"`   // that may link with the library
}

// NameUser is a package that uses a directory or a library.
type NameUser struct {
	Pkgname    string `json:"pkgname"`
	Pkgbase    string `json:"pkgbase"`
	Version    string `json:"version"`
	Source     string `json:"source,omitempty"`     // that makes the pkgbase now
	Uses       string `json:"uses"`                 // usr/lib/python3.13/, libssl.so=3-64
	Reason     string `json:"reason"`               // has files in /usr/lib/python3.13/
	Repository string `json:"repository,omitempty"` // the base repository that has it
	Buildspace string `json:"buildspace,omitempty"` // where it was built
	Iteration  int    `json:"iteration,omitempty"`
	Build      string `json:"build,omitempty"`
}

// Search finds packages, libraries, sources, buildspaces, builds and commits by a part of
// their names, the best first.
func (c *Client) Search(ctx context.Context, query string) (Found, error) {
	var f Found
	return f, c.get(ctx, "/search", url.Values{"q": {query}}, &f)
}

// NameUsers returns the packages that have files in a directory with a version
// (python3.13), or that link with a library (libssl.so.3). An empty architecture
// is the server's first.
func (c *Client) NameUsers(ctx context.Context, name, architecture string) (NameUsers, error) {
	var u NameUsers
	return u, c.get(ctx, "/package-users", url.Values{"of": {name}, "arch": {architecture}}, &u)
}
