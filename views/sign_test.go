package views

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/internal/graphview"
)

// TestAStatusHasOneWordAndOneSignEverywhere: pages, the picture of a graph without a
// script and the canvas know the same statuses, and draw the same for each.
func TestAStatusHasOneWordAndOneSignEverywhere(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile("../static/src/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	signs := map[string]string{}
	for _, s := range shapes() {
		signs[s.status] = s.d
	}
	canvas, pages, boxes := read("graph/colours.js"), read("css/status.css"), read("css/graph.css")
	ring := signs[string(buildbtw.StatusPending)]
	canvas = strings.NewReplacer(`: ring + "`, `: "`+ring, `: ring,`, `: "`+ring+`",`).Replace(canvas)
	for _, status := range buildbtw.ShownStatuses() {
		for where, wanted := range map[string][]string{
			canvas: {fmt.Sprintf("%c: { word: %q,", graphview.StatusCode(status), status), fmt.Sprintf("%s: %q,", status, signs[string(status)])},
			pages:  {".status-" + string(status), ".status-" + string(status) + "::before", ".fill-" + string(status) + " {"},
			boxes:  {".node-" + string(status) + " {"},
		} {
			for _, text := range wanted {
				if !strings.Contains(where, text) {
					t.Errorf("%s: %q is nowhere", status, text)
				}
			}
		}
		if signs[string(status)] == "" {
			t.Errorf("%s has no sign in pictures", status)
		}
	}
}
