package buildbtw

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// TargetKind is how a target keeps its packages.
type TargetKind string

// The kinds of targets.
const (
	TargetServed    TargetKind = "served"    // this server serves it, under /repo/target/NAME
	TargetDirectory TargetKind = "directory" // another program serves the directory
	TargetPkgctl    TargetKind = "pkgctl"    // a packager hands them to the dbscripts of a distribution
)

// Target is a repository, one for each architecture, into which packages are released.
type Target struct {
	ID    int64      `bun:"id,pk,autoincrement"`
	Name  string     `bun:"name"` // also that of its pacman repository
	Kind  TargetKind `bun:"kind"`
	Path  string     `bun:"path"`  // of a directory; empty for others
	After string     `bun:"after"` // the target that stands behind it in pacman.conf; empty: only the base does

	// Packages need a signature by one of the public keys in this file; empty: they are not
	// signed. It is a setting only.
	Keys string `bun:"-"`

	// SignedDatabases: its databases need such signatures, too. It is a setting only.
	SignedDatabases bool `bun:"-"`

	// Checks are what findings about built packages mean for this target, as KIND=blocking,
	// KIND=shown or KIND=off, where that is another thing than for others. It is a setting only.
	Checks []string `bun:"-"`
	Pkgctl Pkgctl   `bun:"-"` // of that kind; it is a setting only

	Configured bool `bun:"configured"` // in the settings with which the server runs
	Generation int  `bun:"generation"` // number of the one that is shown; 0: there is none yet
}

// DefaultTarget is the target of a server that has none configured.
const DefaultTarget = "stable"

// ParseTarget reads the setting of a target: NAME, NAME=served, NAME=directory:PATH or
// NAME=pkgctl:HOST, and after it ,after=OTHER, ,sign=required,keys=FILE, ,databases=signed and
// ,check=KIND:MODE; of one with a HOST also what Pkgctl.parse reads.
func ParseTarget(text string) (Target, error) {
	parts := strings.Split(text, ",")
	name, kind, _ := strings.Cut(parts[0], "=")
	t := Target{Name: name, Kind: TargetServed, Configured: true}
	if err := CheckTargetName(name); err != nil {
		return t, err
	}
	kind, path, hasPath := strings.Cut(kind, ":")
	switch TargetKind(kind) {
	case "", TargetServed:
		if hasPath {
			return t, Invalid("target %s: one that is served has no path", name)
		}
	case TargetDirectory:
		if !filepath.IsAbs(path) {
			return t, Invalid("target %s: write %s=directory:PATH with an absolute path", name, name)
		}
		t.Kind, t.Path = TargetDirectory, filepath.Clean(path)
	case TargetPkgctl:
		t.Kind, t.Pkgctl.Host = TargetPkgctl, path
	default:
		return t, Invalid("target %s: %.40q is no kind; choose served, directory:PATH or pkgctl:HOST", name, kind)
	}
	if err := t.parseOptions(parts[1:]); err != nil {
		return t, err
	}
	return t, t.checkPkgctl()
}

// parseOptions reads what follows the kind of a target.
func (t *Target) parseOptions(options []string) error {
	required := false
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case key == "after" && value != "":
			t.After = value
		case key == "sign" && value == "required":
			required = true
		case key == "keys" && filepath.IsAbs(value):
			t.Keys = filepath.Clean(value)
		case key == "databases" && value == "signed":
			t.SignedDatabases = true
		case key == "check" && strings.Contains(value, ":"):
			t.Checks = append(t.Checks, strings.Replace(value, ":", "=", 1))
		case t.Kind == TargetPkgctl && t.Pkgctl.parse(key, value):
		default:
			return Invalid("target %s: cannot read %.40q; write after=OTHER, check=KIND:MODE, sign=required, databases=signed, or keys=FILE with an absolute path", t.Name, option)
		}
	}
	if required != (t.Keys != "") {
		return Invalid("target %s: sign=required and keys=FILE, with the public keys that are accepted, go together", t.Name)
	}
	switch {
	case t.SignedDatabases && t.Kind == TargetPkgctl:
		return Invalid("target %s: the dbscripts of the distribution make its databases, and sign them if they are set up so; leave databases=signed out", t.Name)
	case t.SignedDatabases && t.Keys == "":
		return Invalid("target %s: databases=signed needs sign=required and keys=FILE, whose keys sign the databases, too", t.Name)
	}
	return nil
}

