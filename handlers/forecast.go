package handlers

import (
	"context"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// pageChain is how many builds of the longest chain the page names.
const pageChain = 12

// addForecast says when the iteration will be done, and how much work what
// failed holds up. One that is over only shows how it went.
func (a *App) addForecast(ctx context.Context, v *views.Iteration, row store.IterationRow) error {
	if row.Counts.Total() == 0 {
		return nil
	}
	f, err := a.Forecasts.Of(ctx, &a.Store.Reader, row, a.Now())
	if err != nil {
		return err
	}
	for _, p := range f.BurnDown {
		v.Forecast.BurnDown = append(v.Forecast.BurnDown, views.BurnPoint{At: p.At, Remaining: p.Remaining})
	}
	if row.State != buildbtw.IterationReady {
		return nil
	}
	v.Forecast.Workers, v.Forecast.Remaining, v.Forecast.Blocked, v.Forecast.Known = f.Workers, f.Remaining, f.Blocked, f.Known
	if f.Seconds != nil {
		v.Forecast.Left, v.Forecast.Early, v.Forecast.Late = took(f.Seconds.Likely), took(f.Seconds.Early), took(f.Seconds.Late)
	}
	v.Forecast.ChainLeft = took(f.ChainSeconds)
	v.Forecast.ChainMore = max(0, len(f.Chain)-pageChain)
	for _, step := range f.Chain[:min(len(f.Chain), pageChain)] {
		v.Forecast.Chain = append(v.Forecast.Chain, buildLink(step.Build))
	}
	for i, blocker := range v.Blockers {
		for _, work := range f.Blockers {
			if work.Build.ID == blocker.Build.ID {
				v.Blockers[i].Takes = views.Roughly(time.Duration(work.Seconds * float64(time.Second)))
			}
		}
	}
	return nil
}

func took(seconds float64) string {
	return views.Took(time.Duration(seconds * float64(time.Second)))
}
