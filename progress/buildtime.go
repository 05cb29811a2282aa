package progress

import (
	"cmp"
	"context"
	"slices"

	"buildbtw"
	"buildbtw/store"
)

// BuildTime is a build with how long it took or, while it has not ended, how long it is
// thought to take.
type BuildTime struct {
	store.GridCell
	Time     float64 // seconds
	Expected bool    // it has not ended
}

// BuildTimes lists the builds of an iteration for one architecture, the longest first, and
// how many it leaves out because no machine builds them: those that were reused or skipped.
func (k *Grids) BuildTimes(ctx context.Context, db *store.Reader, it store.IterationRow, arch string) (list []BuildTime, left int, err error) {
	cells, err := k.cells(ctx, db, store.GridColumn{ID: it.ID}, arch)
	if err != nil {
		return nil, 0, err
	}
	durations, err := db.Durations(ctx)
	if err != nil {
		return nil, 0, err
	}
	known := newDurations(durations)
	for _, cell := range cells {
		t := BuildTime{GridCell: cell, Time: float64(cell.Seconds)}
		switch {
		case cell.Reused || cell.Status == buildbtw.StatusSkipped:
			left++
			continue
		case cell.Seconds < 0 || cell.Status != buildbtw.StatusBuilt && cell.Status != buildbtw.StatusFailed:
			d, _ := known.of(store.WorkBuild{BuildRef: store.BuildRef{Pkgbase: cell.Pkgbase, Architecture: arch}})
			t.Time, t.Expected = d.Seconds, true
		}
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b BuildTime) int { return cmp.Compare(b.Time, a.Time) })
	return list, left, nil
}
