package buildbtw

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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

// Names returns what the names of such waivers are: "pkgname" or "pkgbase".
func (k WaiverKind) Names() string {
	if k == WaiverBreak || k == WaiverDrop {
		return "pkgname"
	}
	return "pkgbase"
}

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

// NewWaivers returns the waivers that a request names, or an Invalid error: one for each name,
// or one for the two names of together, whose order does not matter.
func NewWaivers(kind WaiverKind, names []string, reason string) ([]Waiver, error) {
	reason = strings.TrimSpace(reason)
	if err := checkWaiver(kind, names, reason); err != nil {
		return nil, err
	}
	if kind == WaiverTogether {
		return []Waiver{{Kind: kind, Name: min(names[0], names[1]), Other: max(names[0], names[1]), Reason: reason}}, nil
	}
	list := make([]Waiver, len(names))
	for i, name := range names {
		list[i] = Waiver{Kind: kind, Name: name, Reason: reason}
	}
	return list, nil
}

func checkWaiver(kind WaiverKind, names []string, reason string) error {
	switch {
	case !slices.Contains([]WaiverKind{WaiverBreak, WaiverDrop, WaiverHold, WaiverTogether}, kind):
		return Invalid("%.40q is no kind of waiver; choose break, drop, hold or together", kind)
	case kind == WaiverTogether && len(names) != 2:
		return Invalid("together takes two names, not %d", len(names))
	case len(names) == 0 || len(names) > MaxWaivers:
		return Invalid("%d names are given; name 1 to %d", len(names), MaxWaivers)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if err := CheckPkgname(name); err != nil {
			return err
		}
		if seen[name] {
			return Invalid("%s is named twice", name)
		}
		seen[name] = true
	}
	switch {
	case reason == "":
		return Invalid("a waiver needs a reason: say why, for those who read it later")
	case len(reason) > MaxWaiverReason:
		return Invalid("the reason has %d bytes; at most %d are kept", len(reason), MaxWaiverReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return Invalid("the reason is to be one line of text")
	}
	return nil
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

// ParseWaiverID reads the id of a waiver.
func ParseWaiverID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, Invalid("%.40q is no waiver's number", text)
	}
	return id, nil
}
