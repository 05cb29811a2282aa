package apiv1

import (
	"context"
	"log/slog"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
)

// namedCommits is how many commits of a diff are described.
const namedCommits = 200

// sourceCommits answers GET /sources/{slug}/commits: the log between two commits and what they
// changed.
func (a *API) sourceCommits(c *fiber.Ctx) error {
	slug, err := param(c, "slug")
	if err != nil {
		return err
	}
	l, err := a.Catalog.Log(c.UserContext(), slug, c.Query("from"), c.Query("to"))
	if err != nil {
		return err
	}
	w := api.SourceLog{
		Source: slug, To: wireInfo(l.To), Commits: list(l.Commits, wireInfo), More: l.More, Behind: l.Behind,
		Diff: list(l.Changes.Recipe, func(d gitmirror.DiffLine) api.DiffLine {
			return api.DiffLine{Kind: string(rune(d.Kind)), Text: d.Text, Old: d.Old, New: d.New}
		}),
		DiffCut: l.Changes.RecipeCut, NoDiff: l.Changes.Whole, MoreFiles: l.Changes.MoreFiles,
		Files: list(l.Changes.Files, func(f gitmirror.ChangedFile) api.ChangedFile { return api.ChangedFile(f) }),
	}
	if l.From != nil {
		from := wireInfo(*l.From)
		w.From = &from
	}
	return send(c, w)
}

// pushes answers GET /pushes: the newest commits with what each caused.
func (a *API) pushes(c *fiber.Ctx) error {
	all, err := a.Catalog.Pushes(c.UserContext(), a.Now())
	if err != nil {
		return err
	}
	page, err := cut(c, all, func(p catalog.Push) string { return p.Commit.Source + "/" + p.Ref + "/" + p.Commit.ID })
	if err != nil {
		return err
	}
	part := slices.Clone(page.Items)
	if err := a.Catalog.Causes(c.UserContext(), part); err != nil {
		return err
	}
	return send(c, api.Page[api.Push]{Cursor: page.Cursor, Items: list(part, a.wirePush)})
}

func (a *API) wirePush(p catalog.Push) api.Push {
	w := api.Push{Source: p.Commit.Source, Ref: p.Ref, Commit: wireInfo(p.Commit), Followers: p.Followers}
	if !p.Commit.Committed.IsZero() {
		w.Commit.At = &p.Commit.Committed
	}
	w.Caused = list(p.Caused, func(cause catalog.PushCause) api.PushCause {
		it := cause.First
		return api.PushCause{
			Buildspace: it.Buildspace, Iteration: it.Number, Status: it.Status(), Counts: it.Counts, Later: cause.Later, Last: cause.Last.Number,
			URL: a.page("buildspaces", it.Buildspace, strconv.Itoa(it.Number)),
		}
	})
	return w
}

// commits returns a function with what is known of commits. It asks the mirror once for all;
// where it cannot be read only the ids are answered.
func (a *API) commits(ctx context.Context, wanted ...catalog.SourceCommit) func(source, commit string) api.Commit {
	infos, err := a.Catalog.DescribeCommits(ctx, wanted)
	if err != nil {
		a.Log.WarnContext(ctx, "commits cannot be read", slog.Any("error", err))
	}
	return func(source, commit string) api.Commit {
		info, ok := infos[catalog.SourceCommit{Source: source, Commit: commit}]
		if !ok || err != nil {
			return api.Commit{ID: commit}
		}
		return wireInfo(info)
	}
}

func wireInfo(c catalog.CommitInfo) api.Commit {
	w := wireCommit(c.Commit)
	w.Missing, w.URL = c.Missing, c.URL
	return w
}

// addSpan adds the commits between those of two results.
func (a *API) addSpan(ctx context.Context, source string, s *api.SinceBuilt) {
	if s.CommitBefore == "" || s.CommitBefore == s.Commit {
		return
	}
	r, err := a.Sources.Between(ctx, s.CommitBefore, s.Commit)
	if err != nil {
		return // one of them is not in the mirror any more
	}
	var wanted []catalog.SourceCommit
	for _, c := range r.Commits {
		wanted = append(wanted, catalog.SourceCommit{Source: source, Commit: c.ID})
	}
	known := a.commits(ctx, wanted...)
	for _, w := range wanted {
		s.Commits = append(s.Commits, known(w.Source, w.Commit))
	}
	s.MoreCommits = r.More
}
