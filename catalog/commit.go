package catalog

import (
	"cmp"
	"context"
	"slices"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// SourceCommit names a commit of a source.
type SourceCommit struct{ Source, Commit string }

// CommitInfo is a commit of a source as people know it.
type CommitInfo struct {
	gitmirror.Commit
	Source  string
	Missing bool   // it is not in the mirror: only the id is known
	URL     string // at which the forge shows it; empty when there is none
}

// DescribeCommits returns what is known of commits of sources, with one question to the mirror.
// There is an entry for each; of one that the server made for a higher version it is about the
// source's commit.
func (c *Catalog) DescribeCommits(ctx context.Context, wanted []SourceCommit) (map[SourceCommit]CommitInfo, error) {
	infos := make(map[SourceCommit]CommitInfo, len(wanted))
	var ids, sources []string
	for _, w := range wanted {
		if _, listed := infos[w]; listed || w.Commit == "" {
			continue
		}
		infos[w] = CommitInfo{Commit: gitmirror.Commit{ID: w.Commit}, Source: w.Source, Missing: true}
		ids, sources = append(ids, w.Commit), append(sources, w.Source)
	}
	if len(ids) == 0 {
		return infos, nil
	}
	links, err := c.commitLinks(ctx, sources)
	if err != nil {
		return infos, err
	}
	of, err := c.unbumped(ctx, ids)
	if err != nil {
		return infos, err
	}
	for i, id := range ids {
		ids[i] = cmp.Or(of[id], id)
	}
	known, err := c.Mirror.Commits(ctx, ids)
	for w, info := range infos {
		info.ID = cmp.Or(of[w.Commit], w.Commit)
		info.URL = links(SourceCommit{w.Source, info.ID})
		if found, ok := known[info.ID]; ok {
			info.Commit, info.Missing = found, false
		} else {
			info.Missing = !c.Mirror.Coming(info.ID)
		}
		infos[w] = info
	}
	return infos, err
}

// unbumped returns the commits of sources of which those of the commits were made that the
// server made itself, for a higher version.
func (c *Catalog) unbumped(ctx context.Context, commits []string) (map[string]string, error) {
	made, err := c.Store.BumpsMade(ctx, commits)
	of := make(map[string]string, len(made))
	for _, b := range made {
		of[b.Commit] = b.SourceCommit
	}
	return of, err
}

// commitLinks returns a function with the addresses at which the forge shows commits of
// these sources.
func (c *Catalog) commitLinks(ctx context.Context, sources []string) (func(SourceCommit) string, error) {
	if c.CommitURL != "" || c.GitLabURL == "" {
		return func(w SourceCommit) string { return c.CommitURL.Of(w.Source, w.Commit) }, nil
	}
	slices.Sort(sources)
	paths, err := c.Store.ProjectPaths(ctx, slices.Compact(sources))
	return func(w SourceCommit) string {
		path := paths[w.Source]
		if path == "" {
			return "" // of a directory
		}
		return buildbtw.GitLabCommitURL(c.GitLabURL, path, w.Commit)
	}, err
}

// SourceLog is the history of a source between two commits, or up to one.
type SourceLog struct {
	Source  string
	From    *CommitInfo // nil: from the beginning
	To      CommitInfo
	Commits []CommitInfo // the newest first, at most gitmirror.MaxRange
	More    int          // older ones that are not listed
	Behind  int          // commits of From that To does not have
	Changes gitmirror.Changes
}

// Log returns the commits of a source that to has and from does not have, with what they
// changed. Both are branches, tags or commits; an empty to is the base ref, and without from
// the log goes back to the beginning and has no changes. The error is NotFound when the source
// or one of the commits is not there, and Invalid for what is no name.
func (c *Catalog) Log(ctx context.Context, slug, from, to string) (SourceLog, error) {
	l := SourceLog{Source: slug}
	if _, err := c.Source(slug); err != nil {
		return l, err
	}
	if to == "" {
		to = c.BaseRef
	}
	var err error
	if to, err = c.Mirror.ResolveCommit(ctx, slug, to); err != nil {
		return l, err
	}
	if from != "" {
		if from, err = c.Mirror.ResolveCommit(ctx, slug, from); err != nil {
			return l, err
		}
	}
	of, err := c.unbumped(ctx, []string{from, to})
	if err != nil {
		return l, err
	}
	from, to = cmp.Or(of[from], from), cmp.Or(of[to], to)
	r, err := c.Mirror.Between(ctx, from, to)
	if err != nil {
		return l, err
	}
	l.More, l.Behind = r.More, r.Behind
	ends := []SourceCommit{{slug, to}, {slug, from}}
	for _, commit := range r.Commits {
		ends = append(ends, SourceCommit{slug, commit.ID})
	}
	infos, err := c.DescribeCommits(ctx, ends)
	if err != nil {
		return l, err
	}
	l.To = infos[ends[0]]
	for _, w := range ends[2:] {
		l.Commits = append(l.Commits, infos[w])
	}
	if from == "" {
		return l, nil
	}
	before := infos[ends[1]]
	l.From = &before
	l.Changes, err = c.Mirror.Changes(ctx, from, to)
	return l, err
}
