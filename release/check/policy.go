package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mode is what a finding of a kind means.
type Mode string

// The modes.
const (
	Blocking Mode = "blocking" // the packages are not released
	Shown    Mode = "shown"    // people see it
	Off      Mode = "off"      // nobody does
)

// Policy is the modes of kinds; those that are not in it are shown.
type Policy map[Kind]Mode

// DefaultPolicy returns the policy where nothing else was chosen: a package without files that
// had some is a mistake of packaging, the rest is often meant.
func DefaultPolicy() Policy { return Policy{Empty: Blocking} }

// ParsePolicy changes the default policy by settings such as "files=blocking".
func ParsePolicy(settings []string) (Policy, error) { return DefaultPolicy().With(settings) }

// With returns the policy changed by settings such as "files=blocking".
func (p Policy) With(settings []string) (Policy, error) {
	p = maps.Clone(p)
	if p == nil {
		p = Policy{}
	}
	for _, s := range settings {
		kind, mode, _ := strings.Cut(s, "=")
		if !slices.Contains(Kinds(), Kind(kind)) {
			return nil, fmt.Errorf("there is no check %.40q; the checks are %s", kind, join(Kinds()))
		}
		if !slices.Contains([]Mode{Blocking, Shown, Off}, Mode(mode)) {
			return nil, fmt.Errorf("cannot read %.60q; write %s=blocking, %s=shown or %s=off", s, kind, kind, kind)
		}
		p[Kind(kind)] = Mode(mode)
	}
	return p, nil
}

func join(kinds []Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// Blocks reports whether a finding keeps packages from being released. What is unknown does
// not.
func (p Policy) Blocks(f Finding) bool { return f.Outcome == Found && p[f.Kind] == Blocking }

// BlocksAny reports whether any check can for whose result a release waits. Nothing waits for a second
// build.
func (p Policy) BlocksAny() bool {
	for kind, mode := range p {
		if mode == Blocking && kind != Reproducible {
			return true
		}
	}
	return false
}

// Shows returns the findings of kinds that are not off.
func (p Policy) Shows(list []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return p[f.Kind] == Off })
}
