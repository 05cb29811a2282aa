package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/store"
)

// FixedSource is the source of one or more failed builds, and the commit of it that a new
// iteration builds instead.
type FixedSource struct {
	buildbtw.Changeset
	Failed string           // id of the commit whose build failed
	Commit gitmirror.Commit // the changeset's commit now; only its id when the mirror cannot read it
	Added  bool             // the fix made the source a changeset; false: it was one before
}

// Newer reports whether the source now has another commit than the one that failed.
func (f FixedSource) Newer() bool { return f.Commit.ID != f.Failed }

// String describes what will be built, in words for people: "curl/main at 1a2b3c4 Fix a typo".
func (f FixedSource) String() string {
	if !f.Newer() {
		return fmt.Sprintf("%s is a changeset now; nothing newer than %s, which failed, has been pushed yet", f.Changeset, buildbtw.ShortCommit(f.Failed))
	}
	words := f.Changeset.String() + " at " + buildbtw.ShortCommit(f.Commit.ID)
	if f.Commit.Subject != "" {
		words += " " + f.Commit.Subject
	}
	return words
}

// Fixed is the result of Fix.
type Fixed struct {
	Buildspace store.BuildspaceRow // with its changesets as they are now
	Sources    []FixedSource       // of the builds, each once, in the order of the builds
	Already    bool                // nothing was changed: the latest or the next iteration builds these commits anyway
}

// Fix makes the sources of failed builds changesets of their buildspace and requests one
// new iteration, which builds the newest commits of these sources. Asking again for the
// same returns Already and changes nothing.
//
// The error is NotFound when there is no such buildspace, build or ref, Invalid when no or
// too many builds are named or one is of another buildspace, and Conflict when a build has
// not failed, or its source is a changeset already and has no newer commit.
func (c *Catalog) Fix(ctx context.Context, u buildbtw.User, buildspace string, f buildbtw.Fix) (Fixed, error) {
	switch {
	case len(f.Builds) == 0:
		return Fixed{}, buildbtw.Invalid("no build is named; choose at least one that failed")
	case len(f.Builds) > buildbtw.MaxFixes:
		return Fixed{}, buildbtw.Invalid("%d builds are named; at most %d are fixed at once", len(f.Builds), buildbtw.MaxFixes)
	}
	row, err := c.Store.Buildspace(ctx, buildspace)
	if err != nil {
		return Fixed{}, err
	}
	done := Fixed{Buildspace: row}
	current := true // every build is of an iteration whose builds may still change
	builds, err := c.Store.BuildsWithID(ctx, f.Builds)
	if err != nil {
		return Fixed{}, err
	}
	for _, b := range builds {
		if b.Buildspace != row.Name {
			return Fixed{}, buildbtw.Invalid("build %d belongs to buildspace %s, not to %s", b.ID, b.Buildspace, row.Name)
		}
		latest := row.Latest != nil && b.Iteration == row.Latest.Number
		if err := b.CanFix(); latest && err != nil {
			return Fixed{}, err
		}
		current = current && latest
		if slices.ContainsFunc(done.Sources, func(s FixedSource) bool { return s.Source == b.Source }) {
			continue // of another architecture
		}
		source, err := c.fixSource(ctx, row, b, f.Ref)
		if err != nil {
			return Fixed{}, err
		}
		done.Sources = append(done.Sources, source)
	}
	if err := c.describe(ctx, done.Sources); err != nil {
		return Fixed{}, err
	}
	if done.Already, err = c.fixedAlready(ctx, row, done.Sources, current); err != nil || done.Already {
		return done, err
	}
	if current {
		for _, s := range done.Sources {
			if !s.Added && !s.Newer() {
				return Fixed{}, buildbtw.Conflict("nothing newer than %s, the commit that failed, is at %s: push a fix first", buildbtw.ShortCommit(s.Failed), s.Changeset)
			}
		}
	}
	fix := store.Fix{Builds: f.Builds, Text: fixText(u.Name, done.Sources)}
	for _, s := range done.Sources {
		fix.Changesets = append(fix.Changesets, s.Changeset)
	}
	done.Buildspace, err = c.Store.FixBuilds(ctx, u.Name, row.Name, fix)
	return done, err
}

// fixSource returns the source of a failed build with the id of its commit now: at ref or,
// when that is empty, at the ref of the changeset that it is, else at the base ref.
func (c *Catalog) fixSource(ctx context.Context, row store.BuildspaceRow, b store.BuildRow, ref string) (FixedSource, error) {
	s := FixedSource{Changeset: buildbtw.Changeset{Source: b.Source, Ref: ref}, Failed: cmp.Or(b.SourceCommit, b.Commit), Added: true}
	for _, change := range row.Changesets {
		same := ref == "" || change.Ref == ref || change.Ref == "" && ref == c.BaseRef
		if change.Source == b.Source && same {
			s.Changeset, s.Added = change, false
		}
	}
	commit, err := c.Resolve(ctx, s.Changeset)
	if err != nil {
		return s, err
	}
	s.Commit.ID = commit
	return s, nil
}

