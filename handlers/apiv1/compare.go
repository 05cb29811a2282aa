package apiv1

import (
	"context"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/progress"
)

// listedDifferences is how many lines of each list a comparison has.
const listedDifferences = 20

// sides reads which two a request compares.
func sides(c *fiber.Ctx) (a, b buildbtw.IterationName, err error) {
	if a, err = buildbtw.ParseIterationName(c.Query("a")); err == nil {
		b, err = buildbtw.ParseIterationName(c.Query("b"))
	}
	return a, b, err
}

func (a *API) comparer() progress.Comparer {
	return progress.Comparer{DB: &a.Store.Reader, Repos: a.Repos, Bases: a.Catalog.Bases}
}

// comparison compares the two that a request names.
func (a *API) comparison(c *fiber.Ctx) (progress.Comparison, error) {
	from, to, err := sides(c)
	if err != nil {
		return progress.Comparison{}, err
	}
	return a.comparer().Compare(c.UserContext(), from, to)
}

func (a *API) compare(c *fiber.Ctx) error {
	r, err := a.comparison(c)
	if err != nil {
		return err
	}
	w := api.Comparison{
		A: r.A.String(), B: r.B.String(), Lists: []api.ComparedList{}, Same: r.Same, Unknown: r.Unknown, Missing: r.Missing,
		URL: a.page("compare") + "?" + url.Values{"a": {r.A.InAddress()}, "b": {r.B.InAddress()}}.Encode(),
	}
	for _, l := range buildbtw.CompareLists() {
		lines := r.Lists[l]
		w.Lists = append(w.Lists, api.ComparedList{List: l, Total: len(lines), First: a.differences(c.UserContext(), l, lines[:min(len(lines), listedDifferences)])})
	}
	return send(c, w)
}

func (a *API) compareList(c *fiber.Ctx) error {
	l, err := buildbtw.ParseCompareList(c.Params("list"))
	if err != nil {
		return err
	}
	r, err := a.comparison(c)
	if err != nil {
		return err
	}
	page, err := cut(c, r.Lists[l], func(d progress.Difference) string { return d.Name + " " + d.Architecture })
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Difference]{Items: a.differences(c.UserContext(), l, page.Items), Cursor: page.Cursor})
}

func (a *API) compareFiles(c *fiber.Ctx) error {
	pkgname, err := param(c, "pkgname")
	if err != nil {
		return err
	}
	from, to, err := sides(c)
	if err != nil {
		return err
	}
	d, err := a.comparer().Files(c.UserContext(), from, to, c.Query("arch"), pkgname)
	if err != nil {
		return err
	}
	return send(c, wireDifference(d))
}

// differences returns lines of a list; builds of other commits with what is known of the
// second one.
func (a *API) differences(ctx context.Context, l buildbtw.CompareList, lines []progress.Difference) []api.Difference {
	found := list(lines, wireDifference)
	if l != buildbtw.CompareOtherCommit {
		return found
	}
	wanted := make([]catalog.SourceCommit, len(lines))
	for i, d := range lines {
		wanted[i] = catalog.SourceCommit{Source: d.B.Source, Commit: d.B.Commit}
	}
	known := a.commits(ctx, wanted...)
	for i, w := range wanted {
		info := known(w.Source, w.Commit)
		found[i].B.CommitInfo = &info
	}
	return found
}

func wireDifference(d progress.Difference) api.Difference {
	return api.Difference{Name: d.Name, Architecture: d.Architecture, A: wireSide(d.A), B: wireSide(d.B), Added: d.Added, Removed: d.Removed}
}

func wireSide(s progress.ComparedSide) *api.ComparedSide {
	if s.Status == "" {
		return nil
	}
	w := &api.ComparedSide{Status: s.Status, Source: s.Source, Commit: s.Commit, Version: s.Version, Size: s.Size}
	if s.BuildID != 0 {
		w.BuildID = formatID(s.BuildID)
	}
	if s.Seconds >= 0 {
		w.Seconds = &s.Seconds
	}
	return w
}
