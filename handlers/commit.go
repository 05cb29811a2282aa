package handlers

import (
	"context"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	pushesPerPage = 50
	eventCommits  = 3 // changesets that the event of a new iteration names
)

// commitPage shows the commits of a source between two, and what they changed.
func (a *App) commitPage(c *fiber.Ctx) error {
	slug, err := param(c, "slug")
	if err != nil {
		return err
	}
	l, err := a.Catalog.Log(c.UserContext(), slug, c.Query("from"), c.Query("to"))
	if err != nil {
		return err
	}
	v := views.SourceCommits{
		Slug: slug, To: a.commitLine(l.To), More: l.More, Behind: l.Behind, NoDiff: l.Changes.Whole, DiffCut: l.Changes.RecipeCut, MoreFiles: l.Changes.MoreFiles,
	}
	if l.From != nil {
		from := a.commitLine(*l.From)
		v.From, v.ReverseURL = &from, views.CommitsURL(slug, l.To.ID, l.From.ID)
	}
	for _, commit := range l.Commits {
		v.Commits = append(v.Commits, a.commitLine(commit))
	}
	for _, line := range l.Changes.Recipe {
		v.Diff = append(v.Diff, views.CodeLine{Kind: string(rune(line.Kind)), Text: line.Text})
	}
	for _, f := range l.Changes.Files {
		v.Files = append(v.Files, views.ChangedFile(f))
	}
	s := a.shell(c, views.NavSources, v.Title())
	s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: slug, URL: views.SourceURL(slug)}, {Label: "Commits"}}
	return a.render(c, s, views.SourceCommitsContent(v))
}

// pushesPage lists the newest commits of all sources with what each caused.
func (a *App) pushesPage(c *fiber.Ctx) error {
	w := watched{topics: []string{topicAll}, query: []string{"from"}, period: sourcesPeriod, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) {
		all, err := a.Catalog.Pushes(c.UserContext(), a.Now())
		if err != nil {
			return nil, err
		}
		start := min(max(0, c.QueryInt("from")), len(all))
		part := slices.Clone(all[start:min(len(all), start+pushesPerPage)])
		if err := a.Catalog.Causes(c.UserContext(), part); err != nil {
			return nil, err
		}
		var v views.Pushes
		for _, p := range part {
			v.Lines = append(v.Lines, a.pushLine(p))
		}
		if start > 0 {
			v.First = self(c, map[string]string{"from": ""})
		}
		if next := start + pushesPerPage; next < len(all) {
			v.Next = self(c, map[string]string{"from": strconv.Itoa(next)})
		}
		s := a.shell(c, views.NavSources, v.Title())
		s.Crumbs = []views.Crumb{{Label: "Pushes"}}
		return onePart(s, views.PushesContent(v)), nil
	})
}

func (a *App) pushLine(p catalog.Push) views.PushLine {
	line := views.PushLine{Source: p.Commit.Source, Ref: p.Ref, Commit: a.commitLine(p.Commit), Followers: p.Followers}
	if !p.Commit.Committed.IsZero() {
		line.Commit.At = a.moment(p.Commit.Committed)
	}
	for _, c := range p.Caused {
		line.Caused = append(line.Caused, views.PushCause{
			Buildspace: c.First.Buildspace, Later: c.Later, LastIteration: c.Last.Number,
			Iteration: views.IterationSummary{Number: c.First.Number, Status: c.First.Status(), Counts: c.First.Counts},
		})
	}
	return line
}

// commitLines returns a function that gives commits of sources as pages show them. It asks
// the mirror once for all; where commits cannot be read pages are shown with their ids.
func (a *App) commitLines(ctx context.Context, wanted ...catalog.SourceCommit) func(source, commit string) views.CommitLine {
	infos, err := a.Catalog.DescribeCommits(ctx, wanted)
	if err != nil {
		a.Log.WarnContext(ctx, "commits cannot be read", "error", err)
	}
	return func(source, commit string) views.CommitLine {
		info, ok := infos[catalog.SourceCommit{Source: source, Commit: commit}]
		if !ok || err != nil {
			return views.CommitLine{ID: commit}
		}
		return a.commitLine(info)
	}
}

func (a *App) commitLine(c catalog.CommitInfo) views.CommitLine {
	line := views.CommitLine{ID: c.ID, Subject: c.Subject, Author: c.Author, Missing: c.Missing, URL: c.URL}
	if !c.Time.IsZero() {
		line.At = a.moment(c.Time)
	}
	return line
}

