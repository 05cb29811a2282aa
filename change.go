package buildbtw

import "strings"

// PackageChange is how a package that was installed for one build differs from that of the
// same name which was installed for an earlier build.
type PackageChange struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"` // its version then; empty when it was not installed
	To   string `json:"to,omitempty"`   // its version now; empty when it is not installed any more

	// FromBuildspace and ToBuildspace report that it came from the repository of the
	// build's iteration; else from the base repositories, or the machine.
	FromBuildspace bool `json:"from_buildspace,omitempty"`
	ToBuildspace   bool `json:"to_buildspace,omitempty"`

	Sonames []SonameChange `json:"sonames,omitempty"` // of its libraries, as far as they are known
	Direct  bool           `json:"direct,omitempty"`  // the build depends on it, not only through others

	// AfterFailure reports that it had not changed yet when the package first failed, so
	// that it is not the cause of that.
	AfterFailure bool `json:"after_failure,omitempty"`
}

// SonameChange is a library whose soname changed.
type SonameChange struct {
	Library string `json:"library"`        // libcalc.so
	From    string `json:"from,omitempty"` // the soname's version; empty when there was no such library
	To      string `json:"to,omitempty"`
}

// String returns the change of the soname in words: "libcalc.so 1 → 2".
func (s SonameChange) String() string { return s.Library + " " + changeWords(s.From, s.To) }

// Versions returns the change of the version in words: "1.4.0-1 → 2.0.0-1". A package that
// has the same version and is another one was rebuilt.
func (c PackageChange) Versions() string {
	if c.From == c.To {
		return c.To + " rebuilt"
	}
	return changeWords(c.From, c.To)
}

func changeWords(from, to string) string {
	switch {
	case from == "":
		return to + " added"
	case to == "":
		return from + " removed"
	}
	return from + " → " + to
}

// Origin returns where the package comes from, in words: the base repositories or the
// buildspace.
func (c PackageChange) Origin() string {
	switch was, is := c.FromBuildspace, c.ToBuildspace; {
	case !was && !is:
		return "base"
	case c.From == "" || c.To == "" || was && is:
		return "buildspace"
	case is:
		return "buildspace, before base"
	}
	return "base, before buildspace"
}

// String returns the change for people: "libcalc 1.4.0-1 → 2.0.0-1 (soname libcalc.so 1 → 2,
// buildspace)".
func (c PackageChange) String() string {
	var notes strings.Builder
	for _, s := range c.Sonames {
		notes.WriteString("soname " + s.String() + ", ")
	}
	return c.Name + " " + c.Versions() + " (" + notes.String() + c.Origin() + ")"
}

// Leading reports whether the change is among those that are shown first: a soname changed,
// or the build depends on the package itself.
func (c PackageChange) Leading() bool { return len(c.Sonames) > 0 || c.Direct }
