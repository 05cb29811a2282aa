package api

import (
	"time"

	"buildbtw"
)

// PackageInfo describes a package, by pkgname or pkgbase, on one architecture.
type PackageInfo struct {
	Name         string         `json:"name"`
	Pkgbase      string         `json:"pkgbase"`
	Architecture string         `json:"architecture"`
	Source       string         `json:"source,omitempty"` // slug; empty when no source makes it
	Commit       string         `json:"commit,omitempty"`
	Version      string         `json:"version,omitempty"` // in the sources
	Description  string         `json:"description,omitempty"`
	Homepage     string         `json:"homepage,omitempty"`
	Pkgnames     []string       `json:"pkgnames"` // that come out of the pkgbase
	Provides     []string       `json:"provides"` // as the source writes it
	Optional     []string       `json:"optional"` // optional dependencies
	Base         *BasePackage   `json:"base,omitempty"`
	Sonames      []string       `json:"sonames"` // of its libraries, in the newest result, else in the base
	Links        []string       `json:"links"`   // sonames that it depends on, in the newest result, else in the base, else in its source
	Needs        []PackageNeed  `json:"needs"`
	Dependents   PackageUsers   `json:"dependents"`
	Spaces       []PackageSpace `json:"buildspaces"` // newest result first
	Past         []PastBuild    `json:"past"`        // the newest builds that ended on any machine, the oldest of them first
	URL          string         `json:"url"`
	Feed         string         `json:"feed"` // Atom
}

// BasePackage is the package that pacman would install from the base.
type BasePackage struct {
	Repository string `json:"repository"`
	Version    string `json:"version"`
}

// PackageNeed is a dependency with the pkgbases that meet it.
type PackageNeed struct {
	Dependency string   `json:"dependency"` // as written
	Kinds      []string `json:"kinds"`
	By         []string `json:"by"` // pkgbases in the sources; none: the base must
}

// PackageUser is a pkgbase that depends on a package.
type PackageUser struct {
	Pkgbase      string   `json:"pkgbase"`
	Kinds        []string `json:"kinds"`
	Dependencies []string `json:"dependencies"` // as written
}

// PackageUsers are the first dependents of a package, and how many there are by
// kind; one that depends in several ways counts in each.
type PackageUsers struct {
	Total  int            `json:"total"`
	Counts map[string]int `json:"counts"`
	First  []PackageUser  `json:"first"`
}

// PackageSpace is a buildspace with its builds of a package, newest first.
type PackageSpace struct {
	Buildspace string  `json:"buildspace"`
	Builds     []Build `json:"builds"`
}

// PastBuild is an ended build of a package, with its duration, memory and size.
type PastBuild struct {
	ID         string          `json:"id"`
	Buildspace string          `json:"buildspace"`
	Iteration  int             `json:"iteration"`
	Version    string          `json:"version"`
	Status     buildbtw.Status `json:"status"` // built or failed
	FinishedAt time.Time       `json:"finished_at"`
	Seconds    float64         `json:"seconds"`          // that its last attempt took
	Memory     int64           `json:"memory,omitempty"` // bytes that the largest process of that attempt had; 0: unknown
	Size       int64           `json:"size,omitempty"`   // bytes of all its packages; 0: it has none
}
