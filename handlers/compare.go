package handlers

import (
	"context"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/progress"
	"buildbtw/views"
)

const (
	comparedFirst = 10   // lines of each list on the page of all
	comparedPage  = 100  // lines of a list on its own page
	comparedFiles = 2000 // files that came, and that went, on the page of a package
)

func (a *App) comparer() progress.Comparer {
	return progress.Comparer{DB: &a.Store.Reader, Repos: a.Repos, Bases: a.Catalog.Bases}
}

// compareSides reads which two a request compares. One that is not named is the base.
func compareSides(c *fiber.Ctx) (sides [2]buildbtw.IterationName, err error) {
	for i, name := range [2]string{"a", "b"} {
		sides[i] = buildbtw.IterationName{Base: true}
		if text := strings.TrimSpace(c.Query(name)); text != "" {
			if sides[i], err = buildbtw.ParseIterationName(text); err != nil {
				return sides, err
			}
		}
	}
	return sides, nil
}

// comparePage compares any two iterations, or one with the base: all lists with their
// first lines, or a page of one.
func (a *App) comparePage(c *fiber.Ctx) error {
	v := views.Compare{A: c.Query("a"), B: c.Query("b"), Asked: c.Query("a")+c.Query("b") != ""}
	var r progress.Comparison
	if v.Asked {
		var err error
		if r, err = a.compared(c, &v); err != nil {
			return err
		}
	}
	only := buildbtw.CompareList("")
	if name := c.Query("list"); name != "" && v.Error == "" {
		var err error
		if only, err = buildbtw.ParseCompareList(name); err != nil {
			return err
		}
	}
	for _, l := range buildbtw.CompareLists() {
		lines := r.Lists[l]
		if len(lines) == 0 && l != only {
			continue
		}
		list := views.CompareList{List: l, Total: len(lines)}
		switch only {
		case "":
			lines = lines[:min(len(lines), comparedFirst)]
		case l:
			list.Start, list.Shown = min(max(0, c.QueryInt("from")), len(lines)), true
			lines = lines[list.Start:min(len(lines), list.Start+comparedPage)]
		default:
			lines = nil
		}
		list.Lines = a.compareLines(c.UserContext(), l, lines)
		v.Lists = append(v.Lists, list)
	}
	if err := a.addCompareChoice(c, &v); err != nil {
		return err
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "Compare"}}
	if v.Number > 0 {
		s.Crumbs = views.IterationCrumbs(v.Buildspace, v.Number, views.Crumb{Label: "Compare"})
	}
	return a.render(c, s, views.CompareContent(v))
}

// compared compares the two iterations that the request names. An error in a name is shown
// in the form.
func (a *App) compared(c *fiber.Ctx, v *views.Compare) (progress.Comparison, error) {
	sides, err := compareSides(c)
	var r progress.Comparison
	if err == nil {
		r, err = a.comparer().Compare(c.UserContext(), sides[0], sides[1])
	}
	var e *buildbtw.Error
	switch {
	case errors.As(err, &e) && (e.Kind == buildbtw.KindInvalid || e.Kind == buildbtw.KindNotFound):
		v.Error = buildbtw.MessageOf(err)
		c.Status(e.Kind.HTTPStatus())
		return r, nil
	case err != nil:
		return r, err
	}
	v.A, v.B, v.Same, v.Unknown, v.Missing = r.A.String(), r.B.String(), r.Same, r.Unknown, r.Missing
	for _, side := range [2]buildbtw.IterationName{r.A, r.B} { // the page belongs to the later one
		if !side.Base {
			v.Buildspace, v.Number = side.Buildspace, side.Number
		}
	}
	row, err := a.Store.Iteration(c.UserContext(), v.Buildspace, v.Number)
	if err != nil {
		return r, err
	}
	if v.Architectures, err = a.Store.Architectures(c.UserContext(), row.ID); err != nil {
		return r, err
	}
	if r.A.Buildspace == r.B.Buildspace {
		diff, err := a.diff(c.UserContext(), r.A.Buildspace, r.A.Number, r.B.Number)
		if err != nil {
			return r, err
		}
		for _, arch := range diff.Architectures {
			v.EdgesAdded, v.EdgesRemoved = v.EdgesAdded+arch.EdgesAdded, v.EdgesRemoved+arch.EdgesRemoved
		}
	}
	return r, nil
}

