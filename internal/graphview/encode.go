package graphview

import (
	"encoding/json"
)

// Format is the version of EncodePicture's output and of the layout: the
// addresses of pictures, which browsers cache for ever, contain it.
const Format = 2

// wirePicture is a picture as static/src/graph reads it. Lists of numbers hold
// several for each thing, one after the other.
type wirePicture struct {
	Width   int       `json:"w"`
	Height  int       `json:"h"`
	Focus   int       `json:"focus"`
	Levels  []int     `json:"levels"` // x, width, nodes
	Labels  []string  `json:"labels"`
	Keys    []string  `json:"keys"`    // empty for a region
	IDs     []int64   `json:"ids"`     // of builds, as difference from the one before; 0 for a region
	Nodes   []int32   `json:"nodes"`   // place in the list of codes; -1 for a region
	Regions [][]int32 `json:"regions"` // nodes of each region, in the order of boxes
	Boxes   []int     `json:"boxes"`   // x, y, width, level, hidden before, hidden behind
	Points  []int     `json:"points"`  // x, y, parent, style
	Lines   []int     `json:"lines"`   // from, to, point, style
	Cuts    []int32   `json:"cuts"`    // from, to
}

// EncodePicture writes a picture as JSON.
func (s *State) EncodePicture(p *Picture) ([]byte, error) {
	w := wirePicture{
		Width: p.Width, Height: p.Height, Focus: p.Focus, Levels: []int{}, Labels: []string{}, Keys: []string{}, IDs: []int64{},
		Nodes: []int32{}, Regions: [][]int32{}, Boxes: []int{}, Points: []int{}, Lines: []int{}, Cuts: []int32{},
	}
	for _, l := range p.Levels {
		w.Levels = append(w.Levels, l.X, l.Width, l.Nodes)
	}
	last := int64(0)
	for i, b := range p.Boxes {
		n := p.Nodes[i]
		w.Boxes = append(w.Boxes, n.X, n.Y, n.Width, n.Level, b.Before, b.Further)
		w.Labels = append(w.Labels, s.Label(b))
		if b.Region() {
			w.Keys, w.IDs, w.Nodes, w.Regions = append(w.Keys, ""), append(w.IDs, 0), append(w.Nodes, -1), append(w.Regions, b.Nodes)
			continue
		}
		node := s.Nodes[b.Nodes[0]]
		w.Keys, w.IDs, w.Nodes = append(w.Keys, node.Key()), append(w.IDs, node.ID-last), append(w.Nodes, b.Nodes[0])
		last = node.ID
	}
	for i, point := range p.Points {
		w.Points = append(w.Points, point.X, point.Y, point.Parent, int(p.Style[i]))
	}
	for _, l := range p.Lines {
		e := p.Edges[l.Edge]
		w.Lines = append(w.Lines, int(e.From), int(e.To), l.From, int(e.StyleOf()))
	}
	for _, c := range p.Cuts {
		w.Cuts = append(w.Cuts, c.From, c.To)
	}
	return json.Marshal(w)
}
