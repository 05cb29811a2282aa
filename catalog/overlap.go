package catalog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

const (
	maxOpen       = 100 // open buildspaces that are compared, the newest first
	maxInterfaces = 50  // shared packages whose libraries are looked at
	maxBehind     = 50  // changesets that are compared with the base ref
)

// Overlaps is what stands between a buildspace and its release by now: other open buildspaces
// with the same packages, newer commits, and newer versions in the base. It is computed
// when it is asked for, from what the database, the mirror and the base have at that time.
type Overlaps struct {
	Buildspace string
	Iteration  int
	With       []Overlap  // with each other open buildspace that has something in common, the most serious first
	Behind     []Behind   // changesets that lack commits of the base ref
	Stale      []string   // pkgbases that are rebuilt from a commit of which the base ref has a newer one by now
	Outdated   []Outdated // builds below a version that the base has
}

// Any reports whether there is anything to tell.
func (o Overlaps) Any() bool { return len(o.With)+len(o.Behind)+len(o.Stale)+len(o.Outdated) > 0 }

// Overlap is what two open buildspaces have in common.
type Overlap struct {
	Buildspace string // the other one
	Iteration  int
	Shared     []Shared // the most serious first, then by name
}

// Shared is a pkgbase that two buildspaces build.
type Shared struct {
	Pkgbase     string
	Here, There bool     // it is a changeset, not only rebuilt
	Lost        []string // sonames that the base's packages have and those built in one of the two have not
}

// rank orders shared packages: both change it, one does, both rebuild it.
func (s Shared) rank() int {
	switch {
	case s.Here && s.There:
		return 0
	case s.Here || s.There:
		return 1
	}
	return 2
}

// Behind is a changeset that lacks commits of its source's base ref.
type Behind struct {
	Changeset buildbtw.Changeset
	Commits   int // that it lacks; 0 when they could not be counted
	Base      string
}

// Outdated is a build whose version is below one that the base has.
type Outdated struct{ Pkgbase, Version, Base string }

// subject is a buildspace, or a plan of one that does not exist yet.
type subject struct {
	buildspace string
	iteration  int
	packages   []store.PlannedPackage
	changesets []buildgraph.PlannedChangeset
}

const (
	recentOverlaps = 128 // buildspaces whose overlaps are remembered
	overlapsAge    = 10 * time.Second
)

// recent is overlaps with the time at which they were computed.
type recent struct {
	Overlaps
	at time.Time
}

// RecentOverlaps returns the overlaps of an iteration as they were in the last ten seconds.
// Pages that are polled show them: for 7,885 builds they take 45 ms of processor time, more
// than all the rest of the page.
func (c *Catalog) RecentOverlaps(ctx context.Context, it store.IterationRow, now time.Time) (Overlaps, error) {
	if known, ok := c.overlaps.Get(it.ID); ok && now.Sub(known.at) < overlapsAge {
		return known.Overlaps, nil
	}
	open, err := c.Store.OpenIterations(ctx, maxOpen)
	if err != nil {
		return Overlaps{}, err
	}
	o, err := c.overlapsOfIteration(ctx, store.OpenIteration{ID: it.ID, Number: it.Number, Buildspace: it.Buildspace}, open)
	if err == nil {
		c.overlaps.Put(it.ID, recent{o, now})
	}
	return o, err
}

// Overlaps returns the overlaps of a buildspace's latest iteration.
func (c *Catalog) Overlaps(ctx context.Context, buildspace string) (Overlaps, error) {
	row, err := c.Store.Iteration(ctx, buildspace, 0)
	if err != nil {
		return Overlaps{}, err
	}
	open, err := c.Store.OpenIterations(ctx, maxOpen)
	if err != nil {
		return Overlaps{}, err
	}
	return c.overlapsOfIteration(ctx, store.OpenIteration{ID: row.ID, Number: row.Number, Buildspace: buildspace}, open)
}

// AllOverlaps returns the overlaps of all open buildspaces that have some, newest first. What
// two have in common stands at the newer one alone.
func (c *Catalog) AllOverlaps(ctx context.Context) ([]Overlaps, error) {
	open, err := c.Store.OpenIterations(ctx, maxOpen)
	if err != nil {
		return nil, err
	}
	var all []Overlaps
	for i, it := range open {
		o, err := c.overlapsOfIteration(ctx, it, open[i+1:])
		if err != nil {
			return nil, err
		}
		if o.Any() {
			all = append(all, o)
		}
	}
	return all, nil
}