// commitSpan returns what was pushed to a source from one commit to another; nil when that
// cannot be said.
func (a *App) commitSpan(ctx context.Context, source, from, to string) *views.CommitSpan {
	r, err := a.Sources.Between(ctx, from, to)
	if err != nil || r.Total() == 0 {
		if err != nil && buildbtw.KindOf(err) != buildbtw.KindNotFound {
			a.Log.WarnContext(ctx, "commits cannot be read", "source", source, "error", err)
		}
		return nil
	}
	s := &views.CommitSpan{Total: r.Total(), URL: views.CommitsURL(source, from, to)}
	var wanted []catalog.SourceCommit
	for _, c := range r.Commits[:min(len(r.Commits), views.SpanNamed)] {
		wanted = append(wanted, catalog.SourceCommit{Source: source, Commit: c.ID})
	}
	line := a.commitLines(ctx, wanted...)
	for _, w := range wanted {
		s.Commits = append(s.Commits, line(w.Source, w.Commit))
	}
	return s
}

// withCommits returns a diff with what is known of the commits that it names.
func (a *App) withCommits(ctx context.Context, d views.Diff) views.Diff {
	var moves []commitMove
	for _, arch := range d.Architectures {
		for _, c := range arch.Changed[:min(len(arch.Changed), views.DiffShown)] {
			moves = append(moves, commitMove{c.Source, c.FromCommit, c.ToCommit})
		}
	}
	lines := a.movedTo(ctx, moves)
	d.Architectures = slices.Clone(d.Architectures)
	for i, arch := range d.Architectures {
		changed := slices.Clone(arch.Changed) // a cached diff has no ages
		for j := range changed[:min(len(changed), views.DiffShown)] {
			changed[j].To, lines = lines[0], lines[1:]
		}
		d.Architectures[i].Changed = changed
	}
	return d
}

// commitMove is a source that went from one commit to another.
type commitMove struct{ source, from, to string }

// movedTo returns the commits to which sources went, in their order, each with the address of
// what changed where both commits are there.
func (a *App) movedTo(ctx context.Context, moves []commitMove) []views.CommitLine {
	var wanted []catalog.SourceCommit
	for _, m := range moves {
		wanted = append(wanted, catalog.SourceCommit{Source: m.source, Commit: m.from}, catalog.SourceCommit{Source: m.source, Commit: m.to})
	}
	line := a.commitLines(ctx, wanted...)
	lines := make([]views.CommitLine, len(moves))
	for i, m := range moves {
		from, to := line(m.source, m.from), line(m.source, m.to)
		if from.ID != "" && from.ID != to.ID && !from.Missing && !to.Missing {
			to.Since = views.CommitsURL(m.source, from.ID, to.ID)
		}
		lines[i] = to
	}
	return lines
}

// addEventCommits adds to the events of new iterations the commits of their changesets.
func (a *App) addEventCommits(ctx context.Context, db *store.Reader, rows []store.EventRow, lines []views.EventLine) error {
	var ids []int64
	for _, row := range rows {
		if row.Kind == buildbtw.EventIteration && row.IterationID != 0 && row.BuildID == 0 && !slices.Contains(ids, row.IterationID) {
			ids = append(ids, row.IterationID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	changesets, err := db.NewChangesets(ctx, ids)
	if err != nil {
		return err
	}
	of := map[int64][]store.NewChangeset{}
	var wanted []catalog.SourceCommit
	for _, c := range changesets {
		of[c.IterationID] = append(of[c.IterationID], c)
		if len(of[c.IterationID]) <= eventCommits {
			wanted = append(wanted, catalog.SourceCommit{Source: c.Source, Commit: c.Commit})
		}
	}
	line := a.commitLines(ctx, wanted...)
	for i, row := range rows {
		list := of[row.IterationID]
		if row.Kind != buildbtw.EventIteration || row.BuildID != 0 || len(list) == 0 || !list[0].CreatedAt.Equal(row.At) {
			continue
		}
		for _, c := range list[:min(len(list), eventCommits)] {
			lines[i].Commits = append(lines[i].Commits, views.EventCommit{Source: c.Source, Commit: line(c.Source, c.Commit)})
		}
		lines[i].MoreCommits = max(0, len(list)-eventCommits)
	}
	return nil
}
