package buildgraph_test

import (
	"slices"
	"strings"
	"testing"

	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

// at puts a source into a directory, under another slug if one is given.
func at(place string, s buildgraph.Source) buildgraph.Source {
	s.Place, s.Commit = place, place+"-"+s.Commit
	return s
}

// Of two sources of one pkgbase one counts, and the warning says which, and why.
func TestWhichOfTwoSourcesOfAPkgbaseCounts(t *testing.T) {
	t.Parallel()
	old, recent := at("a", source(t, "conf", "pkgver=0.9")), at("b", source(t, "conf", "pkgver=0.11"))
	const both = "pkgbase conf is defined by conf/main in %W and by conf/main in %L; only the first is used, because "
	cases := []struct {
		name   string
		others []buildgraph.Source
		prefer []string
		want   string // its place
		why    string
	}{
		{"the newer", nil, nil, "b", "it is newer"},
		{"the one that meets a constraint", []buildgraph.Source{source(t, "shell", "depends=conf<0.11")}, nil, "a", "it meets conf<0.11 (needed by shell)"},
		{"the one that meets more of them", []buildgraph.Source{source(t, "x", "depends=conf<0.11"), source(t, "y", "makedepends=conf=0.9"), source(t, "z", "checkdepends=conf>0.10")}, nil, "a", "it meets conf<0.11 (needed by x)"},
		{"constraints of the pkgbase itself tell nothing", []buildgraph.Source{at("c", source(t, "conf", "pkgver=0.1", "depends=conf<0.5"))}, nil, "b", "it is newer"},
		{"a directory that is preferred", []buildgraph.Source{source(t, "shell", "depends=conf>=0.11")}, []string{"a"}, "a", "--prefer says so"},
		{"the first directory that is preferred", nil, []string{"c", "a", "b"}, "a", "--prefer says so"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sources := append([]buildgraph.Source{old, recent}, c.others...)
			for range 2 {
				w := newWorld(t, sources...)
				w.options.Prefer = c.prefer
				ix := buildgraph.NewIndex(sources, w.options)
				chosen, _ := ix.Source("conf")
				if chosen.Place != c.want {
					t.Fatalf("chosen is that of %s, want %s", chosen.Place, c.want)
				}
				r := w.request("conf")
				r.Changesets[0] = chosen
				p := mustPlan(t, ix, r)
				if b := arch(t, p).Builds[0]; b.Commit != chosen.Commit {
					t.Errorf("planned is %s", b.Commit)
				}
				describe := map[string]string{"a": "a (0.9-1)", "b": "b (0.11-1)"}
				want := strings.NewReplacer("%W", describe[c.want], "%L", describe[map[string]string{"a": "b", "b": "a"}[c.want]]).Replace(both) + c.why
				if got := messages(p, buildgraph.WarnDuplicate); !slices.Contains(got, want) {
					t.Errorf("warnings %q, want %q", got, want)
				}
				slices.Reverse(sources)
			}
		})
	}
}

// The same for a package that two pkgbases make: one of them has the name.
func TestWhichOfTwoPkgbasesHasAPkgname(t *testing.T) {
	t.Parallel()
	oldhome, newhome := source(t, "oldhome", "pkgver=4", "pkgname=oldhome", "pkgname=moved"), source(t, "newhome", "pkgver=5", "pkgname=newhome", "pkgname=moved")
	cases := []struct {
		name, dependency string
		prefer           []string
		want, why        string
	}{
		{"the newer", "moved", nil, "newhome", "it is newer"},
		{"the one that meets a constraint", "moved<5", nil, "oldhome", "it meets moved<5 (needed by user)"},
		{"the one that is preferred", "moved>=5", []string{"oldhome"}, "oldhome", "--prefer says so"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, oldhome, newhome, source(t, "user", "depends="+c.dependency))
			w.options.Prefer = c.prefer
			p := w.plan("oldhome", "newhome", "user")
			if diff := cmp.Diff([]string{c.want + ">user:depends"}, edges(arch(t, p))); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
			if got := messages(p, buildgraph.WarnDuplicate); len(got) != 1 || !strings.HasSuffix(got[0], "; dependencies on it mean the first, because "+c.why) {
				t.Errorf("warnings %q", got)
			}
		})
	}
}

func TestPreferredSourceWinsADuplicate(t *testing.T) {
	t.Parallel()
	mine, theirs, app := source(t, "mine", "pkgname=lib"), source(t, "theirs", "pkgver=2", "pkgname=lib"), source(t, "app", "depends=lib")
	for _, prefer := range []string{"mine", "theirs"} {
		w := newWorld(t, mine, theirs, app)
		w.options.Prefer = []string{prefer}
		if diff := cmp.Diff([]string{"app", prefer}, keys(arch(t, w.plan(prefer)))); diff != "" {
			t.Errorf("prefer %s (-want +got):\n%s", prefer, diff)
		}
	}
}

// A push can decide a contest: by the version of who takes part, and by what others
// ask for.
func TestAPushDecidesWhichSourceCounts(t *testing.T) {
	t.Parallel()
	fork := source(t, "fork", "pkgver=2")
	fork.Info.Pkgbase = "lib"
	state := map[string]buildgraph.Source{"lib": source(t, "lib", "pkgver=3"), "fork": fork, "app": source(t, "app", "depends=fork", "makedepends_aarch64=zlib")}
	ix := newIndexOf(state)
	push := func(s buildgraph.Source, want string) {
		t.Helper()
		s.Commit += "+"
		state[s.Slug] = s
		ix = ix.Update([]buildgraph.Source{s}, nil)
		r := buildgraph.Request{Changesets: []buildgraph.Source{state["app"]}, Architectures: []string{"x86_64"}}
		if diff := cmp.Diff(planJSON(t, newIndexOf(state), r), planJSON(t, ix, r)); diff != "" {
			t.Errorf("plan (-new +updated):\n%s", diff)
		}
		if p, _ := ix.Package("x86_64", "lib"); p.Source != want {
			if p, _ := ix.Package("x86_64", "fork"); p.Source != want {
				t.Errorf("the source is not %s", want)
			}
		}
	}
	push(source(t, "app", "depends=fork", "makedepends_aarch64=zlib"), "lib")
	newer := source(t, "fork", "pkgver=4")
	newer.Info.Pkgbase = "lib"
	push(newer, "fork")
	push(source(t, "app", "depends=fork", "makedepends_aarch64=lib<4"), "lib")
}
