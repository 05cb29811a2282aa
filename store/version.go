package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
)

// Bump is a commit that buildbtw made from a source's commit, with a higher pkgrel and
// otherwise the same.
type Bump struct {
	Commit       string `bun:"commit_id"`
	SourceCommit string `bun:"source_commit"`
	From         string `bun:"bumped_from"` // the source's version
	Version      string `bun:"version"`
}

// TakenVersion is a version of a pkgbase that a buildspace builds or has built for an
// architecture. Input is the digest of its inputs (PlannedInputs), which tells whether
// another build may use the same version; it is empty for builds from before it was stored.
type TakenVersion struct {
	Pkgbase      string `bun:"pkgbase"`
	Architecture string `bun:"architecture"`
	Version      string `bun:"version"`
	Input        string `bun:"input"`

	// Begun reports that packages of the version may exist: another buildspace has taken
	// it, or a build of it is running or was built. A version that was only planned, or
	// that failed, may be taken again by the same buildspace.
	Begun bool `bun:"begun"`
}

// TakenVersions lists the versions of these pkgbases that any buildspace has taken. Begun is
// set as it is for the buildspace with the given id; 0 means one that does not exist yet.
func (q *Reader) TakenVersions(ctx context.Context, buildspace int64, pkgbases []string) ([]TakenVersion, error) {
	var list []TakenVersion
	err := q.list(ctx, &list, "taken_versions", args{"buildspace": buildspace, "pkgbases": textList(pkgbases)})
	if err != nil {
		return nil, fmt.Errorf("list the versions of %d packages: %w", len(pkgbases), err)
	}
	return list, nil
}

// BumpsOfCommits lists the bumps that were made from these commits of sources.
func (q *Reader) BumpsOfCommits(ctx context.Context, commits []string) ([]Bump, error) {
	var list []Bump
	err := q.list(ctx, &list, "bumps_of_commits", args{"commits": textList(commits)})
	if err != nil {
		return nil, fmt.Errorf("list the bumps of %d commits: %w", len(commits), err)
	}
	return list, nil
}

// BumpsMade lists those of the commits that are bumps.
func (q *Reader) BumpsMade(ctx context.Context, commits []string) ([]Bump, error) {
	var list []Bump
	if err := q.list(ctx, &list, "bumps_made", args{"commits": textList(commits)}); err != nil {
		return nil, fmt.Errorf("list the bumps among %d commits: %w", len(commits), err)
	}
	return list, nil
}

// BumpedIteration is an iteration, with whether bumps must be kept for it.
type BumpedIteration struct {
	ID         int64  `bun:"id"`
	Buildspace string `bun:"buildspace"`
	Iteration  int    `bun:"iteration"`
	Needed     bool   `bun:"needed"` // it still builds something, and some of its builds are of bumps
}

// BumpedIterations lists all iterations, the oldest first.
func (q *Reader) BumpedIterations(ctx context.Context) ([]BumpedIteration, error) {
	var list []BumpedIteration
	if err := q.list(ctx, &list, "iterations_with_bumps", nil); err != nil {
		return nil, fmt.Errorf("list the iterations with bumps: %w", err)
	}
	return list, nil
}

// BumpsOfIteration lists the bumps that the builds of an iteration are built from.
func (q *Reader) BumpsOfIteration(ctx context.Context, iteration int64) ([]Bump, error) {
	var list []Bump
	if err := q.list(ctx, &list, "bumps_of_iteration", args{"iteration": iteration}); err != nil {
		return nil, fmt.Errorf("list the bumps of iteration %d: %w", iteration, err)
	}
	return list, nil
}

// takeVersions stores the versions that a new iteration of the buildspace builds, and the
// commits that were made for them.
func (t *tx) takeVersions(ctx context.Context, buildspace int64, versions []TakenVersion, bumps []Bump) error {
	taken := make([][4]string, len(versions))
	for i, v := range versions {
		taken[i] = [4]string{v.Pkgbase, v.Architecture, v.Version, v.Input}
	}
	made := make([][4]string, len(bumps))
	for i, b := range bumps {
		made[i] = [4]string{b.Commit, b.SourceCommit, b.From, b.Version}
	}
	for name, rows := range map[string][][4]string{"take_versions": taken, "add_bumps": made} {
		if len(rows) == 0 {
			continue
		}
		list, err := json.Marshal(rows)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, name, args{"buildspace": buildspace, "versions": string(list), "bumps": string(list)}); err != nil {
			return fmt.Errorf("take %d versions: %w", len(versions), err)
		}
	}
	return nil
}

// PlannedInputs returns, by architecture and pkgbase, a digest of all inputs of the builds
// of a plan that are known before any of them is built: the commit of the source, the
// packages of the base, and the digests of the builds that it depends on. Two builds with the
// same digest get the same version, and so the same commit and input key.
func PlannedInputs(plan *buildgraph.Plan, base PlanBase) map[string]map[string]string {
	all := make(map[string]map[string]string, len(plan.Architectures))
	for arch, p := range plan.Architectures {
		into := make(map[string][]string, len(p.Builds))
		for _, e := range p.Edges {
			into[e.To] = append(into[e.To], e.From)
		}
		builds := slices.Clone(p.Builds)
		slices.SortStableFunc(builds, func(x, y buildgraph.Build) int { return cmp.Compare(x.Level, y.Level) })
		digests, inputs := make(map[string]string, len(builds)), make(map[string]string, len(builds))
		for _, b := range builds {
			commit, _ := b.Unbumped()
			row := buildbtw.Build{
				Pkgbase: b.Pkgbase, Commit: commit, Architecture: arch, Stage: b.Stage, NoCheck: b.NoCheck,
				NotOwned: b.NotOwned, BaseInputs: base[arch][b.Key()].Inputs,
			}
			from := slices.Sorted(slices.Values(into[b.Key()]))
			deps := make([]input, len(from))
			for i, name := range from {
				pkgbase, second := strings.CutSuffix(name, "@2")
				deps[i] = input{pkgbase: pkgbase, stage: 1, output: digests[name]}
				if second {
					deps[i].stage = 2
				}
			}
			digest := alpm.ShortDigest(inputKey(&row, deps))
			digests[b.Key()] = digest
			if first := inputs[b.Pkgbase]; first != "" { // the two stages have one version
				digest = alpm.ShortDigest(first + " " + digest)
			}
			inputs[b.Pkgbase] = digest
		}
		all[arch] = inputs
	}
	return all
}
