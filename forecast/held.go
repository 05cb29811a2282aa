package forecast

// Held calls visit with the seconds of every build that is reached from a build
// through builds that take time, once for each.
func (g *Graph) Held(by int32, seconds []float64, visit func(seconds float64)) {
	seen := make([]bool, g.Size())
	stack := []int32{by}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, next := range g.after(at) {
			if seen[next] || seconds[next] == 0 {
				continue
			}
			seen[next] = true
			visit(seconds[next])
			stack = append(stack, next)
		}
	}
}
