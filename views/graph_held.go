package views

import "buildbtw"

// heldUp finds the builds that cannot start before a failed one is mended: the
// failed ones are not among them.
func heldUp(nodes []GraphNode, edges []GraphEdge) map[int64]bool {
	blocked := map[int64]bool{}
	var queue []int64
	for _, n := range nodes {
		switch n.Status {
		case buildbtw.StatusBlocked:
			blocked[n.ID] = true
		case buildbtw.StatusFailed:
			queue = append(queue, n.ID)
		}
	}
	above := map[int64][]int64{}
	for _, e := range edges {
		if !e.Cut && blocked[e.To] {
			above[e.From] = append(above[e.From], e.To)
		}
	}
	held := map[int64]bool{}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for _, to := range above[from] {
			if !held[to] {
				held[to] = true
				queue = append(queue, to)
			}
		}
	}
	return held
}