// CheckTargets returns an error for settings of targets that contradict each other.
func CheckTargets(targets []Target) error {
	known := map[string]bool{}
	for _, t := range targets {
		if known[t.Name] {
			return Invalid("target %s is given twice", t.Name)
		}
		if t.After != "" && !known[t.After] {
			return Invalid("target %s comes after %.40q, which is none of the targets before it; give that one first", t.Name, t.After)
		}
		if i := slices.IndexFunc(targets, func(other Target) bool { return other.Name == t.After }); i >= 0 && targets[i].Kind == TargetPkgctl {
			return Invalid("target %s: nothing comes after %s, whose packages are in the base repositories", t.Name, t.After)
		}
		// What leaves a target for one behind it is signed with the release to that one.
		for after := t.After; t.SignedDatabases && after != ""; {
			i := slices.IndexFunc(targets, func(other Target) bool { return other.Name == after })
			if !targets[i].SignedDatabases || targets[i].Keys != t.Keys {
				return Invalid("target %s: with databases=signed, %s behind it needs databases=signed and the same keys=FILE, too", t.Name, after)
			}
			after = targets[i].After
		}
		known[t.Name] = true
	}
	return nil
}

// CheckTargetName refuses names that cannot be a directory, a pacman repository and a part of
// a URL at the same time.
func CheckTargetName(name string) error {
	if name == "local" || name == "options" {
		return Invalid("pacman keeps the name %q for itself; choose another name", name)
	}
	return checkName("target", name, slugName)
}

// ReleaseState is how far a release has come.
type ReleaseState string

// The states of a release.
const (
	ReleaseNew         ReleaseState = ""             // before it exists
	ReleaseChecked     ReleaseState = "checked"      // its set is known and waits for somebody to confirm it
	ReleaseSigning     ReleaseState = "signing"      // confirmed; its packages wait for signatures
	ReleaseHandingOver ReleaseState = "handing-over" // confirmed; its packages are on their way into the target
	ReleaseWaiting     ReleaseState = "waiting"      // a packager is to hand it over; its target is TargetPkgctl
	ReleaseReleased    ReleaseState = "released"     // the target shows its packages
	ReleaseFailed      ReleaseState = "failed"       // nothing of it was shown
	ReleaseWithdrawn   ReleaseState = "withdrawn"    // given up, or the target shows again what it showed before
)

// ReleaseStates returns all states, in the order in which a release may have them.
func ReleaseStates() []ReleaseState {
	return []ReleaseState{ReleaseChecked, ReleaseSigning, ReleaseHandingOver, ReleaseWaiting, ReleaseReleased, ReleaseFailed, ReleaseWithdrawn}
}

// releaseWays returns the table of transitions: for each state those that may follow.
func releaseWays() map[ReleaseState][]ReleaseState {
	return map[ReleaseState][]ReleaseState{
		ReleaseNew:         {ReleaseChecked, ReleaseHandingOver},
		ReleaseChecked:     {ReleaseHandingOver, ReleaseWithdrawn},
		ReleaseSigning:     {ReleaseHandingOver, ReleaseWithdrawn},
		ReleaseHandingOver: {ReleaseReleased, ReleaseChecked, ReleaseSigning, ReleaseWaiting, ReleaseFailed},
		ReleaseWaiting:     {ReleaseReleased, ReleaseChecked, ReleaseFailed, ReleaseWithdrawn},
		ReleaseReleased:    {ReleaseWithdrawn},
	}
}

// MayBecome reports whether a release may change from one state to another.
func (s ReleaseState) MayBecome(to ReleaseState) bool { return slices.Contains(releaseWays()[s], to) }

// From returns the states from which a release may come to this one.
func (s ReleaseState) From() []ReleaseState {
	var from []ReleaseState
	for _, state := range ReleaseStates() {
		if state.MayBecome(s) {
			from = append(from, state)
		}
	}
	return from
}

// Words returns the state for people.
func (s ReleaseState) Words() string {
	switch s {
	case ReleaseChecked:
		return "waits for confirmation"
	case ReleaseSigning:
		return "waits for signatures"
	case ReleaseHandingOver:
		return "being handed over"
	case ReleaseWaiting:
		return "waiting for the repository"
	}
	return string(s)
}

