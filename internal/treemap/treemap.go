// Package treemap divides a rectangle into rectangles of given areas that are as square as
// can be: squarified treemaps (Bruls, Huizing and van Wijk 2000).
package treemap

// Rect is a rectangle.
type Rect struct{ X, Y, Width, Height float64 }

// Squarify returns a rectangle for each area, in their order. Together they fill the whole
// one, each in proportion to its area. Areas are not negative, and the largest comes first:
// then their sides differ least.
func Squarify(areas []float64, whole Rect) []Rect {
	total := 0.0
	for _, a := range areas {
		total += a
	}
	rects := make([]Rect, len(areas))
	if total <= 0 || whole.Width <= 0 || whole.Height <= 0 {
		return rects
	}
	scale := whole.Width * whole.Height / total
	for first := 0; first < len(areas); {
		// A row lies along the shorter side of what is left. It takes areas as long as that
		// makes its worst rectangle more square.
		side := min(whole.Width, whole.Height)
		sum, worst, end := 0.0, 0.0, first
		for ; end < len(areas); end++ {
			next := sum + areas[end]*scale
			ratio := worstRatio(areas[first]*scale, areas[end]*scale, next, side)
			if end > first && ratio > worst {
				break
			}
			sum, worst = next, ratio
		}
		whole = row(rects[first:end], areas[first:end], scale, sum/side, whole)
		first = end
	}
	return rects
}

// worstRatio returns how much longer than wide the least square rectangle of a row is: it
// has areas from largest to smallest, which are sum together, along a side.
func worstRatio(largest, smallest, sum, side float64) float64 {
	if smallest <= 0 {
		return 1 // it is not seen
	}
	return max(side*side*largest/(sum*sum), sum*sum/(side*side*smallest))
}

// row places rectangles along the shorter side of whole and returns the rest of it.
func row(rects []Rect, areas []float64, scale, thick float64, whole Rect) Rect {
	if thick <= 0 {
		return whole // nothing of it is seen
	}
	at := 0.0
	for i, a := range areas {
		long := a * scale / thick
		if whole.Width >= whole.Height {
			rects[i] = Rect{whole.X, whole.Y + at, thick, long}
		} else {
			rects[i] = Rect{whole.X + at, whole.Y, long, thick}
		}
		at += long
	}
	if whole.Width >= whole.Height {
		whole.X, whole.Width = whole.X+thick, max(0, whole.Width-thick)
	} else {
		whole.Y, whole.Height = whole.Y+thick, max(0, whole.Height-thick)
	}
	return whole
}