// addCompareChoice adds what the form suggests: the iterations of the buildspace, and the
// newest ones of others.
func (a *App) addCompareChoice(c *fiber.Ctx, v *views.Compare) error {
	add := func(of string) error {
		columns, err := a.Store.NewestIterations(c.UserContext(), of, progress.MaxColumns)
		for _, it := range columns {
			if of != "" || it.Buildspace != v.Buildspace {
				name := buildbtw.IterationName{Buildspace: it.Buildspace, Number: it.Number}
				v.Choice = append(v.Choice, views.CompareChoice{Name: name.String(), Words: "made " + it.CreatedAt.UTC().Format("2006-01-02 15:04")})
			}
		}
		return err
	}
	if v.Buildspace != "" {
		if err := add(v.Buildspace); err != nil {
			return err
		}
	}
	v.Choice = append(v.Choice, views.CompareChoice{Name: buildbtw.IterationName{Base: true}.String(), Words: "the base repositories"})
	return add("")
}

// compareLines returns lines of a list as the page shows them; builds of other commits with
// what is known of the second one.
func (a *App) compareLines(ctx context.Context, l buildbtw.CompareList, lines []progress.Difference) []views.CompareLine {
	var shown []views.CompareLine
	for _, d := range lines {
		shown = append(shown, compareLine(d))
	}
	if l != buildbtw.CompareOtherCommit {
		return shown
	}
	moves := make([]commitMove, len(lines))
	for i, d := range lines {
		moves[i] = commitMove{d.B.Source, d.A.Commit, d.B.Commit}
	}
	for i, line := range a.movedTo(ctx, moves) {
		shown[i].B.Line = line
	}
	return shown
}

func compareLine(d progress.Difference) views.CompareLine {
	side := func(s progress.ComparedSide) views.CompareSide {
		return views.CompareSide{BuildID: s.BuildID, Status: s.Status, Commit: s.Commit, Version: s.Version, Seconds: s.Seconds, Size: s.Size}
	}
	return views.CompareLine{Name: d.Name, Architecture: d.Architecture, A: side(d.A), B: side(d.B), Added: d.Added, Removed: d.Removed}
}

// compareNames answers with the names in one list, a line each.
func (a *App) compareNames(c *fiber.Ctx) error {
	l, err := buildbtw.ParseCompareList(c.Query("list"))
	if err != nil {
		return err
	}
	sides, err := compareSides(c)
	if err != nil {
		return err
	}
	r, err := a.comparer().Compare(c.UserContext(), sides[0], sides[1])
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, d := range r.Lists[l] {
		b.WriteString(d.Name)
		b.WriteByte('\n')
	}
	return sendPacked(c, fiber.MIMETextPlainCharsetUTF8, []byte(b.String()))
}

// compareFilesPage shows the files of a package that came and went.
func (a *App) compareFilesPage(c *fiber.Ctx) error {
	sides, err := compareSides(c)
	if err != nil {
		return err
	}
	d, err := a.comparer().Files(c.UserContext(), sides[0], sides[1], c.Query("arch"), c.Query("package"))
	if err != nil {
		return err
	}
	v := views.CompareFiles{A: sides[0].String(), B: sides[1].String(), Line: compareLine(d)}
	for list, more := range map[*[]string]*int{&v.Line.Added: &v.MoreAdded, &v.Line.Removed: &v.MoreRemoved} {
		*more = max(0, len(*list)-comparedFiles)
		*list = (*list)[:len(*list)-*more]
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "Compare", URL: views.CompareURL(v.A, v.B)}, {Label: d.Name}}
	return a.render(c, s, views.CompareFilesContent(v))
}

// redirectDiff leads from the address that compared iterations of one buildspace before
// any two could be compared.
func redirectDiff(c *fiber.Ctx) error {
	number, err := iterationNumber(c)
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if _, err := buildbtw.ParseIterationName(name); err != nil {
		return err
	}
	from, to := c.QueryInt("from", number-1), c.QueryInt("to", number)
	return c.Redirect(views.CompareURL(views.NumberedName(name, from), views.NumberedName(name, to)), fiber.StatusMovedPermanently)
}
