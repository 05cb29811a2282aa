package buildbtw

import (
	"slices"
	"time"
)

// Verdict is the answer to whose fault the failure of a build is. It follows from two
// builds that nobody has to ask for: the same build once more, and the same commit on
// the base alone, without the packages of the buildspace (docs/domain.md, "Whose fault").
type Verdict string

// The verdicts. Only VerdictFlaky is of a build that is built.
const (
	VerdictNone           Verdict = ""               // not compared yet
	VerdictYours          Verdict = "yours"          // fails with the change, builds without it
	VerdictBroken         Verdict = "already-broken" // fails without the change, too
	VerdictFlaky          Verdict = "flaky"          // failed, and was built when it was tried once more
	VerdictInfrastructure Verdict = "infrastructure" // machines failed it until it was given up
)

// Verdicts lists the verdicts in the order in which they concern a packager.
func Verdicts() []Verdict {
	return []Verdict{VerdictYours, VerdictNone, VerdictBroken, VerdictFlaky, VerdictInfrastructure}
}

// notCompared is the word for VerdictNone, which is stored as an empty one.
const notCompared = "not-compared"

// Word returns the word for the verdict in addresses and in JSON.
func (v Verdict) Word() string {
	if v == VerdictNone {
		return notCompared
	}
	return string(v)
}

// ParseVerdict returns the verdict of a word.
func ParseVerdict(word string) (Verdict, error) {
	i := slices.IndexFunc(Verdicts(), func(v Verdict) bool { return v.Word() == word })
	if i < 0 {
		return VerdictNone, Invalid("unknown verdict %.40q; choose yours, not-compared, already-broken, flaky or infrastructure", word)
	}
	return Verdicts()[i], nil
}

// Label returns the verdict in a word or two, for people.
func (v Verdict) Label() string {
	switch v {
	case VerdictYours, VerdictFlaky, VerdictInfrastructure:
		return string(v)
	case VerdictBroken:
		return "already broken"
	case VerdictNone:
	}
	return "not compared yet"
}

// Words returns the verdict as a clause about a build. Base is the time of the base that
// the build was compared with.
func (v Verdict) Words(base time.Time) string {
	switch v {
	case VerdictYours:
		return "fails with this change, builds without it (base of " + base.UTC().Format("2 Jan") + ")"
	case VerdictBroken:
		return "fails without it, too"
	case VerdictFlaky:
		return "flaky: it failed, and was built when it was tried once more"
	case VerdictInfrastructure:
		return "no fault of the package: machines failed it until it was given up"
	case VerdictNone:
	}
	return "not compared yet"
}

// BaselineVerdict returns the verdict about a build that has failed twice, by the result of
// the same commit on the base. It is VerdictNone while that build has not ended, and when
// it failed by no fault of the package.
func BaselineVerdict(base Build) Verdict {
	switch {
	case base.Status == StatusBuilt:
		return VerdictYours
	case base.Status == StatusFailed && base.Verdict == VerdictNone:
		return VerdictBroken
	}
	return VerdictNone
}

// BaselineName returns the name under which a build of a pkgbase on the base alone is shown
// among what machines do.
func BaselineName(pkgbase string) string { return "baseline of " + pkgbase }

// MayCompare reports whether another comparison may take a slot for which other builds
// wait: together they have at most a tenth of the busy slots. Idle slots are free to them.
func MayCompare(comparing, busy int) bool { return (comparing+1)*10 <= busy }

// CanCompare returns nil when a person may ask to compare the build with the base, and
// else why not.
func (b Build) CanCompare() error {
	switch {
	case b.BaselineID != 0:
		return Conflict("%s is a build on the base itself; there is nothing to compare it with", b.Pkgbase)
	case b.RepeatOf != 0:
		return Conflict("this is a second build of %s; its failure is nobody's", b.Pkgbase)
	case b.Status != StatusFailed:
		return Conflict("%s is %s; only a failed build can be compared with the base", b.Pkgbase, b.Status)
	case b.Verdict == VerdictYours || b.Verdict == VerdictBroken:
		return Conflict("%s has been compared with the base: it is %s", b.Pkgbase, b.Verdict.Label())
	}
	return nil
}
