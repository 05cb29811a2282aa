package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
)

// Preview returns the plan that Create would make a buildspace with, with the versions
// that its builds would have, and stores nothing.
func (c *Catalog) Preview(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error) {
	if err := c.offers(s); err != nil {
		return nil, err
	}
	plan, err := c.Plan(ctx, changesets, s)
	if err != nil {
		return nil, err
	}
	base, err := c.BaseDigests(ctx, plan)
	if err != nil {
		return nil, err
	}
	v, err := c.Versions(ctx, VersionRequest{Plan: plan, Base: base, Settings: s})
	return v.Plan, err
}

// offers checks settings, and that the server builds for their architectures.
func (c *Catalog) offers(s buildbtw.Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	for _, arch := range s.Architectures {
		if !slices.Contains(c.Architectures, arch) {
			return buildbtw.Invalid("this server does not build for %q, only for %s", arch, strings.Join(c.Architectures, ", "))
		}
	}
	return nil
}

// maxNumbered bounds the search for a free name.
const maxNumbered = 1000

// Create checks the request and its plan, and stores the buildspace. It is
// Unconfirmed when the plan has more than ConfirmAbove builds and n.Confirm is
// not set. Without a name it uses the first free one that can be made from the
// changesets.
func (c *Catalog) Create(ctx context.Context, u buildbtw.User, n buildbtw.NewBuildspace) (store.BuildspaceRow, error) {
	if err := n.Validate(); err != nil {
		return store.BuildspaceRow{}, err
	}
	if err := c.offers(n.Settings); err != nil {
		return store.BuildspaceRow{}, err
	}
	plan, err := c.Plan(ctx, n.Changesets, n.Settings)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	builds := 0
	for _, arch := range plan.Architectures {
		builds += len(arch.Builds)
	}
	if builds > c.ConfirmAbove && !n.Confirm {
		return store.BuildspaceRow{}, buildbtw.Unconfirmed("this would make %d builds, and more than %d are made only when confirmed; "+
			"choose a smaller scope (direct: %d builds) or confirm", builds, c.ConfirmAbove, plan.Scopes[string(buildbtw.ScopeDirect)])
	}
	b := buildbtw.Buildspace{Name: n.Name, Settings: n.Settings}
	if c.Bases.Repository(n.Name) {
		return store.BuildspaceRow{}, distributionName(n.Name)
	}
	if n.Name != "" {
		return c.Store.CreateBuildspace(ctx, u.Name, b, n.Changesets)
	}
	name := buildbtw.DefaultBuildspaceName(n.Changesets)
	for number := 1; ; number++ {
		b.Name = name
		if number > 1 {
			b.Name = fmt.Sprintf("%s-%d", name, number)
		}
		if c.Bases.Repository(b.Name) {
			continue
		}
		row, err := c.Store.CreateBuildspace(ctx, u.Name, b, n.Changesets)
		if buildbtw.KindOf(err) != buildbtw.KindConflict || number == maxNumbered {
			return row, err
		}
	}
}

// NameTaken returns nil when a new buildspace can have this name, an Invalid error when no
// buildspace can, and a Conflict when another one has it. An empty name is free: Create
// chooses one then.
func (c *Catalog) NameTaken(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if err := buildbtw.CheckBuildspaceName(name); err != nil {
		return err
	}
	if c.Bases.Repository(name) {
		return distributionName(name)
	}
	_, err := c.Store.Buildspace(ctx, name)
	switch {
	case err == nil:
		return buildbtw.Conflict("there is a buildspace %q already; choose another name", name)
	case buildbtw.KindOf(err) == buildbtw.KindNotFound:
		return nil
	}
	return err
}

func distributionName(name string) error {
	return buildbtw.Invalid("%q is a repository of the distribution, which pacman would take for the buildspace's; choose another name", name)
}

