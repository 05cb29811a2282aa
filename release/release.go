// Package release computes which of the packages that an iteration built may go into
// the distribution's repositories, so that nobody who uses these is left with
// a dependency that nothing meets.
//
// All packages of one pkgbase go together; they are a unit. A set of units is safe when
// six rules hold in every view (docs/release.md explains them with pictures):
//
//  1. every dependency is met by what is then in the repositories;
//  2. so is every library that programs link with, named as a dependency or not;
//  3. every package that could be installed before still can be;
//  4. a name moves to another pkgbase only together with the unit that gives it up;
//  5. no file has two owners that can be installed together;
//  6. what was built with a changed library goes only together with it.
//
// What was unmet before is nobody's fault and stays as it is.
//
// The rules are clauses over the variables "unit k goes", and releasing nothing
// satisfies all of them. Those with one negative literal have a greatest solution,
// found by removing in breadth-first order what a violated clause forbids. The
// others are rare; branch and bound decides about the few that are still violated.
// Rule 3 is checked last: a package that no set of packages makes installable adds
// a clause, and the computation starts again.
package release

// Package is a package of a repository or of a unit.
type Package struct {
	Name, Base, Version, Architecture      string
	Depends, Provides, Conflicts, Replaces []string // as in PKGBUILD(5)

	// Sonames are the libraries that it has and Links those of other packages that its
	// programs link with, as in alpm.Interface: libfoo.so=1-64. Nil when not known.
	Sonames, Links []string
	// Exports are digests of the symbols that its libraries export, by soname. One that
	// is not known counts as changed.
	Exports map[string]string
	// Files are the paths of its files, without directories; nil when not known.
	Files []string
}

// View is the repositories as one kind of user has them.
type View struct {
	Name         string // for people: "x86_64", "testing, x86_64"
	Architecture string
	Repositories []Repository // in the order of pacman.conf: the first that has a name wins
}

// Repository is one pacman repository.
type Repository struct {
	Name     string
	Packages []Package
}

// Unit is all that one pkgbase built, for all architectures. It is released whole or
// not at all.
type Unit struct {
	Pkgbase    string
	Changeset  bool      // a change that somebody made, not only a rebuild
	Packages   []Package // of every architecture
	Repository string    // the one that receives it; empty: the one that has it now

	// NotReady is why it cannot be released whatever the others do, and Detail the
	// same in words, if there is more to say. A unit without packages names the
	// pkgbase only.
	NotReady Kind
	Detail   string
	Root     string // the pkgbase that it waits for, where somebody has to do something
	// BuiltWith are pkgbases whose new packages were installed while it was built. They are
	// given for repositories that demand that a package can be built again from its
	// .BUILDINFO: then it goes only with all of them.
	BuiltWith []string
}

// Waivers are recorded decisions of people.
type Waivers struct {
	Break    []string    // pkgnames whose dependencies may become unmet
	Drop     []string    // pkgnames that leave the repositories
	Hold     []string    // pkgbases that stay
	Together [][2]string // pkgbases that go both or neither
}

// Problem is a question to Base.Largest.
type Problem struct {
	Units   []Unit
	Waivers Waivers
	// Owned are, by view and pkgname, paths that packages of the repositories have besides
	// their Package.Files. A caller who knows which paths the units have gives only the ones
	// that both have.
	Owned map[string]map[string][]string
}

// Kind is why a unit is held.
type Kind string

// The kinds of reasons. The first ones are those that a caller may give in
// Unit.NotReady; the others follow from the rules.
const (
	Failed       Kind = "failed"       // its build failed
	Blocked      Kind = "blocked"      // it waits for a build that failed or was cancelled
	NotBuilt     Kind = "not built"    // it is on its way
	Check        Kind = "check"        // a check that blocks failed
	Architecture Kind = "architecture" // it is not built for every architecture

	ByHand       Kind = "by hand"       // somebody holds it
	NotNewer     Kind = "not newer"     // pacman -Syu would not take it
	Hidden       Kind = "hidden"        // a repository before the one that receives it has the name
	SharesName   Kind = "shares a name" // another unit builds the same pkgname
	Unmet        Kind = "unmet"         // a dependency would not be met
	Links        Kind = "links"         // nothing would have a library that programs link with
	NotInstalled Kind = "conflict"      // a package could not be installed any more
	Moves        Kind = "moves"         // a name moves to it from a pkgbase that stays
	Files        Kind = "files"         // a file would have two owners
	BuiltAgainst Kind = "built against" // it was built with a library that stays
	Together     Kind = "together"      // somebody wants it to go only with one that stays
	Choice       Kind = "choice"        // either it goes or another one, and the other brings more
)

// Result is the answer of Base.Largest.
type Result struct {
	Goes    []string // pkgbases, sorted
	Held    []Held   // the other units, by pkgbase
	Dropped []string // pkgnames of Waivers.Drop that leave; the others are needed
	Proven  bool     // no larger set is safe
	AtMost  int      // units that the largest set may have; len(Goes) when proven

	Changesets []Change // of units with Changeset that are held
	WaysOut    []WayOut // the one that frees most first
	Leaves     []Leaving
	Apart      []Apart // pairs that cannot be installed together any more, by name; at most 100
	AllApart   int     // how many there are

	LinksUnknown int // packages of the views whose programs nobody has looked into
	FilesUnknown int // packages whose files are not known, so that rule 5 leaves them out
}
