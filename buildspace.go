package buildbtw

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scope is how far from the changesets a buildspace rebuilds (docs/domain.md,
// "Which packages are in the graph", rule 5).
type Scope string

// The scopes, smallest first.
const (
	ScopeNone   Scope = "none"   // the changesets alone
	ScopeDirect Scope = "direct" // and their direct run-time dependents
	ScopeAll    Scope = "all"    // and all their dependents, transitively
	ScopeAuto   Scope = "auto"   // as all, skipping dependents of packages whose interface did not change
)

// Scopes lists the scopes, smallest first.
func Scopes() []Scope { return []Scope{ScopeNone, ScopeDirect, ScopeAll, ScopeAuto} }

// Cycles is how often a build is built whose edge was cut out of a cycle.
type Cycles string

// The two ways to deal with a cut.
const (
	CyclesOnce  Cycles = "once"  // built once, with the base's package for the cut dependency
	CyclesTwice Cycles = "twice" // built again as stage 2 after the cut dependency
)

// Priority orders buildspaces that compete for workers.
type Priority string

// The priorities, lowest first.
const (
	PriorityLow       Priority = "low"
	PriorityNormal    Priority = "normal"
	PriorityHigh      Priority = "high"
	PriorityEmergency Priority = "emergency"
)

// Priorities lists the priorities, lowest first.
func Priorities() []Priority {
	return []Priority{PriorityLow, PriorityNormal, PriorityHigh, PriorityEmergency}
}

// BuildspaceStatus is whether a buildspace makes iterations and starts builds.
type BuildspaceStatus string

// The statuses of a buildspace.
const (
	BuildspaceActive  BuildspaceStatus = "active"
	BuildspaceStopped BuildspaceStatus = "stopped"
)

// Buildspace is a named, isolated piece of work: a change to one or more
// packages and everything it makes necessary.
type Buildspace struct {
	ID        int64            `bun:"id,pk,autoincrement"`
	Name      string           `bun:"name"`
	Status    BuildspaceStatus `bun:"status"`
	Settings                   // its fields are columns of the buildspace
	CreatedBy string           `bun:"created_by"`
	CreatedAt time.Time        `bun:"created_at"`

	// Wanted is why a new iteration is to be made, or empty. It is set in the
	// transaction that makes one necessary and cleared in the one that creates
	// the iteration, so that no request is lost.
	Wanted     IterationReason `bun:"wanted"`
	WantedText string          `bun:"wanted_text"`
	WantedAt   *time.Time      `bun:"wanted_at"`

	Pinned    bool       `bun:"pinned"`     // nothing of it, or of its iterations, is ever removed
	DeletedAt *time.Time `bun:"deleted_at"` // since when all of it is being removed; nil: it is not

	// Hidden is also of a buildspace that is being removed. It is of the one buildspace that has the builds on the base alone, each in an
	// iteration of its own. People never see it, and its builds start in another order.
	Hidden bool `bun:"hidden"`

	// Lost names the changesets whose source or ref is gone, as written; empty when
	// all are there.
	Lost string `bun:"lost"`

	// Revision counts the requests for an iteration. Whoever makes one hands
	// back the revision that was read, so that a later request stays wanted.
	Revision int64 `bun:"revision"`

	// ServedAt is when a worker last took a build of it; nil before the first.
	ServedAt *time.Time `bun:"served_at"`
}

// Settings are a packager's choices for a buildspace.
type Settings struct {
	Scope         Scope    `bun:"scope"`
	Cycles        Cycles   `bun:"cycles"`
	Priority      Priority `bun:"priority"`
	FollowAll     bool     `bun:"follow_all"`    // a new iteration for any change of the graph, not only of the changesets
	FollowFixes   bool     `bun:"follow_fixes"`  // a push to the source of a failed build makes it a changeset
	Reuse         bool     `bun:"reuse"`         // builds whose input was built before are not built again
	CutOff        bool     `bun:"cut_off"`       // with scope auto: dependents whose inputs did not change are skipped
	Bump          bool     `bun:"bump"`          // rebuilds get a higher version than the packages that they replace
	Baseline      bool     `bun:"baseline"`      // failures are compared with the base by themselves
	Makedepends   bool     `bun:"makedepends"`   // makedepends bring dependents into the set too
	Architectures Names    `bun:"architectures"` // empty: all that the server offers
	Exclude       Names    `bun:"exclude"`       // pkgbases that are not built
	Add           Names    `bun:"add_pkgbases"`  // pkgbases that are built in addition
}

// DefaultSettings are those of a buildspace for which nothing was chosen.
func DefaultSettings() Settings {
	return Settings{Scope: ScopeAuto, Cycles: CyclesOnce, Priority: PriorityNormal, Reuse: true, CutOff: true, Bump: true, Baseline: true}
}

// Validate returns the first setting that is invalid, with the valid choices.
func (s Settings) Validate() error {
	if !slices.Contains(Scopes(), s.Scope) {
		return Invalid("unknown scope %q; choose none, direct, all or auto", s.Scope)
	}
	if s.Cycles != CyclesOnce && s.Cycles != CyclesTwice {
		return Invalid("unknown cycles setting %q; choose once or twice", s.Cycles)
	}
	if !slices.Contains(Priorities(), s.Priority) {
		return Invalid("unknown priority %q; choose low, normal, high or emergency", s.Priority)
	}
	for _, names := range []Names{s.Architectures, s.Exclude, s.Add} {
		for _, name := range names {
			if err := CheckPkgname(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// NewBuildspace is a request to create a buildspace.
type NewBuildspace struct {
	Name       string // empty: made from the first changeset
	Changesets []Changeset
	Settings   Settings
	Confirm    bool // more builds than the server creates without asking
}

// Validate returns an error for an invalid name or setting.
func (n NewBuildspace) Validate() error {
	if n.Name != "" {
		if err := CheckBuildspaceName(n.Name); err != nil {
			return err
		}
	}
	return n.Settings.Validate()
}

// EditBuildspace is a request to change a buildspace; a nil field changes
// nothing.
type EditBuildspace struct {
	Status     *BuildspaceStatus
	Changesets *[]Changeset
	Settings   func(*Settings) // changes the settings as they are now
}

// Changeset is one source at one ref. Ref is a branch, a tag or a commit; empty
// means the server's base ref.
type Changeset struct {
	Source string `json:"source" bun:"source"`
	Ref    string `json:"ref,omitempty" bun:"ref"`
}

// String returns the form that people write: slug or slug/ref.
func (c Changeset) String() string {
	if c.Ref == "" {
		return c.Source
	}
	return c.Source + "/" + c.Ref
}

// ParseChangeset reads slug, slug/branch, slug/tag or slug/commit: the ref is
// everything after the first slash.
func ParseChangeset(s string) (Changeset, error) {
	slug, ref, found := strings.Cut(s, "/")
	if err := CheckSlug(slug); err != nil {
		return Changeset{}, err
	}
	if found && ref == "" {
		return Changeset{}, Invalid("changeset %q ends with a slash; write %q or %q", s, slug, slug+"/BRANCH")
	}
	if found {
		if err := CheckRef(ref); err != nil {
			return Changeset{}, err
		}
	}
	return Changeset{Source: slug, Ref: ref}, nil
}

// ParseChangesets reads a list of changesets and refuses an empty one and a
// source that is named twice.
func ParseChangesets(list []string) ([]Changeset, error) {
	if len(list) == 0 {
		return nil, Invalid("no changeset given; name at least one source, for example \"curl\" or \"curl/my-branch\"")
	}
	seen := map[string]bool{}
	out := make([]Changeset, 0, len(list))
	for _, s := range list {
		c, err := ParseChangeset(s)
		if err != nil {
			return nil, err
		}
		if seen[c.Source] {
			return nil, Invalid("source %q is named twice; a buildspace has each source once", c.Source)
		}
		seen[c.Source] = true
		out = append(out, c)
	}
	return out, nil
}

const (
	maxBuildspaceName = 64
	maxName           = 255 // file names are made from it
)

var (
	buildspaceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	slugName       = regexp.MustCompile(`^[A-Za-z0-9_@+][A-Za-z0-9_@+.-]*$`)
	pkgName        = regexp.MustCompile(`^[A-Za-z0-9_@+][A-Za-z0-9_@+.-]*$`)
	// The names of Arch Linux's repositories, which stand beside a buildspace's in
	// devtools' pacman.conf, and those of before.
	distributionRepository = regexp.MustCompile(`^(core|extra|community|multilib|kde|gnome)(-(testing|staging|unstable))?$|^(testing|staging)$`)
	refName                = regexp.MustCompile(`^[^\x00-\x20~^:?*\[\\\x7f]+$`)
)

// CheckBuildspaceName refuses names that cannot be a directory, a pacman
// repository and a part of a URL at once.
func CheckBuildspaceName(name string) error {
	switch {
	case name == "":
		return Invalid("a buildspace needs a name")
	case len(name) > maxBuildspaceName:
		return Invalid("the buildspace name has %d characters; at most %d are allowed", len(name), maxBuildspaceName)
	case name == "new":
		return Invalid("%q is the address of the form for new buildspaces; choose another name", name)
	case !buildspaceName.MatchString(name) || strings.Contains(name, ".."):
		return Invalid("%q is no buildspace name; use lower case letters, digits, '.', '_' and '-', and begin with a letter or digit", name)
	case name == "local", name == "options", distributionRepository.MatchString(name):
		return Invalid("%q means something else to pacman; choose another buildspace name", name)
	}
	return nil
}

// CheckSlug refuses names that cannot be a source's.
func CheckSlug(slug string) error { return checkName("source", slug, slugName) }

// CheckPkgname returns an error unless makepkg accepts the name as a pkgname or
// pkgbase (PKGBUILD(5): letters, digits and @ . _ + -, not beginning with . or
// -).
func CheckPkgname(name string) error { return checkName("package", name, pkgName) }

func checkName(what, name string, allowed *regexp.Regexp) error {
	switch {
	case name == "":
		return Invalid("the %s name is missing", what)
	case len(name) > maxName:
		return Invalid("a %s name has %d characters; at most %d are allowed", what, len(name), maxName)
	case !allowed.MatchString(name):
		return Invalid("%q is no %s name; use letters, digits and @ . _ + -", name, what)
	}
	return nil
}

// CheckRef returns an error unless git accepts the name as a branch, tag or
// commit (git-check-ref-format(1)), or if it looks like an option.
func CheckRef(ref string) error {
	bad := ref == "" || len(ref) > maxName || !refName.MatchString(ref) ||
		strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "/") || strings.HasSuffix(ref, "/") ||
		strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, ".lock") ||
		strings.Contains(ref, "..") || strings.Contains(ref, "//") || strings.Contains(ref, "@{")
	if bad {
		return Invalid("%.80q is no branch, tag or commit", ref)
	}
	return nil
}

// DefaultBuildspaceName makes a name from the first changeset: "gtk+" becomes
// "gtk", "curl/security-fix" becomes "curl-security-fix".
func DefaultBuildspaceName(changesets []Changeset) string {
	if len(changesets) == 0 {
		return ""
	}
	var b strings.Builder
	for _, r := range strings.ToLower(changesets[0].String()) {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_'
		switch {
		case ok && (r != '.' || !strings.HasSuffix(b.String(), ".")):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	name = strings.Trim(name[:min(len(name), maxBuildspaceName-8)], "-._")
	if CheckBuildspaceName(name) != nil {
		return "buildspace"
	}
	return name
}