func (c *Catalog) overlapsOfIteration(ctx context.Context, it store.OpenIteration, open []store.OpenIteration) (Overlaps, error) {
	s := subject{buildspace: it.Buildspace, iteration: it.Number}
	var err error
	if s.packages, err = c.Store.PlannedPackages(ctx, it.ID); err != nil {
		return Overlaps{}, err
	}
	if s.changesets, err = c.Store.IterationChangesets(ctx, it.ID); err != nil {
		return Overlaps{}, err
	}
	o := Overlaps{Buildspace: s.buildspace, Iteration: s.iteration}
	if o.With, err = c.shared(ctx, s, open); err != nil {
		return Overlaps{}, err
	}
	o.Behind, err = c.behind(ctx, s.changesets)
	o.Stale, o.Outdated = c.moved(s)
	return o, err
}

// WarnOverlaps adds to a plan what it has in common with open buildspaces, except one that
// is being edited, and which of its changesets lack commits of the base ref.
func (c *Catalog) WarnOverlaps(ctx context.Context, plan *buildgraph.Plan, except string) error {
	s := subject{buildspace: except, changesets: plan.Changesets}
	changed := map[string]bool{}
	for _, change := range plan.Changesets {
		changed[change.Source] = true
	}
	for arch, p := range plan.Architectures {
		for _, b := range p.Builds {
			if b.Stage == 1 {
				s.packages = append(s.packages, store.PlannedPackage{Architecture: arch, Pkgbase: b.Pkgbase, Changed: changed[b.Source]})
			}
		}
	}
	open, err := c.Store.OpenIterations(ctx, maxOpen)
	if err != nil {
		return err
	}
	with, err := c.shared(ctx, s, open)
	if err != nil {
		return err
	}
	for _, o := range with {
		plan.Warnings = append(plan.Warnings, buildgraph.Warning{Kind: buildgraph.WarnOverlap, Message: o.Words("this plan")})
	}
	behind, err := c.behind(ctx, plan.Changesets)
	for _, b := range behind {
		plan.Warnings = append(plan.Warnings, buildgraph.Warning{Kind: buildgraph.WarnOverlap, Source: b.Changeset.Source, Message: b.Words()})
	}
	return err
}

// shared finds what a buildspace has in common with each other one.
func (c *Catalog) shared(ctx context.Context, s subject, open []store.OpenIteration) ([]Overlap, error) {
	place := map[int64]int{}
	var ids []int64
	var all []Overlap
	for _, it := range open {
		if it.Buildspace == s.buildspace {
			continue
		}
		place[it.ID] = len(all)
		ids, all = append(ids, it.ID), append(all, Overlap{Buildspace: it.Buildspace, Iteration: it.Number})
	}
	if len(ids) == 0 {
		return nil, nil
	}
	type key struct{ arch, pkgbase string }
	mine, pkgbases := map[key]store.PlannedPackage{}, map[string][]string{}
	for _, p := range s.packages {
		mine[key{p.Architecture, p.Pkgbase}] = p
		pkgbases[p.Architecture] = append(pkgbases[p.Architecture], p.Pkgbase)
	}
	built := map[int64][]*Shared{} // by build: what it tells the lost sonames of
	found := make([]map[string]*Shared, len(all))
	for _, arch := range slices.Sorted(maps.Keys(pkgbases)) {
		theirs, err := c.Store.SharedPackages(ctx, ids, arch, pkgbases[arch])
		if err != nil {
			return nil, err
		}
		for _, p := range theirs {
			i, m := place[p.IterationID], mine[key{arch, p.Pkgbase}]
			if found[i] == nil {
				found[i] = map[string]*Shared{}
			}
			x := found[i][p.Pkgbase]
			if x == nil {
				x = &Shared{Pkgbase: p.Pkgbase}
				found[i][p.Pkgbase] = x
			}
			x.Here, x.There = x.Here || m.Changed, x.There || p.Changed
			for _, b := range []store.PlannedPackage{m, p} {
				if b.Status == buildbtw.StatusBuilt && (m.Changed || p.Changed) && len(built) < maxInterfaces {
					built[b.ID] = append(built[b.ID], x)
				}
			}
		}
	}
	if err := c.addLost(ctx, built); err != nil {
		return nil, err
	}
	for i := range all {
		for _, x := range found[i] {
			all[i].Shared = append(all[i].Shared, *x)
		}
		slices.SortFunc(all[i].Shared, func(a, b Shared) int {
			return cmp.Or(cmp.Compare(a.rank(), b.rank()), strings.Compare(a.Pkgbase, b.Pkgbase))
		})
	}
	all = slices.DeleteFunc(all, func(o Overlap) bool { return len(o.Shared) == 0 })
	slices.SortStableFunc(all, func(a, b Overlap) int {
		return cmp.Or(cmp.Compare(a.Shared[0].rank(), b.Shared[0].rank()), cmp.Compare(len(b.Shared), len(a.Shared)), strings.Compare(a.Buildspace, b.Buildspace))
	})
	return all, nil
}

