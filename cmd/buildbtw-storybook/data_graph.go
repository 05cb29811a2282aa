package main

import (
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/views"
)

// mediaGraph is a rebuild for a new x264 in which one build failed: what it
// holds up is the first thing that whoever looks must see.
func mediaGraph() views.Graph {
	g := views.Graph{
		Buildspace: "x264", Iteration: 2, Architecture: "x86_64", Architectures: []string{"x86_64"},
		Status: buildbtw.IterationStatusBuilding, Counts: buildbtw.Counts{},
	}
	chain := []string{"x264", "ffmpeg", "opencv", "mlt", "kdenlive"}
	ids := map[string]int64{}
	for i, row := range strings.Split(strings.TrimSpace(mediaBuilds), "\n") {
		words := strings.Fields(row)
		name, deps := words[0], words[3:]
		node := views.GraphNode{
			BuildLink: link(int64(i+1), name, buildbtw.Status(words[2])), Version: words[1],
			Reason: "is a changeset", OnChain: slices.Contains(chain, name),
		}
		ids[name] = node.ID
		for _, dep := range deps {
			node.Level = max(node.Level, g.Nodes[ids[dep]-1].Level+1)
			node.Reason = "depends on " + dep
			g.Edges = append(g.Edges, views.GraphEdge{From: ids[dep], To: node.ID, Words: "depends"})
		}
		g.Nodes = append(g.Nodes, node)
		g.Counts[node.Status]++
	}
	g.Edges = append(g.Edges, views.GraphEdge{
		From: ids["chromaprint"], To: ids["ffmpeg"], Cut: true, Words: "makedepends, cut out of the cycle chromaprint → ffmpeg → chromaprint",
	})
	return g
}

// mediaBuilds has a line for each build: name, version, status, and what it
// waits for.
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
vlc                3.0.21-29    building  ffmpeg x264
celluloid          0.29-2       pending   mpv
digikam            8.8.0-2      blocked   opencv
frei0r-plugins     2.5.0-2      blocked   opencv
gimp               3.0.6-3      building  gegl
gst-plugins-bad    1.26.8-2     blocked   opencv chromaprint
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

// graph makes a layered graph of n builds in every status.
func graph(n int) views.Graph {
	g := views.Graph{
		Buildspace: "openssl-3.6", Iteration: 4, Architecture: "x86_64", Architectures: []string{"aarch64", "x86_64"},
		Status: buildbtw.IterationStatusBuilding, Counts: buildbtw.Counts{},
	}
	statuses := []buildbtw.Status{"built", "built", "built", "building", "failed", "pending", "blocked", "blocked", "skipped", "scheduled"}
	for i := range n {
		level := i * 5 / max(n, 1)
		node := views.GraphNode{
			BuildLink: link(int64(i+1), madeUp(i), statuses[min(i*10/n, 9)]), Level: level, Version: "1.0-1", Reason: "depends on openssl",
		}
		node.OnChain = i == 0 || level > g.Nodes[i-1].Level
		g.Nodes = append(g.Nodes, node)
		g.Counts[node.Status]++
		for _, back := range []int{n/5 + 1, n/3 + i%3} {
			if from := i - back; from >= 0 && g.Nodes[from].Level < level {
				g.Edges = append(g.Edges, views.GraphEdge{From: int64(from + 1), To: int64(i + 1), Words: "depends, makedepends"})
			}
		}
	}
	if n > 6 {
		g.Edges = append(g.Edges, views.GraphEdge{From: int64(n), To: 2, Cut: true, Words: "checkdepends, cut out of a cycle"})
	}
	return g
}

// madeUp gives the i-th of many names that look like a distribution's, each
// once.
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
