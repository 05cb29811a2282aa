package graphview_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/internal/graphlayout"
	"buildbtw/internal/graphview"
)

// graph makes a graph from lines like "app failed: lib tool", which says that
// app has failed and waits for lib and tool, which stand in earlier lines. The
// earlier a line, the larger the priority.
func graph(lines ...string) *graphview.State {
	var nodes []graphview.Node
	var builds []graphview.BuildState
	var edges []graphview.BuildEdge
	ids := map[string]int64{}
	for i, line := range lines {
		head, deps, _ := strings.Cut(line, ":")
		name, status, _ := strings.Cut(head, " ")
		id := int64(100 + i)
		ids[name] = id
		n := graphview.Node{ID: id, Pkgbase: name, Version: "1-1", Stage: 1, Reason: buildbtw.Reason{Kind: buildbtw.ReasonChangeset}}
		for _, dep := range strings.Fields(deps) {
			edges = append(edges, graphview.BuildEdge{From: ids[dep], To: id, Kinds: buildbtw.EdgeDepends})
			n.Level = max(n.Level, nodes[ids[dep]-100].Level+1)
			n.Reason.Kind = buildbtw.ReasonDepends
		}
		b := graphview.BuildState{ID: id, Status: buildbtw.Status(status), Priority: float64(len(lines) - i)}
		if status == "skipped" {
			b.SkipReason = buildbtw.CauseUnchanged
		}
		nodes, builds = append(nodes, n), append(builds, b)
	}
	return graphview.New(nodes, edges, nil).State(builds)
}

func names(s *graphview.State, nodes []int32) string {
	var list []string
	for _, v := range nodes {
		list = append(list, s.Nodes[v].Key())
	}
	return strings.Join(list, " ")
}

func node(t *testing.T, s *graphview.State, name string) int32 {
	t.Helper()
	v, ok := s.Find(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return v
}

// shown gives the names in the boxes of a picture; regions as their labels.
func shown(t *testing.T, s *graphview.State, v graphview.View) string {
	t.Helper()
	p, err := s.Picture(v, graphlayout.New)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, b := range p.Boxes {
		list = append(list, s.Label(b))
	}
	return strings.Join(list, " ")
}

func TestWhatAFailureHoldsUpAndWhy(t *testing.T) {
	t.Parallel()
	s := graph(
		"lib built", "tool failed", "other failed", "app blocked: lib tool", "far blocked: app", "busy building: lib",
		"waits blocked: busy", "both blocked: far other waits",
	)
	var held []int32
	for v := range s.Nodes {
		if s.Held[v] {
			held = append(held, int32(v))
		}
	}
	if got := names(s, held); got != "app far both" {
		t.Errorf("held: %s", got)
	}
	if got := names(s, s.Causes(node(t, s, "both"))); got != "other tool" {
		t.Errorf("causes, the nearest first: %s", got)
	}
	if got := s.Causes(node(t, s, "waits")); len(got) > 0 {
		t.Errorf("what waits for a build that runs has causes: %s", names(s, got))
	}
	for name, want := range map[string]int{"tool": 3, "other": 1, "both": 0} {
		if n := s.Blocks(node(t, s, name)); n != want {
			t.Errorf("%s blocks %d builds, want %d", name, n, want)
		}
	}
	if s.Codes != "dffhhbkh" {
		t.Errorf("codes %s", s.Codes)
	}
}

// A build that was skipped as unchanged is as good as built; any other skipped
// one is as bad as failed.
func TestSkippedBuildsHoldUpUnlessUnchanged(t *testing.T) {
	t.Parallel()
	s := graph("lib skipped", "app blocked: lib")
	if s.Held[1] {
		t.Error("an unchanged build holds up another")
	}
	builds := slices.Clone(s.Builds)
	builds[0].SkipReason = buildbtw.CauseCancelled
	if !s.State(builds).Held[1] {
		t.Error("a cancelled build holds up nothing")
	}
}

func TestTheFirstLookIsAtWhatDeservesIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"worse", []string{"lib built", "bad failed: lib", "worse failed: lib", "a blocked: bad", "b blocked: worse", "c blocked: b"}},
		{"slow", []string{"lib built", "quick pending: lib", "slow building: lib", "late building: lib", "end blocked: slow"}},
		{"next", []string{"lib built", "next pending: lib", "end blocked: next"}},
		{"lib", []string{"lib built", "app built: lib"}},
	} {
		s := graph(c.lines...)
		if got := names(s, []int32{s.Focus()}); got != c.want {
			t.Errorf("%v: %s", c.lines, got)
		}
	}
	if v := graph().Focus(); v != -1 {
		t.Errorf("nothing has a focus: %d", v)
	}
}