// addLost adds the sonames that the base's packages have and what was built has not.
func (c *Catalog) addLost(ctx context.Context, built map[int64][]*Shared) error {
	if len(built) == 0 {
		return nil
	}
	interfaces, err := c.Store.InterfacesOf(ctx, slices.Sorted(maps.Keys(built)))
	if err != nil {
		return err
	}
	for id, shared := range built {
		for _, i := range interfaces[id] {
			if i.Unknown != "" {
				continue
			}
			for _, soname := range c.lostSonames(shared[0].Pkgbase, i) {
				for _, x := range shared {
					if !slices.Contains(x.Lost, soname) {
						x.Lost = append(x.Lost, soname)
						slices.Sort(x.Lost)
					}
				}
			}
		}
	}
	return nil
}

// lostSonames returns the sonames that the base's package of the same name has and a built
// one has not.
func (c *Catalog) lostSonames(pkgbase string, built alpm.Interface) []string {
	var lost []string
	for _, arch := range c.Architectures {
		before, ok := c.Bases.Interfaces(arch, pkgbase)
		if !ok {
			continue
		}
		for _, b := range before {
			if b.Pkgname != built.Pkgname {
				continue
			}
			for _, soname := range b.Sonames {
				if !slices.Contains(built.Sonames, soname) && !slices.Contains(lost, soname) {
					lost = append(lost, soname)
				}
			}
		}
	}
	return lost
}

// behind finds the changesets that lack commits of the base ref. One that cannot be
// compared counts, without a number.
func (c *Catalog) behind(ctx context.Context, changesets []buildgraph.PlannedChangeset) ([]Behind, error) {
	var list []Behind
	for _, change := range changesets[:min(len(changesets), maxBehind)] {
		source, err := c.Source(change.Source)
		if err != nil || source.Commit == "" || change.Commit == "" {
			continue // a source that is gone says so elsewhere
		}
		n, err := c.Mirror.Behind(ctx, change.Commit, source.Commit)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil || n > 0 {
			list = append(list, Behind{Changeset: buildbtw.Changeset{Source: change.Source, Ref: change.Ref}, Commits: n, Base: c.BaseRef})
		}
	}
	return list, nil
}

// moved finds what a buildspace builds from commits, or with versions, that others have
// overtaken.
func (c *Catalog) moved(s subject) (stale []string, outdated []Outdated) {
	for _, p := range s.packages {
		if source, err := c.Source(p.Source); err == nil && !p.Changed && source.Commit != "" && source.Commit != p.Commit {
			stale = append(stale, p.Pkgbase)
		}
		base, ok := c.Bases[p.Architecture]
		if !ok {
			continue
		}
		highest := ""
		for _, version := range base.Snapshot().Versions(p.Pkgbase, p.Pkgnames) {
			if highest == "" || alpm.Vercmp(version, highest) > 0 {
				highest = version
			}
		}
		if highest != "" && alpm.Vercmp(highest, p.Version) > 0 && !slices.ContainsFunc(outdated, func(o Outdated) bool { return o.Pkgbase == p.Pkgbase }) {
			outdated = append(outdated, Outdated{p.Pkgbase, p.Version, highest})
		}
	}
	return slices.Compact(stale), outdated
}

// Words describes an overlap for one side of it, which is called this.
func (o Overlap) Words(this string) string {
	var both, here, there, rebuilt, lost buildbtw.Names
	for _, s := range o.Shared {
		switch {
		case s.Here && s.There:
			both = append(both, s.Pkgbase)
		case s.Here:
			here = append(here, s.Pkgbase)
		case s.There:
			there = append(there, s.Pkgbase)
		default:
			rebuilt = append(rebuilt, s.Pkgbase)
		}
		lost = append(lost, s.Lost...)
	}
	var parts []string
	for _, p := range []struct {
		names buildbtw.Names
		words string
	}{
		{both, "both change %s"},
		{here, this + " changes %s, which " + o.Buildspace + " rebuilds"},
		{there, o.Buildspace + " changes %s, which " + this + " rebuilds"},
		{rebuilt, "both rebuild %s"},
		{lost, "%s would be gone from the base"},
	} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf(p.words, p.names.Summary()))
		}
	}
	return fmt.Sprintf("Overlaps with %s #%d: %s.", o.Buildspace, o.Iteration, strings.Join(parts, "; "))
}

// Words describes what a changeset lacks.
func (b Behind) Words() string {
	switch b.Commits {
	case 0:
		return fmt.Sprintf("It is not known whether %s has all commits of %s.", b.Changeset, b.Base)
	case 1:
		return fmt.Sprintf("%s lacks a commit that %s has.", b.Changeset, b.Base)
	}
	return fmt.Sprintf("%s lacks %d commits that %s has.", b.Changeset, b.Commits, b.Base)
}