// PlanDigest returns a digest of a plan's changesets and settings and of the pkgbases and
// stages that it builds, as 24 hexadecimal digits. It is the same for equal plans.
func PlanDigest(changesets []buildbtw.Changeset, settings buildbtw.Settings, plan *buildgraph.Plan) string {
	h := sha256.New()
	for _, list := range []*buildbtw.Names{&settings.Architectures, &settings.Exclude, &settings.Add} {
		if len(*list) == 0 {
			*list = nil // none, however it was written
		}
	}
	fmt.Fprintf(h, "%q\n%#v\n", changesets, settings)
	for _, arch := range slices.Sorted(maps.Keys(plan.Architectures)) {
		fmt.Fprintf(h, "%q\n", arch)
		for _, b := range plan.Architectures[arch].Builds {
			fmt.Fprintf(h, "%q %d\n", b.Pkgbase, b.Stage)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// PlanTime is an estimate of the time that the builds of a plan take.
type PlanTime struct {
	Seconds float64 // sum of all builds
	Chain   float64 // seconds of the longest chain of dependencies, which no number of machines can shorten
	Known   int     // number of builds whose duration is known from earlier ones
	Slots   int     // number of builds that the connected workers run at the same time
}

// Least returns the seconds that the connected workers need at least, and 0 when no worker
// is connected.
func (t PlanTime) Least() float64 {
	if t.Slots == 0 {
		return 0
	}
	return max(t.Chain, t.Seconds/float64(t.Slots))
}

// PlanTime estimates the time that a plan takes. A build of unknown duration counts with
// the median of the known ones, or with a minute when none is known.
func (c *Catalog) PlanTime(ctx context.Context, plan *buildgraph.Plan, now time.Time) (t PlanTime, err error) {
	t.Slots, err = c.Store.Slots(ctx, slices.Sorted(maps.Keys(plan.Architectures)), now.Add(-buildbtw.WorkerPresence))
	if err != nil {
		return t, err
	}
	var known map[string]float64
	if learned := c.durations.Load(); learned != nil {
		known = *learned
	}
	guess := 60.0
	if len(known) > 0 {
		sorted := slices.Sorted(maps.Values(known))
		guess = sorted[len(sorted)/2]
	}
	seconds := func(pkgbase string) float64 {
		if s, ok := known[pkgbase]; ok {
			return s
		}
		return guess
	}
	for _, arch := range plan.Architectures {
		for _, b := range arch.Builds {
			t.Seconds += seconds(b.Pkgbase)
			if _, ok := known[b.Pkgbase]; ok {
				t.Known++
			}
		}
		chain := 0.0
		for _, pkgbase := range arch.Chain {
			chain += seconds(pkgbase)
		}
		t.Chain = max(t.Chain, chain)
	}
	return t, nil
}

// Edit changes a buildspace. Everything is checked before anything is changed.
func (c *Catalog) Edit(ctx context.Context, u buildbtw.User, name string, e buildbtw.EditBuildspace) (store.BuildspaceRow, error) {
	row, err := c.Store.Buildspace(ctx, name)
	if err != nil {
		return row, err
	}
	if e.Status != nil && *e.Status != buildbtw.BuildspaceActive && *e.Status != buildbtw.BuildspaceStopped {
		return row, buildbtw.Invalid("unknown status %q; choose active or stopped", *e.Status)
	}
	edit := store.Edit{Changesets: e.Changesets}
	if e.Settings != nil {
		settings := row.Settings
		e.Settings(&settings)
		if err := c.offers(settings); err != nil {
			return row, err
		}
		edit.Settings = &settings
	}
	if e.Changesets != nil {
		for _, change := range *e.Changesets {
			if _, err := c.Resolve(ctx, change); err != nil {
				return row, err
			}
		}
	}
	if edit.Settings != nil || edit.Changesets != nil {
		if row, err = c.Store.EditBuildspace(ctx, u.Name, name, edit); err != nil {
			return row, err
		}
	}
	switch {
	case e.Status == nil:
		return row, nil
	case *e.Status == buildbtw.BuildspaceActive:
		return c.Store.StartBuildspace(ctx, u.Name, name)
	}
	return c.Store.StopBuildspace(ctx, u.Name, name)
}
