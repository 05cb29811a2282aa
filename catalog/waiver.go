package catalog

import (
	"context"
	"maps"
	"strings"

	"buildbtw"
	"buildbtw/internal/editdistance"
	"buildbtw/release"
)

// Waive records what somebody decided about what a buildspace releases: one waiver for each
// name, or one for the two of together; all or none.
//
// The error is NotFound when there is no such buildspace, or when its latest iteration has no
// build of a pkgbase, or no base repository a pkgname; a Conflict when it is recorded already.
func (c *Catalog) Waive(ctx context.Context, u buildbtw.User, buildspace string, kind buildbtw.WaiverKind, names []string, reason string) ([]buildbtw.Waiver, error) {
	list, err := buildbtw.NewWaivers(kind, names, reason)
	if err != nil {
		return nil, err
	}
	known, what, err := c.waivable(ctx, buildspace, kind)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !known[name] {
			return nil, buildbtw.NotFound("%s has no %s %s%s", what, kind.Names(), name, meant(name, known))
		}
	}
	return c.Store.AddWaivers(ctx, u.Name, buildspace, list)
}

// waivable returns the names that a waiver of a kind may have, and what has them, in words.
func (c *Catalog) waivable(ctx context.Context, buildspace string, kind buildbtw.WaiverKind) (known map[string]bool, what string, err error) {
	row, err := c.Store.Iteration(ctx, buildspace, 0)
	if err != nil {
		return nil, "", err
	}
	known = map[string]bool{}
	if kind.Names() == "pkgbase" {
		last, err := c.lastStages(ctx, row)
		for pkgbase := range last {
			known[pkgbase] = true
		}
		return known, buildspace, err
	}
	for _, base := range c.Bases {
		for name := range base.Snapshot().Names() {
			known[name] = true
		}
	}
	return known, "the base", nil
}

// maxSlip is how many letters may be wrong in a name for which another is suggested.
const maxSlip = 2

// meant suggests names that are written alike: "; did you mean libfoo?".
func meant(name string, known map[string]bool) string {
	names := editdistance.Nearest(name, maps.Keys(known), maxSlip, suggestedNames)
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// waiversOf returns recorded waivers as the engine takes them. Only packages that the target
// has itself, in own, can leave it: one of the base stays there until its own tools remove
// it, so that to drop it is to break it.
func waiversOf(list []buildbtw.Waiver, own map[string]bool) release.Waivers {
	var w release.Waivers
	for _, one := range list {
		switch one.Kind {
		case buildbtw.WaiverBreak:
			w.Break = append(w.Break, one.Name)
		case buildbtw.WaiverDrop:
			if own[one.Name] {
				w.Drop = append(w.Drop, one.Name)
			} else {
				w.Break = append(w.Break, one.Name)
			}
		case buildbtw.WaiverHold:
			w.Hold = append(w.Hold, one.Name)
		case buildbtw.WaiverTogether:
			w.Together = append(w.Together, [2]string{one.Name, one.Other})
		}
	}
	return w
}
