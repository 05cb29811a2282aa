package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// Diff is what changed from one iteration of a buildspace to another.
type Diff struct {
	From, To      int // iteration numbers
	Architectures map[string]ArchDiff
}

// ArchDiff is the diff of one architecture's graph. Builds are named by
// pkgbase, "pkgbase@2" for a second stage; all lists are sorted.
type ArchDiff struct {
	Added, Removed           []string
	Changed                  []BuildChange
	EdgesAdded, EdgesRemoved []EdgeChange
}

// BuildChange is a build whose commit moved.
type BuildChange struct {
	Pkgbase     string
	FromCommit  string
	ToCommit    string
	FromVersion string
	ToVersion   string
}

// EdgeChange is an edge by the names of its builds.
type EdgeChange struct {
	From, To string
	Kinds    buildbtw.EdgeKinds
}

// Diff compares two iterations of a buildspace; 0 is the latest. Architectures
// without a difference are left out.
func (s *Store) Diff(ctx context.Context, buildspace string, from, to int) (Diff, error) {
	d := Diff{Architectures: map[string]ArchDiff{}}
	err := s.view(ctx, func(q *sqlx.Tx) error {
		before, err := iterationOf(ctx, q, buildspace, from)
		if err != nil {
			return err
		}
		after, err := iterationOf(ctx, q, buildspace, to)
		if err != nil {
			return err
		}
		d.From, d.To = before.Number, after.Number
		a, err := snapshots(ctx, q, before.ID)
		if err != nil {
			return err
		}
		b, err := snapshots(ctx, q, after.ID)
		if err != nil {
			return err
		}
		d.compare(a, b)
		return nil
	})
	if err != nil {
		return Diff{}, fmt.Errorf("compare iterations %d and %d of %s: %w", from, to, buildspace, err)
	}
	return d, nil
}

// snapshot is an architecture's graph by names, which mean the same in every
// iteration.
type snapshot struct {
	builds map[string]version
	edges  map[edgeName]buildbtw.EdgeKinds
}

type version struct{ commit, version string }

type edgeName struct{ from, to string }

func snapshots(ctx context.Context, q *sqlx.Tx, iteration int64) (map[string]snapshot, error) {
	var builds []struct {
		ID           int64  `bun:"id"`
		Architecture string `bun:"architecture"`
		Name         string `bun:"name"`
		Commit       string `bun:"commit_id"`
		Version      string `bun:"version"`
	}
	err := q.SelectContext(ctx, &builds, `SELECT id, architecture, CASE stage WHEN 2 THEN pkgbase || '@2' ELSE pkgbase END AS name, commit_id, version
FROM builds WHERE iteration_id = ?`, iteration)
	if err != nil {
		return nil, err
	}
	all := map[string]snapshot{}
	place := map[int64]int{}
	for i, b := range builds {
		if _, found := all[b.Architecture]; !found {
			all[b.Architecture] = snapshot{map[string]version{}, map[edgeName]buildbtw.EdgeKinds{}}
		}
		all[b.Architecture].builds[b.Name] = version{b.Commit, b.Version}
		place[b.ID] = i
	}
	var edges []struct {
		From  int64              `bun:"from_build"`
		To    int64              `bun:"to_build"`
		Kinds buildbtw.EdgeKinds `bun:"kinds"`
	}
	err = q.SelectContext(ctx, &edges, `SELECT from_build, to_build, kinds FROM edges
WHERE from_build BETWEEN (SELECT min(id) FROM builds WHERE iteration_id = ?) AND (SELECT max(id) FROM builds WHERE iteration_id = ?)`, iteration, iteration)
	for _, e := range edges {
		from, to := builds[place[e.From]], builds[place[e.To]]
		all[from.Architecture].edges[edgeName{from.Name, to.Name}] = e.Kinds
	}
	return all, err
}

func (d *Diff) compare(before, after map[string]snapshot) {
	archs := maps.Clone(before)
	maps.Copy(archs, after)
	for arch := range archs {
		a := compare(before[arch], after[arch])
		if len(a.Added)+len(a.Removed)+len(a.Changed)+len(a.EdgesAdded)+len(a.EdgesRemoved) > 0 {
			d.Architectures[arch] = a
		}
	}
}

func compare(before, after snapshot) ArchDiff {
	d := ArchDiff{
		Added: missing(after.builds, before.builds), Removed: missing(before.builds, after.builds),
		EdgesAdded: missingEdges(after.edges, before.edges), EdgesRemoved: missingEdges(before.edges, after.edges),
	}
	for _, name := range slices.Sorted(maps.Keys(after.builds)) {
		a, b := before.builds[name], after.builds[name]
		if _, found := before.builds[name]; found && a.commit != b.commit {
			d.Changed = append(d.Changed, BuildChange{name, a.commit, b.commit, a.version, b.version})
		}
	}
	return d
}

// missing lists the keys of a that b does not have.
func missing(a, b map[string]version) []string {
	var list []string
	for name := range a {
		if _, found := b[name]; !found {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func missingEdges(a, b map[edgeName]buildbtw.EdgeKinds) []EdgeChange {
	var list []EdgeChange
	for e, kinds := range a {
		if _, found := b[e]; !found {
			list = append(list, EdgeChange{e.from, e.to, kinds})
		}
	}
	slices.SortFunc(list, func(x, y EdgeChange) int {
		return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
	return list
}