// Over reports whether a release will not change by itself, and nobody is asked for anything.
func (s ReleaseState) Over() bool {
	return s == ReleaseReleased || s == ReleaseFailed || s == ReleaseWithdrawn
}

// Release is a set of packages of an iteration, or of another target, that goes into a
// target, as a whole or not at all.
type Release struct {
	ID          int64        `bun:"id,pk,autoincrement"`
	IterationID int64        `bun:"iteration_id,nullzero"`
	FromID      int64        `bun:"from_id,nullzero"` // the target that gives the packages; 0: the iteration does
	TargetID    int64        `bun:"target_id"`
	State       ReleaseState `bun:"state"`
	Digest      string       `bun:"digest"`     // of the set: pkgbases, versions and files
	Base        string       `bun:"base"`       // digest of the base repositories that it was computed against
	Generation  int          `bun:"generation"` // number of the target's generation that it was computed against
	Units       int          `bun:"units"`      // pkgbases that go
	Packages    int          `bun:"packages"`   // package files that go
	Proven      bool         `bun:"proven"`     // no larger set is safe
	AtMost      int          `bun:"at_most"`    // pkgbases that the largest set may have
	Message     string       `bun:"message"`    // what happened last, in words: why it failed, or how the set has changed
	CreatedBy   string       `bun:"created_by"`
	CreatedAt   time.Time    `bun:"created_at"`
	ConfirmedBy string       `bun:"confirmed_by"`
	ConfirmedAt *time.Time   `bun:"confirmed_at"`
	FinishedAt  *time.Time   `bun:"finished_at"` // when it was released, failed or was withdrawn
}

// ReleaseUnit is a pkgbase of a release.
type ReleaseUnit struct {
	ReleaseID int64  `bun:"release_id,pk"`
	Pkgbase   string `bun:"pkgbase,pk"`
	Goes      bool   `bun:"goes"`
	Version   string `bun:"version"`
	Pkgnames  Names  `bun:"pkgnames"` // of its packages
	Reason    string `bun:"reason"`   // why it is held; empty when it goes
	BuildID   int64  `bun:"build_id"` // a build of it; 0: none
}

// GenerationState is how far a generation has come.
type GenerationState string

// The states of a generation.
const (
	GenerationWriting  GenerationState = "writing"  // its files are being written; a crash is rolled forward
	GenerationComplete GenerationState = "complete" // it is, or was, what the target shows, and its files are kept
	GenerationGone     GenerationState = "gone"     // its files are not kept any more, or it was never finished
)

// Generation is one complete state of a target. It never changes once it is complete.
type Generation struct {
	ID        int64           `bun:"id,pk,autoincrement"`
	TargetID  int64           `bun:"target_id"`
	Number    int             `bun:"number"` // from 1, by target
	Parent    int             `bun:"parent"` // number of the one that it goes back to when its release is withdrawn; 0: none
	State     GenerationState `bun:"state"`
	ReleaseID int64           `bun:"release_id"` // whose packages it shows as the latest; 0: none
	Undoes    int64           `bun:"undoes"`     // the release that was withdrawn by it; 0: none
	Digest    string          `bun:"digest"`     // of its files
	Packages  int             `bun:"packages"`   // files, of all architectures
	CreatedBy string          `bun:"created_by"`
	CreatedAt time.Time       `bun:"created_at"`
}

// MayRelease returns nil when the user may release packages of a buildspace that owner has
// created, and withdraw them, and else why not.
func (u User) MayRelease(owner string) error { return u.MayChangeOf(owner) }

// MayMove returns nil when the user may release what one target has to another one, and
// withdraw that, and else why not: what several people have built moves with it.
func (u User) MayMove() error {
	if err := u.MayChange(); err != nil {
		return err
	}
	if u.OwnOnly && u.Role != RoleAdmin {
		return Forbidden("packages of everybody's buildspaces move with this: only administrators may do it on this server; release the iteration of your own buildspace instead")
	}
	return nil
}

// ReleasedWords says what a release has done: "released 12 packages to stable".
func ReleasedWords(packages int, target string) string {
	if packages == 1 {
		return "released 1 package to " + target
	}
	return fmt.Sprintf("released %d packages to %s", packages, target)
}