func TestTheChainFollowsTheLargestPriorities(t *testing.T) {
	t.Parallel()
	s := graph("lib built", "a built: lib", "b built: lib", "c built: b", "d built: a")
	if got := names(s, s.Chain); got != "lib a d" {
		t.Errorf("chain %s", got)
	}
}

// However far away the failure is, the surroundings show the way to it.
func TestTheSurroundingsLeadToTheCause(t *testing.T) {
	t.Parallel()
	lines := []string{"lib built", "root failed: lib"}
	before := "root"
	for i := range 9 {
		name := fmt.Sprintf("step%d", i)
		lines = append(lines, name+" blocked: "+before)
		before = name
	}
	lines = append(lines, "elsewhere built: lib")
	s := graph(append(lines, "me blocked: lib "+before, "after blocked: me", "further blocked: after", "toofar blocked: further")...)
	got := shown(t, s, graphview.View{Mode: graphview.ModeNear, Focus: node(t, s, "me")})
	want := "lib root step0 step1 step2 step3 step4 step5 step6 step7 step8 me after further"
	if got != want {
		t.Errorf("shown: %s\nwant:  %s", got, want)
	}
}

func TestSurroundingsStaySmallAndSayWhatTheyLeaveOut(t *testing.T) {
	t.Parallel()
	lines := []string{"lib built"}
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("app%d blocked: lib", i))
	}
	s := graph(lines...)
	p, err := s.Picture(graphview.View{Mode: graphview.ModeNear, Focus: 0}, graphlayout.New)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Boxes); n > 80 || p.Boxes[p.Focus].Further != 501-n {
		t.Errorf("%d boxes, and %d more behind the focus", n, p.Boxes[p.Focus].Further)
	}
}

func TestOnlyFailuresAndWhatTheyBlock(t *testing.T) {
	t.Parallel()
	s := graph("lib built", "bad failed: lib", "held blocked: bad", "fine building: lib", "waits blocked: fine")
	if got := shown(t, s, graphview.View{Mode: graphview.ModeFailed, Focus: -1}); got != "bad held" {
		t.Errorf("shown: %s", got)
	}
}

func TestWhatIsDoneIsJoined(t *testing.T) {
	t.Parallel()
	s := graph("lib built", "a built: lib", "b skipped: a", "alone built", "app building: b", "again built: app", "far blocked: app alone")
	if got := shown(t, s, graphview.View{Mode: graphview.ModeAll, Focus: -1, Collapse: true}); got != "3 done alone app again far" {
		t.Errorf("shown: %s", got)
	}
	got := shown(t, s, graphview.View{Mode: graphview.ModeAll, Focus: node(t, s, "b"), Collapse: true})
	if got != "2 done b alone app again far" {
		t.Errorf("with a focus on b: %s", got)
	}
}

// anyState draws a graph whose statuses may be anything.
func anyState(t *rapid.T) *graphview.State {
	n := rapid.IntRange(1, 30).Draw(t, "nodes")
	lines := make([]string, n)
	for i := range lines {
		status := rapid.SampledFrom([]string{"built", "built", "skipped", "failed", "blocked", "building", "pending"}).Draw(t, "status")
		lines[i] = fmt.Sprintf("p-%d %s:", i, status)
		for range rapid.IntRange(0, min(3, i)).Draw(t, "dependencies") {
			if dep := fmt.Sprintf(" p-%d", rapid.IntRange(0, i-1).Draw(t, "dependency")); !strings.HasSuffix(lines[i]+" ", dep+" ") && !strings.Contains(lines[i], dep+" ") {
				lines[i] += dep
			}
		}
	}
	return graph(lines...)
}

