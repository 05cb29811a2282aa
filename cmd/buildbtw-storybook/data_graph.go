package main

import (
	"fmt"
	"strings"

	"buildbtw"
	"buildbtw/internal/graphview"
)

// graphStory is a graph page: a graph with the status of its builds and of the
// iteration.
type graphStory struct {
	state  *graphview.State
	status buildbtw.IterationStatus
}

// drawing puts a made-up graph together. Nodes are named; IDs and levels follow.
type drawing struct {
	nodes  []graphview.Node
	states []graphview.BuildState
	edges  []graphview.BuildEdge
	cuts   []graphview.BuildCut
	ids    map[string]int64
}

// add adds a build with its dependencies; the prefix "make:" marks one that is
// only needed to build, "via:" one through a package outside.
func (d *drawing) add(name, version string, status buildbtw.Status, seconds float64, deps ...string) {
	if d.ids == nil {
		d.ids = map[string]int64{}
	}
	id := int64(len(d.nodes) + 1)
	d.ids[name] = id
	node := graphview.Node{ID: id, Pkgbase: name, Version: version, Stage: 1, Reason: buildbtw.Reason{Kind: buildbtw.ReasonChangeset}}
	for _, dep := range deps {
		kind, other, found := strings.Cut(dep, ":")
		if !found {
			kind, other = "", dep
		}
		edge := graphview.BuildEdge{From: d.ids[other], To: id, Kinds: buildbtw.EdgeDepends}
		switch kind {
		case "make":
			edge.Kinds = buildbtw.EdgeMakedepends
		case "via":
			edge.Through = []string{"cmake"}
		}
		d.edges = append(d.edges, edge)
		node.Level = max(node.Level, d.nodes[d.ids[other]-1].Level+1)
		node.Reason = buildbtw.Reason{Kind: buildbtw.ReasonDepends, Via: other, Name: other}
	}
	d.nodes = append(d.nodes, node)
	state := graphview.BuildState{ID: id, Status: status, Priority: seconds}
	if status == buildbtw.StatusSkipped {
		state.SkipReason = buildbtw.CauseUnchanged
	}
	d.states = append(d.states, state)
}

func (d *drawing) cut(from, to string, cycle ...string) {
	d.cuts = append(d.cuts, graphview.BuildCut{From: d.ids[from], To: d.ids[to], Kinds: buildbtw.EdgeCheckdepends, Cycle: cycle})
}

// state weighs builds by the longest chain that begins with them, each build
// taking as many seconds as it was given.
func (d *drawing) state() *graphview.State {
	rest := make([]float64, len(d.nodes))
	for i := len(d.edges) - 1; i >= 0; i-- { // edges lead to nodes that were added later
		e := d.edges[i]
		rest[e.From-1] = max(rest[e.From-1], rest[e.To-1]+d.states[e.To-1].Priority)
	}
	for i := range d.states {
		d.states[i].Priority += rest[i]
	}
	return graphview.New(d.nodes, d.edges, d.cuts).State(d.states)
}

// mediaGraph is a rebuild for a new x264 in which one build failed: the builds
// that it blocks must be seen first.
func mediaGraph() *graphview.State {
	var d drawing
	for i, row := range strings.Split(strings.TrimSpace(mediaBuilds), "\n") {
		words := strings.Fields(row)
		d.add(words[0], words[1], buildbtw.Status(words[2]), float64(60+i*7%50), words[3:]...)
	}
	d.cut("chromaprint", "ffmpeg", "chromaprint", "ffmpeg")
	return d.state()
}

// mediaBuilds has a line for each build: name, version, status, and
// dependencies.
const mediaBuilds = `
x264               3:0.165-1    built
ffmpeg             2:8.0-5      built     x264
gst-plugins-ugly   1.26.8-2     built     x264
handbrake          1.10.2-3     built     x264
chromaprint        1.6.0-2      built     ffmpeg
ffmpegthumbnailer  2.2.3-3      built     ffmpeg
gegl               0.4.64-2     built     ffmpeg
gst-libav          1.26.8-2     built     ffmpeg
mpv                1:0.40.0-4   built     ffmpeg
obs-studio         32.0.2-2     building  ffmpeg x264
opencv             4.12.0-11    failed    ffmpeg
vlc                3.0.21-29    building  ffmpeg make:x264
celluloid          0.29-2       pending   mpv
digikam            8.8.0-2      blocked   opencv
frei0r-plugins     2.5.0-2      blocked   make:opencv
gimp               3.0.6-3      building  gegl
gst-plugins-bad    1.26.8-2     blocked   opencv via:chromaprint
haruna             1.5.4-1      built     mpv
libopenshot        0.5.0-2      blocked   opencv ffmpeg
picard             2.13.3-3     built     chromaprint
mlt                7.34.1-2     blocked   frei0r-plugins opencv ffmpeg
openshot           3.3.0-3      blocked   libopenshot
webkit2gtk-4.1     2.50.1-2     blocked   gst-plugins-bad gst-libav
kdenlive           25.08.3-2    blocked   mlt
shotcut            25.10.18-1   blocked   mlt
epiphany           49.1-1       blocked   webkit2gtk-4.1
`

