package planview

import (
	"strings"
	"testing"

	"buildbtw/buildgraph"
)

func TestWorkersSayHowLongAPlanTakes(t *testing.T) {
	t.Parallel()
	p := &buildgraph.Plan{Architectures: map[string]*buildgraph.ArchPlan{"x86_64": {
		Builds: []buildgraph.Build{
			{Pkgbase: "lib", Priority: 180},
			{Pkgbase: "a", Priority: 120},
			{Pkgbase: "b", Priority: 120},
			{Pkgbase: "c", Priority: 60},
		},
		Edges: []buildgraph.Edge{{From: "lib", To: "a"}, {From: "lib", To: "b"}, {From: "lib", To: "c"}},
	}}}
	var text strings.Builder
	if err := Print(&text, p, Options{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"   1 workers        6m0s  busy 100 %", "   2 workers        4m0s  busy  75 %", "   4 workers        3m0s  busy  50 %",
		"the longest chain alone takes 3m0s; from 3 workers on, more hardly help",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no line %q in\n%s", want, text.String())
		}
	}
}