// Whatever the statuses are: every picture can be laid out, each build is in at
// most one box, and a region holds builds that are done and nothing else.
func TestEveryViewIsAPicture(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		v := graphview.View{
			Mode:     rapid.SampledFrom([]graphview.Mode{graphview.ModeNear, graphview.ModeFailed, graphview.ModeAll, graphview.ModePath}).Draw(t, "mode"),
			Focus:    rapid.Int32Range(-1, int32(len(s.Nodes)-1)).Draw(t, "focus"),
			To:       rapid.Int32Range(0, int32(len(s.Nodes)-1)).Draw(t, "to"),
			Collapse: rapid.Bool().Draw(t, "collapse"),
			Fold:     rapid.Bool().Draw(t, "fold"),
			Small:    rapid.Bool().Draw(t, "small"),
		}
		p, err := s.Picture(v, graphlayout.New)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int32]bool{}
		for _, b := range p.Boxes {
			for _, node := range b.Nodes {
				if seen[node] {
					t.Fatalf("node %d is in two boxes", node)
				}
				seen[node] = true
				if code := s.Codes[node]; b.Region() && b.Name == "" && code != 'd' && code != 'x' {
					t.Fatalf("node %d in a region is %c", node, code)
				}
			}
		}
		if v.Mode == graphview.ModeAll && len(seen) != len(s.Nodes) {
			t.Fatalf("%d of %d nodes", len(seen), len(s.Nodes))
		}
		if v.Mode == graphview.ModeNear && v.Focus >= 0 && (p.Focus < 0 || p.Boxes[p.Focus].Region()) {
			t.Fatalf("the focus is box %d", p.Focus)
		}
	})
}

func TestSearchPutsTheLikeliestFirst(t *testing.T) {
	t.Parallel()
	s := graph("python-openssl built", "openssl-1.1 built", "openssl built", "curl built")
	if got := names(s, s.Search("OpenSSL", 2)); got != "openssl openssl-1.1" {
		t.Errorf("found %s", got)
	}
}

func TestSearchKnowsPatternsAndStatuses(t *testing.T) {
	t.Parallel()
	s := graph("mpfr failed", "qt6-base blocked: mpfr", "qt6-svg blocked: qt6-base", "gcc failed", "zlib blocked: gcc", "qt5-base built", "failed-thing built")
	for query, want := range map[string]string{
		"qt6-*": "qt6-svg qt6-base", "qt?-base": "qt5-base qt6-base", "failed": "mpfr gcc failed-thing", "blocks>1": "mpfr", "blocks>0": "mpfr gcc", "blocks>9": "",
		"blocks>x": "", "qt blocked": "qt6-svg qt6-base", "*": "gcc mpfr zlib qt6-svg qt5-base qt6-base failed-thing", "[": "", "FAILED mp": "mpfr",
	} {
		if got := names(s, s.Search(query, 20)); got != want {
			t.Errorf("%q found %q, want %q", query, got, want)
		}
	}
}

