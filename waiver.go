package buildbtw

import (
	"strings"
	"time"
	"unicode"
)

// WaiverKind is what a waiver decides.
type WaiverKind string

// The kinds of waivers.
const (
	WaiverBreak    WaiverKind = "break"    // the dependencies of a package may become unmet
	WaiverDrop     WaiverKind = "drop"     // a package leaves the repositories
	WaiverHold     WaiverKind = "hold"     // the packages of a pkgbase stay as they are
	WaiverTogether WaiverKind = "together" // those of two pkgbases go both or neither
)

// Waiver is a person's recorded word about what a buildspace releases.
type Waiver struct {
	ID           int64      `bun:"id,pk,autoincrement"`
	BuildspaceID int64      `bun:"buildspace_id"`
	Kind         WaiverKind `bun:"kind"`
	Name         string     `bun:"name"`  // a pkgname to break or to drop; a pkgbase to hold
	Other        string     `bun:"other"` // of together, the pkgbase after name; else empty
	Reason       string     `bun:"reason"`
	By           string     `bun:"by"`
	At           time.Time  `bun:"at"`
}

// Bounds of waivers.
const (
	MaxWaiverReason = 500 // bytes
	MaxWaivers      = 200 // of one buildspace
)

// NewWaiver returns a waiver of these names, or an Invalid error. The order of the two names of
// together does not matter.
func NewWaiver(kind WaiverKind, names []string, reason string) (Waiver, error) {
	want := 1
	switch kind {
	case WaiverTogether:
		want = 2
	case WaiverBreak, WaiverDrop, WaiverHold:
	default:
		return Waiver{}, Invalid("%.40q is no kind of waiver; choose break, drop, hold or together", kind)
	}
	if len(names) != want {
		return Waiver{}, Invalid("%s takes %d name(s), not %d", kind, want, len(names))
	}
	for _, name := range names {
		if err := CheckPkgname(name); err != nil {
			return Waiver{}, err
		}
	}
	w := Waiver{Kind: kind, Name: names[0], Reason: strings.TrimSpace(reason)}
	if kind == WaiverTogether {
		w.Name, w.Other = min(names[0], names[1]), max(names[0], names[1])
		if w.Name == w.Other {
			return Waiver{}, Invalid("%s goes together with itself anyway; name two pkgbases", w.Name)
		}
	}
	switch {
	case w.Reason == "":
		return Waiver{}, Invalid("a waiver needs a reason: say why, for those who read it later")
	case len(w.Reason) > MaxWaiverReason:
		return Waiver{}, Invalid("the reason has %d bytes; at most %d are kept", len(w.Reason), MaxWaiverReason)
	case strings.ContainsFunc(w.Reason, unicode.IsControl):
		return Waiver{}, Invalid("the reason is to be one line of text")
	}
	return w, nil
}

// String returns the decision without its reason: "holds libfoo".
func (w Waiver) String() string {
	switch w.Kind {
	case WaiverBreak:
		return "lets the dependencies of " + w.Name + " break"
	case WaiverDrop:
		return "drops " + w.Name
	case WaiverTogether:
		return "releases " + w.Name + " and " + w.Other + " only together"
	}
	return "holds " + w.Name
}