// describe adds to the ids of the sources' commits what else the mirror knows of them.
func (c *Catalog) describe(ctx context.Context, sources []FixedSource) error {
	ids := make([]string, len(sources))
	for i, s := range sources {
		ids[i] = s.Commit.ID
	}
	known, err := c.Mirror.Commits(ctx, ids)
	for i, id := range ids {
		if found, ok := known[id]; ok {
			sources[i].Commit = found
		}
	}
	return err
}

// fixedAlready reports whether there is nothing to do for a fix: all sources are changesets,
// and a new iteration is requested already, or the latest one has just these commits. Current
// means that all builds are of the latest iteration, in which these commits have failed.
func (c *Catalog) fixedAlready(ctx context.Context, row store.BuildspaceRow, sources []FixedSource, current bool) (bool, error) {
	if slices.ContainsFunc(sources, func(s FixedSource) bool { return s.Added }) {
		return false, nil
	}
	if row.Wanted != "" && row.Status == buildbtw.BuildspaceActive {
		return true, nil
	}
	if current || row.Latest == nil {
		return false, nil
	}
	planned, err := c.Store.IterationChangesets(ctx, row.Latest.ID)
	if err != nil {
		return false, err
	}
	at := map[string]string{}
	for _, p := range planned {
		at[p.Source] = p.Commit
	}
	return !slices.ContainsFunc(sources, func(s FixedSource) bool { return at[s.Source] != s.Commit.ID }), nil
}

// namedFixes is the number of sources that a sentence lists before it counts the rest.
const namedFixes = 5

// fixText returns the reason of the new iteration, as a sentence for its page.
func fixText(actor string, sources []FixedSource) string {
	return fmt.Sprintf("Builds with fixes, asked for by %s: %s.", actor, named(sources))
}

// named describes the first namedFixes sources as String does, and counts the others.
func named(sources []FixedSource) string {
	words := make([]string, 0, namedFixes)
	for _, s := range sources[:min(len(sources), namedFixes)] {
		words = append(words, s.String())
	}
	text := strings.Join(words, "; ")
	if more := len(sources) - len(words); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// NewerCommits returns, by the id of the build, the commit that the base ref of a failed
// build's source has now. It leaves out builds whose source still has the commit that
// failed, and those whose source is a changeset at another ref. When commits cannot be read
// there is an error, and the commits in the result have ids only.
func (c *Catalog) NewerCommits(ctx context.Context, failed []store.FixableBuild) (map[int64]gitmirror.Commit, error) {
	newer := map[int64]gitmirror.Commit{}
	var ids []string
	for _, b := range failed {
		if b.Ref != "" && b.Ref != c.BaseRef {
			continue
		}
		source, err := c.Source(b.Source)
		if err == nil && source.Commit != "" && source.Commit != b.Commit {
			newer[b.ID] = gitmirror.Commit{ID: source.Commit}
			ids = append(ids, source.Commit)
		}
	}
	if len(ids) == 0 {
		return newer, nil
	}
	known, err := c.Mirror.Commits(ctx, ids)
	for id, commit := range newer {
		if found, ok := known[commit.ID]; ok {
			newer[id] = found
		}
	}
	return newer, err
}

// PushedFixes returns a fix of those failed builds whose source has a newer commit at the
// base ref and is not a changeset of the buildspace yet, and the ids of these commits, one
// for each changeset of the fix. The fix names no builds when there are none.
func (c *Catalog) PushedFixes(ctx context.Context, failed []store.FixableBuild) (fix store.Fix, at []string, err error) {
	failed = slices.DeleteFunc(slices.Clone(failed), func(b store.FixableBuild) bool { return b.Changeset })
	newer, err := c.NewerCommits(ctx, failed)
	if err != nil || len(newer) == 0 {
		return fix, nil, err
	}
	var sources []FixedSource
	for _, b := range failed {
		commit, pushed := newer[b.ID]
		if !pushed {
			continue
		}
		fix.Builds = append(fix.Builds, b.ID)
		if slices.ContainsFunc(sources, func(s FixedSource) bool { return s.Source == b.Source }) {
			continue // of another architecture
		}
		s := FixedSource{Changeset: buildbtw.Changeset{Source: b.Source}, Failed: b.Commit, Commit: commit, Added: true}
		sources, fix.Changesets, at = append(sources, s), append(fix.Changesets, s.Changeset), append(at, commit.ID)
	}
	fix.Text = "Follows fixes that were pushed to what failed: " + named(sources) + "."
	return fix, at, nil
}