func TestThePathBetweenTwoBuilds(t *testing.T) {
	t.Parallel()
	s := graph("lib built", "a built: lib", "b built: lib", "app built: a b", "tool built: app", "alone built")
	for _, c := range []struct{ from, to, want string }{
		{"lib", "app", "lib a b app"}, {"app", "lib", "lib a b app"}, {"a", "tool", "a app tool"}, {"lib", "alone", "lib alone"}, {"lib", "lib", "lib"},
	} {
		v := graphview.View{Mode: graphview.ModePath, Focus: node(t, s, c.from), To: node(t, s, c.to)}
		if got := shown(t, s, v); got != c.want {
			t.Errorf("from %s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
		if got, want := s.Connected(v.Focus, v.To), c.to != "alone"; got != want && c.from != c.to {
			t.Errorf("%s and %s are connected: %v", c.from, c.to, got)
		}
	}
	// Of very many ways a shortest one.
	lines := []string{"first built"}
	var middle []string
	for i := range 100 {
		middle = append(middle, fmt.Sprintf("m%d", i))
		lines = append(lines, middle[i]+" built: first")
	}
	s = graph(append(lines, "last built: "+strings.Join(middle, " "))...)
	if got := shown(t, s, graphview.View{Mode: graphview.ModePath, Focus: 0, To: node(t, s, "last")}); len(strings.Fields(got)) != 3 {
		t.Errorf("among very many ways: %s", got)
	}
}

func TestFamiliesAreFolded(t *testing.T) {
	t.Parallel()
	lines := []string{"python built", "other built"}
	for i := range 4 {
		lines = append(lines, fmt.Sprintf("python-%d built: python", i))
	}
	s := graph(append(lines, "qt6-a built", "qt6-b built", "python-deep built: python-1 python-2")...)
	v := graphview.View{Mode: graphview.ModeAll, Focus: -1, To: -1, Fold: true}
	if got := shown(t, s, v); got != "python other python-* 4 qt6-a qt6-b python-deep" {
		t.Errorf("shown: %s", got)
	}
	v.Focus = node(t, s, "python-0") // what is looked at stays outside, and three are too few
	if got := shown(t, s, v); !strings.Contains(got, "python-3") {
		t.Errorf("with a focus: %s", got)
	}
}

func TestASmallNeighbourhoodHasTheNearest(t *testing.T) {
	t.Parallel()
	lines := []string{"root built", "bad failed: root"}
	deps := []string{"bad"}
	for i := range 9 {
		deps = append(deps, fmt.Sprintf("d%d", i))
		lines = append(lines, deps[i+1]+" built: root")
	}
	s := graph(append(lines, "me blocked: "+strings.Join(deps, " "), "u blocked: me", "far blocked: u")...)
	got := strings.Fields(shown(t, s, graphview.View{Mode: graphview.ModeNear, Focus: node(t, s, "me"), Small: true}))
	if len(got) != 7 || !slices.Contains(got, "bad") || slices.Contains(got, "root") || slices.Contains(got, "far") {
		t.Errorf("shown: %v", got)
	}
}

func TestGraphvizGetsEveryLine(t *testing.T) {
	t.Parallel()
	nodes := []graphview.Node{
		{ID: 1, Pkgbase: `lib"x\`, Stage: 1}, {ID: 2, Pkgbase: "app", Stage: 2, Level: 1}, {ID: 3, Pkgbase: "tool", Stage: 1, Level: 2},
	}
	s := graphview.New(nodes, []graphview.BuildEdge{
		{From: 1, To: 2, Kinds: buildbtw.EdgeMakedepends}, {From: 2, To: 3, Kinds: buildbtw.EdgeDepends, Through: []string{"cmake"}},
	}, []graphview.BuildCut{{From: 3, To: 1, Kinds: buildbtw.EdgeCheckdepends, Cycle: []string{"lib", "app", "tool"}}}).State(nil)
	p, err := s.Picture(graphview.View{Mode: graphview.ModeAll, Focus: -1}, graphlayout.New)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.WriteDOT(&b, p, "x"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(line, "  n") && !strings.HasPrefix(line, "  node") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`n0 [label="lib\"x\\", fillcolor="#f0f3f5", tooltip="blocked"];`,
		`n1 [label="app@2", fillcolor="#f0f3f5", tooltip="blocked"];`,
		`n2 [label="tool", fillcolor="#f0f3f5", tooltip="blocked"];`,
		`n0 -> n1 [style=dashed, tooltip="makedepends"];`,
		`n1 -> n2 [style=dotted, tooltip="depends"];`,
		`n2 -> n0 [style=dashed, color="#8a5300", constraint=false, tooltip="ignored: on the cycle lib → app → tool"];`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
