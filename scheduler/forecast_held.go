package scheduler

import (
	"cmp"
	"slices"

	"buildbtw/api"
)

const (
	// heldListed is how many builds that hold others up a forecast names.
	heldListed = 20
	// heldSought bounds for how many of them what they hold is added up.
	heldSought = 200
)

// heldWork says for each build that will not be built unless a person does
// something how much work waits for it, the most first.
func (o *outlook) heldWork() []api.HeldWork {
	list := []api.HeldWork{}
	sought := 0
	for i, b := range o.Builds {
		if !b.Status.RootCause(b.SkipReason) {
			continue
		}
		if sought++; sought > heldSought {
			break
		}
		held := api.HeldWork{Build: buildRef(b)}
		o.Graph.Held(int32(i), o.held, func(seconds float64) {
			held.Builds++
			held.Seconds += seconds
		})
		if held.Builds > 0 {
			list = append(list, held)
		}
	}
	slices.SortStableFunc(list, func(x, y api.HeldWork) int { return cmp.Compare(y.Seconds, x.Seconds) })
	return list[:min(len(list), heldListed)]
}
