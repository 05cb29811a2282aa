package treemap

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The example of Bruls, Huizing and van Wijk: areas 6, 6, 4, 3, 2, 2, 1 in 6 × 4.
func TestTheExampleOfThePaper(t *testing.T) {
	t.Parallel()
	want := []string{
		"0.00 0.00 3.00 2.00", "0.00 2.00 3.00 2.00", "3.00 0.00 1.71 2.33", "4.71 0.00 1.29 2.33",
		"3.00 2.33 1.20 1.67", "4.20 2.33 1.20 1.67", "5.40 2.33 0.60 1.67",
	}
	for i, r := range Squarify([]float64{6, 6, 4, 3, 2, 2, 1}, Rect{0, 0, 6, 4}) {
		if got := fmt.Sprintf("%.2f %.2f %.2f %.2f", r.X, r.Y, r.Width, r.Height); got != want[i] {
			t.Errorf("%d: %s, want %s", i, got, want[i])
		}
	}
}

// Rectangles have their areas, lie within the whole, do not overlap, and are nearly square.
func TestRectanglesFillTheWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 400; n += 1 + n/3 {
		areas := make([]float64, n)
		total := 0.0
		for i := range areas {
			areas[i] = math.Exp(1.3 * random.NormFloat64()) // as durations of builds are
			total += areas[i]
		}
		slices.SortFunc(areas, func(a, b float64) int { return cmp.Compare(b, a) })
		whole := Rect{10, 20, 100, 50 + 10*random.Float64()}
		rects := Squarify(areas, whole)
		ratios := 0.0
		for i, r := range rects {
			if want := areas[i] / total * whole.Width * whole.Height; math.Abs(r.Width*r.Height-want) > 1e-6*want {
				t.Fatalf("%d of %d: %+v has not the area %v", i, n, r, want)
			}
			if r.X < whole.X-1e-6 || r.Y < whole.Y-1e-6 || r.X+r.Width > whole.X+whole.Width+1e-6 || r.Y+r.Height > whole.Y+whole.Height+1e-6 {
				t.Fatalf("%d of %d: %+v is not within %+v", i, n, r, whole)
			}
			for j, o := range rects[:i] {
				if r.X < o.X+o.Width-1e-6 && o.X < r.X+r.Width-1e-6 && r.Y < o.Y+o.Height-1e-6 && o.Y < r.Y+r.Height-1e-6 {
					t.Fatalf("%d and %d of %d overlap: %+v, %+v", j, i, n, o, r)
				}
			}
			ratios += max(r.Width/r.Height, r.Height/r.Width)
		}
		if mean := ratios / float64(n); n > 20 && mean > 1.6 { // in slices it would be n/2
			t.Errorf("%d rectangles are %.2f times as long as wide on average", n, mean)
		}
	}
}

func TestNothingToDivide(t *testing.T) {
	t.Parallel()
	for _, areas := range [][]float64{nil, {0}, {0, 0}, {1, 0, 0}} {
		for i, r := range Squarify(areas, Rect{0, 0, 4, 2}) {
			if area := r.Width * r.Height; math.IsNaN(area) || area != 8*areas[i] {
				t.Errorf("%v: %d is %+v", areas, i, r)
			}
		}
	}
}
