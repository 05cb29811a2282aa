package buildgraph_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"

	"github.com/google/go-cmp/cmp"
)

// pythons is sources of which some have files in python's directory: "named" names
// python, "far" names it through another, "built" to be built, "silent" in no way,
// "needed" is needed by python itself.
func pythons(t *testing.T) *world {
	w := newWorld(t,
		source(t, "python", "pkgver=3.14.0", "depends=needed"),
		source(t, "named", "depends=python"),
		source(t, "far", "depends=named"),
		source(t, "built", "makedepends=python"),
		source(t, "silent"),
		source(t, "split", "pkgname=split", "pkgname=python-split"),
		source(t, "needed"),
		source(t, "tool", "makedepends=python"),
		source(t, "user", "depends=silent"),
		source(t, "apart"),
	)
	dir := []string{"usr/lib/python3.13/"}
	w.options.Owned = map[string]alpm.Owned{"x86_64": {
		Owners: map[string]string{"usr/lib/python3.13/": "python", "usr/lib/gone1.0/": "gone"},
		Users: map[string][]string{
			"named": dir, "far": dir, "built": dir, "silent": dir, "python-split": dir, "needed": dir, "apart": {"usr/lib/gone1.0/"},
		},
	}}
	return w
}

// Who has files in an interpreter's directory depends on it, named or not: it is in
// the plan, says why, and comes after it.
func TestFilesInADirectoryAreADependency(t *testing.T) {
	t.Parallel()
	w := pythons(t)
	a := arch(t, w.plan("python"))
	const files = "has files in /usr/lib/python3.13, which python owns"
	want := map[string]string{
		"python": "is a changeset", "named": "depends on python", "far": files, "built": files, "silent": files, "split": files, "needed": files,
		"user": "depends on silent",
	}
	got := map[string]string{}
	for _, b := range a.Builds {
		got[b.Pkgbase] = b.Reason.String()
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reasons (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		"named>far:depends", "python>built:depends+makedepends", "python>far:depends", "python>named:depends", "python>needed:depends",
		"python>silent:depends", "python>split:depends", "silent>user:depends",
	}, edges(a)); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	// Of python and what it needs, python is built first, with the base's package of the
	// other: that one's module would be put where the new python does not look.
	if d := cmp.Diff([]string{"needed>python:depends [needed python]"}, cuts(a)); d != "" {
		t.Errorf("cuts (-want +got):\n%s", d)
	}
	w.settings.Scope = buildbtw.ScopeDirect
	if got := keys(arch(t, w.plan("python"))); !slices.Equal(got, []string{"built", "far", "named", "needed", "python", "silent", "split"}) {
		t.Errorf("scope direct: %v", got)
	}
	for _, w := range w.plan("apart").Warnings {
		t.Errorf("a directory whose owner is no source: %+v", w)
	}
	if got := keys(arch(t, w.plan("apart"))); !slices.Equal(got, []string{"apart"}) {
		t.Errorf("apart: %v", got)
	}
}

func TestFilesInADirectoryAreExplained(t *testing.T) {
	t.Parallel()
	w := pythons(t)
	ix := buildgraph.NewIndex(w.sources, w.options)
	all, err := ix.Explain(t.Context(), w.request("python"), "user")
	if err != nil {
		t.Fatal(err)
	}
	var chain []string
	for _, s := range all["x86_64"].Chain {
		chain = append(chain, s.Pkgbase+" "+s.Reason.String())
	}
	if d := cmp.Diff([]string{"user depends on silent", "silent has files in /usr/lib/python3.13, which python owns", "python is a changeset"}, chain); d != "" {
		t.Errorf("chain (-want +got):\n%s", d)
	}
	p, _ := ix.Package("x86_64", "python")
	var users []string
	for _, u := range p.Users {
		users = append(users, u.Pkgbase+": "+strings.Join(u.Dependencies, ", "))
	}
	if d := cmp.Diff([]string{
		"built: /usr/lib/python3.13/, python", "far: /usr/lib/python3.13/", "named: /usr/lib/python3.13/, python", "needed: /usr/lib/python3.13/",
		"silent: /usr/lib/python3.13/", "split: /usr/lib/python3.13/", "tool: python",
	}, users); d != "" {
		t.Errorf("users of python (-want +got):\n%s", d)
	}
	p, _ = ix.Package("x86_64", "python-split")
	if len(p.Needs) != 1 || p.Needs[0].Dependency != "/usr/lib/python3.13/" || !slices.Equal(p.Needs[0].By, []string{"python"}) {
		t.Errorf("needs of python-split: %+v", p.Needs)
	}
	if p, _ = ix.Package("x86_64", "split"); len(p.Needs) != 0 {
		t.Errorf("needs of split: %+v", p.Needs)
	}
}