// everyStatus has a build in each status, and two cycles that were cut.
func everyStatus() *graphview.State {
	var d drawing
	d.add("gettext", "0.26-1", buildbtw.StatusBuilt, 100)
	d.add("libxml2", "2.15.1-1", buildbtw.StatusBuilt, 90, "gettext")
	d.add("docbook-xsl", "1.79.2-9", buildbtw.StatusSkipped, 20, "make:libxml2")
	d.add("libxslt", "1.1.43-2", buildbtw.StatusFailed, 60, "libxml2")
	d.add("glib2", "2.86.2-1", buildbtw.StatusBuilding, 200, "libxml2", "make:docbook-xsl")
	d.add("shared-mime-info", "2.4-3", buildbtw.StatusScheduled, 30, "libxml2")
	d.add("itstool", "2.0.7-4", buildbtw.StatusPending, 30, "make:libxml2")
	d.add("yelp-xsl", "49.0-1", buildbtw.StatusBlocked, 40, "libxslt", "itstool")
	d.add("gobject-introspection", "1.86.0-2", buildbtw.StatusBlocked, 80, "glib2", "via:shared-mime-info")
	d.add("python-gobject", "3.54.5-1", buildbtw.StatusBlocked, 50, "gobject-introspection")
	d.cut("glib2", "gettext", "gettext", "libxml2", "glib2")
	d.cut("python-gobject", "glib2", "glib2", "gobject-introspection", "python-gobject")
	return d.state()
}

func allBuilt() *graphview.State {
	var d drawing
	for _, row := range strings.Split(strings.TrimSpace(mediaBuilds), "\n") {
		words := strings.Fields(row)
		d.add(words[0], words[1], buildbtw.StatusBuilt, 60, words[3:]...)
	}
	return d.state()
}

func oneBuild() *graphview.State {
	var d drawing
	d.add("tzdata", "2025b-1", buildbtw.StatusBuilding, 30)
	return d.state()
}

// madeUpGraph makes a graph of n builds in every status; the middle of the work
// is done.
func madeUpGraph(n int) *graphview.State {
	var d drawing
	for i := range n {
		var deps []string
		for _, back := range []int{1 + i*7%11*max(1, n/60), n/9 + i%5, n / 4} {
			if from := i - back; from >= 0 && i > n/40 {
				deps = append(deps, madeUp(from))
			}
		}
		d.add(madeUp(i), fmt.Sprintf("%d.%d-1", 1+i%9, i%20), madeUpStatus(i, n), float64(20+i*31%400), deps...)
	}
	if n > 100 {
		d.cut(madeUp(n/2), madeUp(n/3), madeUp(n/3), madeUp(n/2))
	}
	s := d.state()
	return block(s)
}

func madeUpStatus(i, n int) buildbtw.Status {
	switch share := i * 100 / n; {
	case i%97 == 50 && share > 20 && share < 45:
		return buildbtw.StatusFailed
	case share < 40:
		return buildbtw.StatusBuilt
	case share < 44:
		return [...]buildbtw.Status{"building", "pending", "pending", "scheduled"}[i%4]
	}
	return buildbtw.StatusBlocked
}

// block corrects statuses that a real server would not have: a build with an
// unfinished dependency is blocked.
func block(s *graphview.State) *graphview.State {
	builds := append([]graphview.BuildState(nil), s.Builds...)
	for v := range builds { // dependencies come first
		for _, dep := range s.Dependencies(int32(v)) {
			if status := builds[dep].Status; status != buildbtw.StatusBuilt && status != buildbtw.StatusSkipped {
				builds[v].Status = buildbtw.StatusBlocked
			}
		}
	}
	return s.State(builds)
}

// madeUp returns the i-th of many different names that look like a
// distribution's.
func madeUp(i int) string {
	families := []string{"python-", "perl-", "haskell-", "lib", "ruby-", "gst-", "qt6-", "lua-", "kf6-", ""}
	stems := []string{
		"yaml", "crypto", "http", "image", "audio", "archive", "socket", "parser", "regex", "config", "locale", "search",
		"vector", "stream", "window", "printer", "network", "storage", "terminal", "calendar", "metrics", "session", "editor", "mail",
	}
	name := families[i%len(families)] + stems[i/len(families)%len(stems)]
	if round := i / len(families) / len(stems); round > 0 {
		name += fmt.Sprintf("-%d", round)
	}
	return name
}
