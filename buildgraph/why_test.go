package buildgraph_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

func media(t *testing.T) *world {
	return newWorld(t,
		source(t, "libx264", "provides=libx264.so=164-64"),
		source(t, "ffmpeg", "depends=libx264", "depends=libx264.so=164-64", "provides=libav"),
		source(t, "mpv", "depends=libav"),
		source(t, "haruna", "depends=mpv"),
		source(t, "obs", "makedepends=libx264"),
		source(t, "game", "depends=obs"),
		source(t, "jq"),
	)
}

func TestReasons(t *testing.T) {
	t.Parallel()
	w := media(t)
	w.settings.Makedepends = true
	w.settings.Add = buildbtw.Names{"jq"}
	a := arch(t, w.plan("libx264"))
	want := map[string]string{
		"libx264": "is a changeset",
		"ffmpeg":  "links libx264.so=164-64 of libx264",
		"mpv":     "depends on libav, which ffmpeg provides",
		"haruna":  "depends on mpv",
		"obs":     "needs libx264 to build",
		"game":    "depends on obs",
		"jq":      "was added by name",
	}
	got := map[string]string{}
	for _, b := range a.Builds {
		got[b.Pkgbase] = b.Reason.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, ask string
		settings  func(*buildbtw.Settings)
		inSet     bool
		chain     string
		causes    int
		because   string
	}{
		{"in the set", "haruna", nil, true, "haruna ← mpv ← ffmpeg ← libx264", 1, ""},
		{"by pkgname", "ffmpeg", nil, true, "ffmpeg ← libx264", 1, ""},
		{"a changeset", "libx264", nil, true, "libx264", 0, ""},
		{"out of scope", "haruna", func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeDirect }, false, "haruna ← mpv ← ffmpeg ← libx264", 0, "haruna is 3 steps from a changeset; scope direct takes only changesets and what depends on them directly"},
		{"one step out of scope", "ffmpeg", func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeNone }, false, "ffmpeg ← libx264", 0, "ffmpeg is 1 step from a changeset; scope none takes only changesets"},
		{"excluded", "mpv", func(s *buildbtw.Settings) { s.Exclude = buildbtw.Names{"mpv"} }, false, "", 0, "excluded by name"},
		{"behind an excluded one", "haruna", func(s *buildbtw.Settings) { s.Exclude = buildbtw.Names{"mpv"} }, false, "", 0, "only reached through packages that are excluded"},
		{"only needed to build", "game", nil, false, "game ← obs ← libx264", 0, "only to build"},
		{"without any way", "jq", nil, false, "", 0, "depends on no changeset"},
		{"added", "jq", func(s *buildbtw.Settings) { s.Add = buildbtw.Names{"jq"} }, true, "jq", 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := media(t)
			if c.settings != nil {
				c.settings(&w.settings)
			}
			all, err := buildgraph.NewIndex(w.sources, w.options).Explain(t.Context(), w.request("libx264"), c.ask)
			if err != nil {
				t.Fatal(err)
			}
			e := all["x86_64"]
			var names []string
			for _, s := range e.Chain {
				names = append(names, s.Pkgbase)
			}
			if e.InSet != c.inSet || strings.Join(names, " ← ") != c.chain || len(e.Causes) != c.causes || !strings.Contains(e.NotNeeded, c.because) || (c.because == "") != (e.NotNeeded == "") {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestExplainUnknownPackage(t *testing.T) {
	t.Parallel()
	w := media(t)
	_, err := buildgraph.NewIndex(w.sources, w.options).Explain(t.Context(), w.request("libx264"), "ghost")
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("error %v, want not found", err)
	}
}

func TestLevelsChainAndPriorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source(t, "lib"), source(t, "slow", "depends=lib"), source(t, "quick", "depends=lib"), source(t, "app", "depends=quick"), source(t, "top", "depends=app"))
	a := arch(t, w.plan("lib"))
	if diff := cmp.Diff([]string{"lib", "quick", "app", "top"}, a.Chain); diff != "" {
		t.Errorf("chain without durations (-want +got):\n%s", diff)
	}
	w.seconds = map[string]float64{"lib": 10, "slow": 1000, "quick": 20, "app": 30} // top takes the median, 30
	a = arch(t, w.plan("lib"))
	if diff := cmp.Diff([]string{"lib", "slow"}, a.Chain); diff != "" {
		t.Errorf("chain by durations (-want +got):\n%s", diff)
	}
	type line struct {
		Key      string
		Level    int
		Priority float64
	}
	var got []line
	for _, b := range a.Builds {
		got = append(got, line{b.Key(), b.Level, b.Priority})
	}
	want := []line{{"lib", 0, 1010}, {"quick", 1, 80}, {"slow", 1, 1000}, {"app", 2, 60}, {"top", 3, 30}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
}

func TestDOT(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source(t, "a", "depends=b"), source(t, "b", "checkdepends=a"), source(t, "tool", "makedepends=a"), source(t, "c", "depends=tool"))
	var b strings.Builder
	if err := w.plan("a", "b", "c").WriteDOT(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"b" -> "a"`, `"a" -> "b"`, `style="dashed"`, `"a" -> "c"`, `style="dotted"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
