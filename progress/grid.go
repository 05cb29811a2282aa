package progress

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/internal/lru"
	"buildbtw/store"
)

// Grid has the builds of some iterations with a column for each iteration and a row for
// each package: the iterations of one buildspace, or the newest one of several.
type Grid struct {
	Architecture  string             // of all builds in it
	Architectures []string           // for which the iterations have builds, sorted
	Columns       []store.GridColumn // the oldest first
	Rows          []GridRow          // newly failed first, then failed, then by name
}

// GridRow has the builds of one package, or of one of its two stages.
type GridRow struct {
	Pkgbase string
	Stage   int
	Cells   []store.GridCell // by column; ID 0: it is not in the iteration
	Broke   int              // the column of the first failure since it was last built; -1: it does not fail
}

// MaxColumns is the largest number of columns in a grid.
const MaxColumns = 20

// Grids reads grids from the database. It caches the columns of settled iterations, which
// no longer change: a column of 3,000 builds takes 12 ms to read, and a grid has 20.
type Grids struct {
	settled *lru.Cache[columnKey, []store.GridCell]
}

type columnKey struct {
	iteration int64
	arch      string
}

// keptColumns is the size of the cache; a column of 3,000 builds takes some 250 KB.
const keptColumns = 60

// NewGrids returns a Grids with an empty cache.
func NewGrids() *Grids { return &Grids{lru.New[columnKey, []store.GridCell](keptColumns)} }

// cells returns the builds of an iteration for one architecture, from the cache if it can.
// Their statuses are as people read them: of those stored as blocked, some are waiting.
func (k *Grids) cells(ctx context.Context, db *store.Reader, it store.GridColumn, arch string) ([]store.GridCell, error) {
	if cells, ok := k.settled.Get(columnKey{it.ID, arch}); ok {
		return cells, nil
	}
	cells, err := db.GridCells(ctx, it.ID, arch)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(cells, func(c store.GridCell) bool { return c.Status == buildbtw.StatusBlocked }) {
		stuck, err := db.BlockedBuilds(ctx, it.ID)
		if err != nil {
			return nil, err
		}
		for i, c := range cells {
			_, is := slices.BinarySearch(stuck, c.ID)
			cells[i].Status = c.Status.Shown(is)
		}
	}
	if it.Settled {
		k.settled.Put(columnKey{it.ID, arch}, cells)
	}
	return cells, nil
}

// Read returns the grid of the newest iterations of a buildspace or, with an empty name, of
// the newest iteration of each buildspace. An empty arch means the first architecture that
// has builds.
func (k *Grids) Read(ctx context.Context, db *store.Reader, buildspace, arch string) (Grid, error) {
	columns, err := db.NewestIterations(ctx, buildspace, MaxColumns)
	if err != nil {
		return Grid{}, err
	}
	if buildspace != "" {
		slices.Reverse(columns)
	}
	g := Grid{Columns: columns, Architecture: arch}
	for _, it := range columns {
		some, err := db.Architectures(ctx, it.ID)
		if err != nil {
			return Grid{}, err
		}
		g.Architectures = append(g.Architectures, some...)
	}
	slices.Sort(g.Architectures)
	if g.Architectures = slices.Compact(g.Architectures); arch == "" && len(g.Architectures) > 0 {
		g.Architecture = g.Architectures[0]
	}
	rows := map[gridKey]int{}
	for column, it := range columns {
		cells, err := k.cells(ctx, db, it, g.Architecture)
		if err != nil {
			return Grid{}, err
		}
		for _, cell := range cells {
			key := gridKey{cell.Pkgbase, cell.Stage}
			at, ok := rows[key]
			if !ok {
				at = len(g.Rows)
				rows[key] = at
				g.Rows = append(g.Rows, GridRow{Pkgbase: cell.Pkgbase, Stage: cell.Stage, Cells: make([]store.GridCell, len(columns)), Broke: -1})
			}
			g.Rows[at].Cells[column] = cell
		}
	}
	for i := range g.Rows {
		if buildspace != "" { // buildspaces side by side have no order in time
			g.Rows[i].Broke = g.Rows[i].broke()
		}
	}
	slices.SortFunc(g.Rows, func(a, b GridRow) int {
		return cmp.Or(cmp.Compare(a.rank(buildspace != ""), b.rank(buildspace != "")), strings.Compare(a.Pkgbase, b.Pkgbase), cmp.Compare(a.Stage, b.Stage))
	})
	return g, nil
}

type gridKey struct {
	pkgbase string
	stage   int
}

// broke returns the index of the column of the first failure since the package was last
// built, and -1 when it was built in the end or never. Columns in which it was neither built
// nor failed are passed over.
func (r GridRow) broke() int {
	failed := -1
	for column := len(r.Cells) - 1; column >= 0; column-- {
		switch r.Cells[column].Status {
		case buildbtw.StatusFailed:
			failed = column
		case buildbtw.StatusBuilt:
			return failed
		}
	}
	return -1
}

// rank returns 0 for a row that newly failed, 1 for one that fails, and more for others.
// Of columns in the order of time only the newest result counts.
func (r GridRow) rank(inTime bool) int {
	if r.Broke >= 0 {
		return 0
	}
	for _, cell := range slices.Backward(r.Cells) {
		if cell.Status == buildbtw.StatusFailed {
			return 1
		}
		if inTime && cell.Status == buildbtw.StatusBuilt {
			break
		}
	}
	return 2
}
