package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pkgrel"
	"buildbtw/store"
)

// VersionRequest is a plan, with all that Versions needs to choose the versions of its builds.
type VersionRequest struct {
	Plan       *buildgraph.Plan // as PlanAt returned it; it is not changed
	Base       store.PlanBase   // from BaseDigests
	Settings   buildbtw.Settings
	Buildspace int64              // 0: there is none yet
	Bumps      *gitmirror.BumpsOf // nil: only the versions are wanted, no commits
}

// Versioned is the result of Versions: a plan whose builds have their versions.
type Versioned struct {
	Plan  *buildgraph.Plan
	Taken []store.TakenVersion // to be stored with the iteration, as what was made is
	Made  []store.Bump
}

// Versions finds for each build of a plan a version above what the base and the
// buildspaces show, where pacman would not install it else: the source's own, or one
// with the next whole pkgrel. A version stands for one content: the same inputs get the
// version that they had before, so that the packages are found again, and others one
// that nobody has taken. What cannot get one is built as it is, with a warning.
//
// One loop makes all iterations: no two are between here and their row.
func (c *Catalog) Versions(ctx context.Context, r VersionRequest) (Versioned, error) {
	v := &versions{
		request: r, inputs: store.PlannedInputs(r.Plan, r.Base), sources: map[string][]planned{},
		chosen: map[string]string{}, bumped: map[string]string{}, pkgver: map[string]bool{},
	}
	for _, arch := range slices.Sorted(maps.Keys(r.Plan.Architectures)) {
		for _, b := range r.Plan.Architectures[arch].Builds {
			v.sources[b.Pkgbase] = append(v.sources[b.Pkgbase], planned{arch, b})
		}
	}
	v.pkgbases = slices.Sorted(maps.Keys(v.sources))
	taken, err := c.Store.TakenVersions(ctx, r.Buildspace, v.pkgbases)
	if err != nil {
		return Versioned{}, err
	}
	v.taken = map[string][]store.TakenVersion{}
	for _, t := range taken {
		v.taken[t.Pkgbase] = append(v.taken[t.Pkgbase], t)
	}
	for _, pkgbase := range v.pkgbases {
		v.choose(pkgbase, c.shown(v.sources[pkgbase]))
	}
	if err := c.bump(ctx, v); err != nil {
		return Versioned{}, err
	}
	return v.result(), nil
}

// planned is a build of a plan with its architecture.
type planned struct {
	arch string
	buildgraph.Build
}

// versions is what is found out about the versions of a plan.
type versions struct {
	request  VersionRequest
	inputs   map[string]map[string]string // see store.PlannedInputs
	sources  map[string][]planned         // by pkgbase
	pkgbases []string
	taken    map[string][]store.TakenVersion

	chosen  map[string]string // by pkgbase: the version, where it is not the source's
	bumped  map[string]string // by pkgbase: the commit that has it
	pkgver  map[string]bool   // by pkgbase: pkgver() may change the version
	made    []store.Bump
	behind  []string // pkgbases of which another pkgver or epoch is higher than the source's
	refused []buildgraph.Warning
}

// shown lists the versions that the base has of a build's packages, as far as they come
// from it, for all its architectures.
func (c *Catalog) shown(builds []planned) []string {
	var shown []string
	for _, b := range builds {
		base, ok := c.Bases[b.arch]
		if !ok {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(b.Pkgnames), func(name string) bool { return b.NotOwned[name] != "" })
		shown = append(shown, base.Snapshot().Versions(b.Pkgbase, names)...)
	}
	return shown
}

// choose finds the version of a pkgbase.
func (v *versions) choose(pkgbase string, shown []string) {
	builds := v.sources[pkgbase]
	version := builds[0].Version
	if !v.request.Settings.Bump {
		return
	}
	var same []string
	others := map[string]bool{}
	for _, t := range v.taken[pkgbase] {
		input, built := v.inputs[t.Architecture][pkgbase]
		switch {
		case !built:
		case t.Input == input && (v.request.Settings.Reuse || !t.Begun):
			same = append(same, t.Version)
		case t.Begun:
			others[t.Version] = true
		}
	}
	slices.SortFunc(same, func(x, y string) int { return alpm.Vercmp(y, x) })
	for _, known := range same {
		if next, ok := pkgrel.Next(known, shown); ok && next == known && !others[known] && samePkgver(known, version) {
			v.set(pkgbase, known)
			return
		}
	}
	shown = slices.Concat(shown, slices.Collect(maps.Keys(others)))
	next, ok := pkgrel.Next(version, shown)
	if !ok { // then it is at least none that somebody has
		v.behind = append(v.behind, pkgbase)
		next, _ = pkgrel.Next(version, slices.DeleteFunc(shown, func(s string) bool { return !samePkgver(s, version) }))
	}
	v.set(pkgbase, next)
}

func (v *versions) set(pkgbase, version string) {
	if version != v.sources[pkgbase][0].Version {
		v.chosen[pkgbase] = version
	}
}

