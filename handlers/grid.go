package handlers

import (
	"encoding/json"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/internal/graphview"
	"buildbtw/progress"
	"buildbtw/store"
	"buildbtw/views"
)

// gridTable is how many packages the table beside a grid lists at a time.
const gridTable = 60

// gridPage shows how packages went: over the iterations of a buildspace, or in the
// newest iterations of all.
func (a *App) gridPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicAll}, query: []string{"arch", "q", "from"}, seconds: 10}
	if name != "" {
		w.topics = []string{topicBuildspace(name)}
	}
	return a.renderLive(c, w, func() (*livePage, error) {
		g, v, err := a.grid(c, name)
		if err != nil {
			return nil, err
		}
		v.Query, v.Start, v.Size = c.Query("q"), max(0, c.QueryInt("from")), gridTable
		for _, row := range g.Rows {
			if row.Broke >= 0 {
				v.Broke++
			}
			if strings.Contains(row.Pkgbase, v.Query) {
				if v.Found >= v.Start && len(v.Rows) < gridTable {
					v.Rows = append(v.Rows, gridRow(row))
				}
				v.Found++
			}
		}
		v.Total = len(g.Rows)
		s := a.shell(c, views.NavBuildspaces, v.Title())
		s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "Packages"}}
		if name != "" {
			s.Crumbs = views.BuildspaceCrumbs(name, views.Crumb{Label: "Packages"})
		}
		s.Script = s.Assets.Pictures
		return &livePage{shell: s, parts: v.Parts(), content: views.GridContent(v)}, nil
	})
}

// grid reads the grid that a request names, for the architecture of its query or the
// first.
func (a *App) grid(c *fiber.Ctx, name string) (progress.Grid, views.Grid, error) {
	v := views.Grid{Buildspace: name}
	if name != "" {
		row, err := a.Store.Buildspace(c.UserContext(), name)
		if err != nil {
			return progress.Grid{}, v, err
		}
		if row.Latest != nil {
			v.Latest = row.Latest.Number
		}
	}
	g, err := a.grids.Read(c.UserContext(), &a.Store.Reader, name, c.Query("arch"))
	v.Architecture, v.Architectures = g.Architecture, g.Architectures
	for _, column := range g.Columns {
		v.Columns = append(v.Columns, views.GridColumn{Buildspace: column.Buildspace, Iteration: column.Number, Made: a.moment(column.CreatedAt)})
	}
	return g, v, err
}

func gridRow(row progress.GridRow) views.GridRow {
	v := views.GridRow{Pkgbase: row.Pkgbase, Stage: row.Stage, Broke: row.Broke}
	for _, cell := range row.Cells {
		v.Cells = append(v.Cells, views.GridCell{ID: cell.ID, Status: cell.Status, SkipReason: cell.SkipReason, Reused: cell.Reused, Seconds: cell.Seconds})
	}
	return v
}

// wireGrid is a grid as static/src/pictures/grid.js reads it.
type wireGrid struct {
	Columns []string  `json:"columns"`
	Rows    []string  `json:"rows"`
	Broke   []int     `json:"broke"`   // by row: the column of the first failure since a success, or -1
	Codes   []string  `json:"codes"`   // by column: a letter for each row, "-" for none
	IDs     [][]int64 `json:"ids"`     // by column and row, as the difference from the row before; 0 for none
	Seconds [][]int   `json:"seconds"` // by column and row; -1: no attempt has ended
}

// gridCells answers with the squares of a grid, for static/src/pictures.
func (a *App) gridCells(c *fiber.Ctx) error {
	name := c.Query("buildspace")
	g, v, err := a.grid(c, name)
	if err != nil {
		return err
	}
	wire := wireGrid{Columns: []string{}, Rows: make([]string, len(g.Rows)), Broke: make([]int, len(g.Rows))}
	for _, column := range v.Columns {
		wire.Columns = append(wire.Columns, column.Label(name))
	}
	for i, row := range g.Rows {
		wire.Rows[i], wire.Broke[i] = gridRow(row).Name(), row.Broke
	}
	for column := range g.Columns {
		codes, ids, seconds := make([]byte, len(g.Rows)), make([]int64, len(g.Rows)), make([]int, len(g.Rows))
		last := int64(0)
		for i, row := range g.Rows {
			cell := row.Cells[column]
			codes[i], seconds[i] = gridCode(cell), cell.Seconds
			if cell.ID != 0 {
				ids[i], last = cell.ID-last, cell.ID
			}
		}
		wire.Codes, wire.IDs, wire.Seconds = append(wire.Codes, string(codes)), append(wire.IDs, ids), append(wire.Seconds, seconds)
	}
	body, err := json.Marshal(wire)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendPacked(c, fiber.MIMEApplicationJSON, body)
}

// gridCode is graphview.StatusCode with a letter of its own for builds that were reused,
// and "-" for none.
func gridCode(cell store.GridCell) byte {
	switch {
	case cell.ID == 0:
		return '-'
	case cell.Reused && cell.Status == buildbtw.StatusBuilt:
		return 'r'
	}
	return graphview.StatusCode(cell.Status)
}
