package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/store"
)

// Push is a commit that a branch of a source has or had, with what it caused.
type Push struct {
	Commit    CommitInfo
	Ref       string
	Tip       bool // the branch still has it
	Caused    []PushCause
	Followers []string // active buildspaces that follow the branch; of a tip that caused nothing yet
}

// PushCause is what a push caused in one buildspace: the first iteration that has the commit,
// and how many later ones have it too.
type PushCause struct {
	First store.PushedIteration
	Last  store.PushedIteration // the newest that has it; First when there is one only
	Later int
}

// early is by how much a commit may be of the future, as clocks differ. One that claims more
// does not stand before all others for ever.
const early = time.Hour

// PushedBranch is a branch of a source, as a changeset names it, with the commit it has.
type PushedBranch struct {
	buildbtw.Changeset
	Commit gitmirror.Commit
}

// PushedBranches returns the branches whose commits were made last, by the committer's date,
// latest first, at most limit of them. A branch that stands where its source's base ref does
// is left out.
func (c *Catalog) PushedBranches(ctx context.Context, now time.Time, limit int) ([]PushedBranch, error) {
	tips, err := c.Mirror.NewestTips(ctx, c.Revision())
	if err != nil {
		return nil, err
	}
	based := atBase(tips, c.BaseRef)
	ids := make([]string, len(tips))
	for i, t := range tips {
		ids[i] = t.Commit
	}
	commits, err := c.Mirror.Commits(ctx, ids)
	if err != nil {
		return nil, err
	}
	branches := make([]PushedBranch, 0, limit)
	for _, t := range tips {
		commit, known := commits[t.Commit]
		if len(branches) == limit {
			break
		}
		if !known || commit.Committed.After(now.Add(early)) || t.Ref != c.BaseRef && based[t.Slug].Commit == t.Commit {
			continue
		}
		change := buildbtw.Changeset{Source: t.Slug, Ref: t.Ref}
		if t.Ref == c.BaseRef {
			change.Ref = ""
		}
		branches = append(branches, PushedBranch{change, commit})
	}
	return branches, nil
}

// Pushes returns the newest commits of all sources, by the committer's date, latest first: the
// tips of branches and the commits of iterations, at most some hundred of each. Part of them
// is described with what it caused by Causes.
func (c *Catalog) Pushes(ctx context.Context, now time.Time) ([]Push, error) {
	tips, err := c.Mirror.NewestTips(ctx, c.Revision())
	if err != nil {
		return nil, err
	}
	planned, err := c.Store.RecentChangesets(ctx)
	if err != nil {
		return nil, err
	}
	type place struct{ source, ref, commit string }
	seen := map[place]bool{}
	pushes := make([]Push, 0, len(tips)+len(planned))
	wanted := make([]SourceCommit, 0, len(tips)+len(planned))
	add := func(p place, tip bool) {
		if seen[p] || p.commit == "" {
			return
		}
		seen[p] = true
		pushes, wanted = append(pushes, Push{Ref: p.ref, Tip: tip}), append(wanted, SourceCommit{p.source, p.commit})
	}
	for _, t := range tips {
		add(place{t.Slug, t.Ref, t.Commit}, true)
	}
	for _, p := range planned {
		add(place{p.Source, cmp.Or(p.Ref, c.BaseRef), p.Commit}, false)
	}
	infos, err := c.DescribeCommits(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for i, w := range wanted {
		pushes[i].Commit = infos[w]
	}
	at := func(p Push) time.Time {
		if p.Commit.Committed.After(now.Add(early)) {
			return time.Time{}
		}
		return p.Commit.Committed
	}
	slices.SortStableFunc(pushes, func(a, b Push) int {
		return cmp.Or(at(b).Compare(at(a)), strings.Compare(a.Commit.Source, b.Commit.Source), strings.Compare(a.Ref, b.Ref))
	})
	return pushes, nil
}

// Causes adds to pushes the iterations that each caused, or who follows its branch. It asks
// the store twice, however many pushes there are.
func (c *Catalog) Causes(ctx context.Context, pushes []Push) error {
	var commits, sources []string
	for _, p := range pushes {
		commits, sources = append(commits, p.Commit.ID), append(sources, p.Commit.Source)
	}
	made, err := c.Store.IterationsOfCommits(ctx, commits)
	if err != nil {
		return err
	}
	followers, err := c.Store.Followers(ctx, sources)
	if err != nil {
		return err
	}
	for i := range pushes {
		p := &pushes[i]
		for _, it := range made {
			if it.Source == p.Commit.Source && it.Commit == p.Commit.ID {
				p.cause(it)
			}
		}
		if len(p.Caused) > 0 || !p.Tip {
			continue
		}
		for _, f := range followers {
			if f.Source == p.Commit.Source && cmp.Or(f.Ref, c.BaseRef) == p.Ref {
				p.Followers = append(p.Followers, f.Buildspace)
			}
		}
	}
	return nil
}

// cause adds an iteration, which is newer than those that were added before.
func (p *Push) cause(it store.PushedIteration) {
	at := slices.IndexFunc(p.Caused, func(c PushCause) bool { return c.First.Buildspace == it.Buildspace })
	if at < 0 {
		p.Caused = append(p.Caused, PushCause{First: it, Last: it})
		return
	}
	p.Caused[at].Last = it
	p.Caused[at].Later++
}
