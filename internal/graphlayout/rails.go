package graphlayout

import "buildbtw/internal/graph"

// maxStops bounds the memory and time that rails take. Edges over more levels
// than fit into it are drawn without a rail, straight from node to node.
const maxStops = 20000

// rails is the graph in which every edge leads to the next level. Vertices are
// the nodes, and behind them the stops of rails, one for each level that a rail
// passes.
type rails struct {
	nodes  int
	level  []int32   // by vertex
	layers [][]int32 // vertices by level, from top to bottom
	pos    []int32   // by vertex: its place in its layer
	links  []Edge    // between vertices of neighbouring levels
	in     graph.CSR // links by second vertex
	out    graph.CSR // links by first vertex
	rail   [][]int32 // by node: its stops, one for each level behind it
	drawn  []bool    // by edge
	edges  []Edge
	longer int32 // edges over more levels have no rail
}

func newRails(level []int32, edges []Edge, drawn []bool) *rails {
	r := &rails{
		nodes: len(level), level: level, rail: make([][]int32, len(level)), edges: edges, drawn: drawn,
	}
	r.longer = r.longest()
	need := r.needed(r.longer)
	for v, levels := range need {
		r.layRail(int32(v), levels)
	}
	for i, e := range edges {
		if drawn[i] && r.span(e) <= r.longer {
			r.links = append(r.links, Edge{r.before(e), e.To})
		}
	}
	r.in = byEnd(len(r.level), r.links, func(e Edge) int32 { return e.To })
	r.out = edgesFrom(len(r.level), r.links)
	return r
}

func (r *rails) span(e Edge) int32 { return r.level[e.To] - r.level[e.From] }

// needed returns for each node how many levels its rail passes.
func (r *rails) needed(longer int32) []int32 {
	need := make([]int32, r.nodes)
	for i, e := range r.edges {
		if s := r.span(e); r.drawn[i] && s <= longer {
			need[e.From] = max(need[e.From], s-1)
		}
	}
	return need
}

// longest finds how many levels an edge may span so that there are not too many
// stops.
func (r *rails) longest() int32 {
	var longer int32 = 1
	for _, e := range r.edges {
		longer = max(longer, r.span(e))
	}
	for ; longer > 1; longer = longer * 3 / 4 {
		stops := 0
		for _, s := range r.needed(longer) {
			stops += int(s)
		}
		if stops <= maxStops {
			break
		}
	}
	return longer
}

func (r *rails) layRail(v, levels int32) {
	before := v
	for i := range levels {
		stop := int32(len(r.level))
		r.level = append(r.level, r.level[v]+1+i)
		r.links = append(r.links, Edge{before, stop})
		r.rail[v] = append(r.rail[v], stop)
		before = stop
	}
}

// before returns the vertex from which an edge reaches its second node: the first
// node, or a stop of its rail.
func (r *rails) before(e Edge) int32 {
	if s := r.span(e); s > 1 {
		return r.rail[e.From][s-2]
	}
	return e.From
}

func (r *rails) isStop(v int32) bool { return int(v) >= r.nodes }
