package views

import (
	"math"
	"testing"
	"time"

	"buildbtw"
)

// However many builds there are, the picture has few rectangles, and all of the time.
func TestSmallBuildsShareARectangle(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, treemapTiles, treemapTiles + 1, 3000} {
		var builds []BuildTime
		var total time.Duration
		for i := range n {
			b := BuildTime{Time: time.Duration(1+3000/(i+1)) * time.Second, Expected: i%2 == 0}
			b.Build.Status = []buildbtw.Status{buildbtw.StatusWaiting, buildbtw.StatusBuilt}[i%2]
			builds, total = append(builds, b), total+b.Time
		}
		var v Treemap
		v.Arrange(builds)
		count, area := 0, 0.0
		for i, tile := range v.Tiles {
			count += tile.Builds
			area += tile.Width * tile.Height
			if want := 1e4 * tile.Time.Seconds() / total.Seconds(); math.Abs(tile.Width*tile.Height-want) > 1e-6*want {
				t.Errorf("of %d: %d has %v of 10000, want %v", n, i, tile.Width*tile.Height, want)
			}
		}
		if count != n || v.Total != n || len(v.Tiles) > treemapTiles+2 || v.Took+v.Expected != total {
			t.Errorf("%d builds are %d in %d rectangles, %v and %v of %v", n, count, len(v.Tiles), v.Took, v.Expected, total)
		}
	}
}
