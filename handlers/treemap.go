package handlers

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/views"
)

// treemapTable is how many builds the table beside a treemap lists at a time.
const treemapTable = 60

// treemapPage shows where the build time of an iteration goes, for one architecture.
func (a *App) treemapPage(c *fiber.Ctx) error {
	number, err := iterationNumber(c)
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, query: []string{"from"}, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) {
		row, err := a.Store.Iteration(c.UserContext(), name, number)
		if err != nil {
			return nil, err
		}
		v := views.Treemap{Buildspace: name, Number: number, Architecture: c.Params("arch"), Start: max(0, c.QueryInt("from")), Size: treemapTable}
		if v.Architectures, err = a.Store.Architectures(c.UserContext(), row.ID); err != nil {
			return nil, err
		}
		if !slices.Contains(v.Architectures, v.Architecture) {
			return nil, buildbtw.NotFound("iteration %d of %s has no builds for %.40q", number, name, v.Architecture)
		}
		list, left, err := a.grids.BuildTimes(c.UserContext(), &a.Store.Reader, row, v.Architecture)
		if err != nil {
			return nil, err
		}
		builds := make([]views.BuildTime, len(list))
		for i, b := range list {
			builds[i] = views.BuildTime{
				Build: views.BuildLink{ID: b.ID, Pkgbase: b.Pkgbase, Stage: b.Stage, Status: b.Status, SkipReason: b.SkipReason},
				Time:  time.Duration(b.Time * float64(time.Second)), Expected: b.Expected,
			}
		}
		v.Arrange(builds)
		v.LeftOut, v.Builds = left, builds[min(v.Start, len(builds)):min(v.Start+treemapTable, len(builds))]
		s := a.shell(c, views.NavBuildspaces, v.Title())
		s.Crumbs = views.IterationCrumbs(name, number, views.Crumb{Label: "Build time"})
		s.Script = s.Assets.Pictures
		return &livePage{shell: s, parts: v.Parts(), content: views.TreemapContent(v)}, nil
	})
}