func samePkgver(a, b string) bool {
	x, _, _ := strings.Cut(a, "-")
	y, _, _ := strings.Cut(b, "-")
	return x == y
}

// bump finds out which of the chosen versions can be had, and makes the commits if that
// was asked for.
func (c *Catalog) bump(ctx context.Context, v *versions) error {
	var commits, pkgbases []string
	for _, pkgbase := range v.pkgbases {
		if v.chosen[pkgbase] != "" {
			pkgbases, commits = append(pkgbases, pkgbase), append(commits, v.sources[pkgbase][0].Commit)
		}
	}
	if len(commits) == 0 {
		return nil
	}
	recipes, err := c.Mirror.Recipes(ctx, commits)
	if err != nil {
		return err
	}
	var wanted []string
	for i, pkgbase := range pkgbases {
		r := recipes[commits[i]]
		if r.Fixed != nil {
			v.refuse(pkgbase, r.Fixed)
			continue
		}
		if r.Pkgver {
			v.pkgver[pkgbase] = true
		}
		wanted = append(wanted, pkgbase)
	}
	if v.request.Bumps == nil || len(wanted) == 0 {
		return nil
	}
	known, err := c.Store.BumpsOfCommits(ctx, commits)
	if err != nil {
		return err
	}
	type key struct{ commit, version string }
	before := map[key]string{}
	for _, b := range known {
		before[key{b.SourceCommit, b.Version}] = b.Commit
	}
	list := make([]gitmirror.Bump, len(wanted))
	for i, pkgbase := range wanted {
		commit := v.sources[pkgbase][0].Commit
		list[i] = gitmirror.Bump{Commit: commit, Version: v.chosen[pkgbase], Made: before[key{commit, v.chosen[pkgbase]}]}
	}
	made, err := c.Mirror.Bump(ctx, *v.request.Bumps, list)
	if err != nil {
		return err
	}
	for i, pkgbase := range wanted {
		if made[i].Err != nil {
			v.refuse(pkgbase, made[i].Err)
			continue
		}
		v.bumped[pkgbase] = made[i].Commit
		v.made = append(v.made, store.Bump{
			Commit: made[i].Commit, SourceCommit: list[i].Commit, From: v.sources[pkgbase][0].Version, Version: list[i].Version,
		})
	}
	return nil
}

// refuse leaves a pkgbase with the version of its source, and adds a warning that says why.
func (v *versions) refuse(pkgbase string, why error) {
	b := v.sources[pkgbase][0]
	v.refused = append(v.refused, buildgraph.Warning{Kind: buildgraph.WarnVersion, Source: b.Source, Message: fmt.Sprintf(
		"%s is built as %s, which pacman -Syu does not take where that version is installed already: it should be %s, but %s",
		pkgbase, b.Version, v.chosen[pkgbase], buildbtw.MessageOf(why))})
	delete(v.chosen, pkgbase)
	delete(v.pkgver, pkgbase)
}

// result returns a copy of the plan with the chosen versions and all warnings.
func (v *versions) result() Versioned {
	plan := *v.request.Plan
	out := Versioned{Plan: &plan, Made: v.made}
	plan.Architectures = make(map[string]*buildgraph.ArchPlan, len(v.request.Plan.Architectures))
	for arch, p := range v.request.Plan.Architectures {
		changed := *p
		changed.Builds = slices.Clone(p.Builds)
		for i := range changed.Builds {
			b := &changed.Builds[i]
			if version := v.chosen[b.Pkgbase]; version != "" {
				b.BumpedFrom, b.Version = b.Version, version
			}
			if commit := v.bumped[b.Pkgbase]; commit != "" {
				b.SourceCommit, b.Commit = b.Commit, commit
			}
		}
		plan.Architectures[arch] = &changed
	}
	for _, arch := range slices.Sorted(maps.Keys(plan.Architectures)) {
		for _, b := range plan.Architectures[arch].Builds {
			if b.Stage == 1 {
				out.Taken = append(out.Taken, store.TakenVersion{Pkgbase: b.Pkgbase, Architecture: arch, Version: b.Version, Input: v.inputs[arch][b.Pkgbase]})
			}
		}
	}
	plan.Warnings = slices.Concat(plan.Warnings, v.refused)
	if len(v.behind) > 0 {
		plan.Warnings = append(plan.Warnings, buildgraph.Warning{Kind: buildgraph.WarnVersion, Message: fmt.Sprintf(
			"older than what the base or a buildspace has, so that pacman -Syu does not take it, and no pkgrel helps: %s; update the source", buildbtw.Names(v.behind).Summary())})
	}
	if names := slices.Sorted(maps.Keys(v.pkgver)); len(names) > 0 {
		plan.Warnings = append(plan.Warnings, buildgraph.Warning{Kind: buildgraph.WarnVersion, Message: fmt.Sprintf(
			"pkgver() may find another version than the .SRCINFO has; then makepkg sets pkgrel to 1, which may be no higher than what is replaced: %s", buildbtw.Names(names).Summary())})
	}
	return out
}