// A new version keeps what is known of files; where it is not known the plan says so.
func TestFilesStayKnownAfterAPush(t *testing.T) {
	t.Parallel()
	w := pythons(t)
	pushed := source(t, "python", "pkgver=3.14.1", "depends=needed")
	pushed.Commit = "another"
	ix := buildgraph.NewIndex(w.sources, w.options)
	if _, err := ix.Plan(t.Context(), w.request("python")); err != nil {
		t.Fatal(err)
	}
	w.sources[0] = pushed
	p, err := ix.Update([]buildgraph.Source{pushed}, nil).Plan(t.Context(), w.request("python"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w.plan("python"), p); d != "" {
		t.Errorf("after a push (-from nothing +updated):\n%s", d)
	}
	w.options = buildgraph.Options{Unlisted: map[string][]string{"x86_64": {"core", "extra"}}}
	p = w.plan("python")
	if got := keys(arch(t, p)); !slices.Equal(got, []string{"far", "named", "python"}) {
		t.Errorf("nothing known: %v", got)
	}
	if got := messages(p, buildgraph.WarnFiles); len(got) != 1 || !strings.HasPrefix(got[0], "no list of files is known of the base repositories core, extra (x86_64): packages that have files in") {
		t.Errorf("nothing known: %q", got)
	}
}

// On the whole distribution, whose packages "python-…" and "perl-…" are taken to have
// files where their interpreters look: all are in its plan, each after it.
func TestFilesInDirectoriesOfADistribution(t *testing.T) {
	t.Parallel()
	sources := distribution(t)
	owned := alpm.Owned{Owners: map[string]string{"usr/lib/python3.14/": "python", "usr/lib/perl5/5.42/": "perl"}, Users: map[string][]string{}}
	with := map[string][]string{} // by interpreter: pkgbases with files
	for _, s := range sources {
		if s.Info == nil {
			continue
		}
		for _, p := range s.Info.Packages {
			for prefix, dir := range map[string]string{"python-": "usr/lib/python3.14/", "perl-": "usr/lib/perl5/5.42/"} {
				if strings.HasPrefix(p.Name, prefix) && s.Info.Allows("x86_64") {
					owned.Users[p.Name] = append(owned.Users[p.Name], dir)
					with[owned.Owners[dir]] = append(with[owned.Owners[dir]], s.Info.Pkgbase)
				}
			}
		}
	}
	options := buildgraph.Options{Owned: map[string]alpm.Owned{"x86_64": owned}}
	ix := buildgraph.NewIndex(sources, options)
	for interpreter, bases := range with {
		request := buildgraph.Request{Architectures: []string{"x86_64"}, Settings: buildbtw.DefaultSettings()}
		request.Settings.Scope = buildbtw.ScopeDirect
		s, _ := ix.Source(interpreter)
		request.Changesets = []buildgraph.Source{s}
		before, err := buildgraph.NewIndex(sources, buildgraph.Options{}).Plan(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ix.Plan(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		a, n := arch(t, p), 0
		after := map[string]bool{} // builds that wait for the interpreter, however far
		for _, e := range a.Edges {
			if e.From == interpreter {
				after[e.To] = true
			}
		}
		for _, b := range a.Builds {
			if b.Reason.Kind == buildbtw.ReasonFiles {
				n++
			}
			if slices.Contains(bases, b.Pkgbase) && b.Pkgbase != interpreter && !after[b.Pkgbase] {
				t.Errorf("%s does not come after %s", b.Pkgbase, interpreter)
			}
		}
		for _, base := range bases {
			if !slices.Contains(keys(a), base) {
				t.Errorf("%s is not in the plan of %s", base, interpreter)
			}
		}
		t.Logf("%s: %d builds, %d without files; %d only because of files; %d cuts, %d without files", interpreter,
			len(a.Builds), len(arch(t, before).Builds), n, len(a.Cuts), len(arch(t, before).Cuts))
		if n < 10 {
			t.Errorf("only %d of %s are there because of files", n, interpreter)
		}
		again, err := buildgraph.NewIndex(sources, options).Plan(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		one, err1 := json.Marshal(p)
		two, err2 := json.Marshal(again)
		if err1 != nil || err2 != nil || string(one) != string(two) {
			t.Errorf("two plans of %s differ", interpreter)
		}
	}
}
