package alpm_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"buildbtw/pacman/alpm"
)

// pkg is an interface in one line: its name, its version, then provides and
// sonames, which end in their word size.
func pkg(line string) alpm.Interface {
	words := strings.Fields(line)
	i := alpm.Interface{Pkgname: words[0], Version: words[1]}
	for _, w := range words[2:] {
		if s, soname := strings.CutPrefix(w, "so:"); soname {
			i.Sonames = append(i.Sonames, s)
		} else {
			i.Provides = append(i.Provides, w)
		}
	}
	return i
}

func pkgs(lines string) []alpm.Interface {
	var list []alpm.Interface
	for line := range strings.SplitSeq(lines, "\n") {
		list = append(list, pkg(line))
	}
	return list
}

func deps(tb testing.TB, line string) []alpm.Dep {
	tb.Helper()
	var list []alpm.Dep
	for _, s := range strings.Fields(line) {
		d, err := alpm.ParseDep(s)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

func TestWhatADependentNotices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deps, from, to string
		want           string // empty: nothing
	}{
		"nothing but a new version":            {"foo other", "foo 1-1 so:libfoo.so=1-64", "foo 2-1 so:libfoo.so=1-64", ""},
		"a new soname":                         {"foo", "foo 1-1 so:libfoo.so=1-64", "foo 2-1 so:libfoo.so=2-64", "libfoo.so=1-64 is gone"},
		"a second soname":                      {"foo", "foo 1-1 so:libfoo.so=1-64", "foo 2-1 so:libfoo.so=1-64 so:libfoo.so=2-64", "libfoo.so=2-64 is new"},
		"another word size":                    {"foo", "foo 1-1 so:libfoo.so=1-64", "foo 1-1 so:libfoo.so=1-32", "libfoo.so=1-64 is gone"},
		"a library moved":                      {"foo", "foo 1-1 so:l.so=1-64\nfoo-libs 1-1", "foo 1-2\nfoo-libs 1-2 so:l.so=1-64", "l.so=1-64 moved from foo to foo-libs"},
		"a lower bound still met":              {"foo>=1", "foo 1-1", "foo 2-1", ""},
		"a lower bound newly met":              {"foo>=2", "foo 1-1", "foo 2-1", "foo>=2 was not met and is now: foo 2-1"},
		"a lower bound after a downgrade":      {"foo>=2", "foo 2-1", "foo 1-1", "foo>=2 was met by foo 2-1 and is not any more"},
		"an upper bound passed":                {"foo<2", "foo 1-1", "foo 2-1", "foo<2 was met by foo 1-1 and is not any more"},
		"an epoch":                             {"foo<2", "foo 1-1", "foo 1:1-1", "foo<2 was met by foo 1-1 and is not any more"},
		"a bound never met":                    {"foo>=9", "foo 1-1", "foo 2-1", ""},
		"an exact version":                     {"foo=1-1", "foo 1-1", "foo 1-2", "foo=1-1 was met by foo 1-1 and is not any more"},
		"an exact version without pkgrel":      {"foo=1", "foo 1-1", "foo 1-2", ""},
		"an exact version of another":          {"foo foo-libs=1-1", "foo 1-1\nfoo-libs 1-1", "foo 1-2\nfoo-libs 1-2", "foo-libs=1-1 was met by foo-libs 1-1 and is not any more"},
		"a provide moved on":                   {"mathengine", "foo 1-1 mathengine=2.5", "foo 2-1 mathengine=3.0", "mathengine was met by foo provides mathengine=2.5, now by foo provides mathengine=3.0"},
		"a provide that nobody asked for":      {"foo", "foo 1-1 mathengine=2.5", "foo 2-1 mathengine=3.0", ""},
		"a provide of the package's version":   {"foo-api>=1", "foo 1:1.5-1 foo-api=1.5", "foo 1:1.6-3 foo-api=1.6", ""},
		"the same with pkgrel":                 {"foo-api", "foo 1.5-1 foo-api=1.5-1", "foo 1.6-3 foo-api=1.6-3", ""},
		"the same, a bound passed":             {"foo-api<1.6", "foo 1.5-1 foo-api=1.5", "foo 1.6-3 foo-api=1.6", "foo-api<1.6 was met by foo provides foo-api=1.5 and is not any more"},
		"a provide stopped following":          {"foo-api", "foo 1.5-1 foo-api=1.5", "foo 1.6-1 foo-api=1.5", "foo-api was met by foo provides foo-api=1.5, now by foo provides foo-api=1.5"},
		"a provide gone":                       {"api", "foo 1-1 api", "foo 1-2", "api was met by foo provides api and is not any more"},
		"a provide without its version":        {"api=1", "foo 2-1 api=1", "foo 2-2 api", "api=1 was met by foo provides api=1 and is not any more"},
		"another package provides":             {"api", "foo 1-1 api\nbar 1-1", "foo 1-2\nbar 1-2 api", "api was met by foo provides api, now by bar provides api"},
		"a soname in provides, unversioned":    {"libfoo.so", "foo 1-1 libfoo.so=1-64", "foo 1-2 libfoo.so=2-64", "libfoo.so was met by foo provides libfoo.so=1-64, now by foo provides libfoo.so=2-64"},
		"a soname in provides, the same":       {"libfoo.so", "foo 1-1 libfoo.so=1-64", "foo 2-1 libfoo.so=1-64", ""},
		"a soname that looks like the version": {"libfoo.so", "foo 1-64 libfoo.so=1-64", "foo 2-64 libfoo.so=2-64", "libfoo.so was met by foo provides libfoo.so=1-64, now by foo provides libfoo.so=2-64"},
		"a soname in the newer form":           {"libfoo.so=1-64", "foo 1-1 lib:libfoo.so.1", "foo 2-1 lib:libfoo.so.2", "libfoo.so=1-64 was met by foo provides lib:libfoo.so.1 and is not any more"},
		"a package gone":                       {"foo-libs", "foo 1-1\nfoo-libs 1-1", "foo 1-2", "foo-libs was met by foo-libs 1-1 and is not any more"},
		"a package gone that others use":       {"foo", "foo 1-1\nfoo-libs 1-1", "foo 1-2", ""},
		"a package new":                        {"foo", "foo 1-1", "foo 1-2\nfoo-libs 1-2", ""},
		"a dependency from nowhere":            {"bar", "foo 1-1", "foo 1-2", "how it depends on these packages is not known"},
	} {
		reason, changed := alpm.Noticed(deps(t, c.deps), pkgs(c.from), pkgs(c.to))
		if reason != c.want || changed != (c.want != "") {
			t.Errorf("%s: %v, %q; want %q", name, changed, reason, c.want)
		}
	}
}

func TestNothingToCompareWithCountsAsNoticed(t *testing.T) {
	t.Parallel()
	one := pkgs("foo 1-1")
	debug := alpm.Interface{Pkgname: "foo-debug", Version: "1-1", Debug: true}
	for _, c := range [][2][]alpm.Interface{{nil, one}, {one, nil}, {nil, nil}, {{debug}, one}} {
		if reason, changed := alpm.Noticed(deps(t, "foo"), c[0], c[1]); !changed || reason != "there are no packages to compare with" {
			t.Errorf("%v and %v: %v, %q", c[0], c[1], changed, reason)
		}
	}
}

// TestDerivedSonamesLackThoseNobodyLinksWith has a plugin that a list of files
// does not show to have a soname.
func TestDerivedSonamesLackThoseNobodyLinksWith(t *testing.T) {
	t.Parallel()
	to := pkgs("foo 2-1 so:libfoo.so=1-64 so:plugin.so=plugin.so-64")
	from := pkgs("foo 1-1 so:libfoo.so=1-64")
	if reason, changed := alpm.Noticed(deps(t, "foo"), from, to); !changed || reason != "plugin.so=plugin.so-64 is new" {
		t.Errorf("read from the package: %v, %q", changed, reason)
	}
	from[0].Derived = true
	if reason, changed := alpm.Noticed(deps(t, "foo"), from, to); changed {
		t.Errorf("derived: %q", reason)
	}
	if _, changed := alpm.Noticed(deps(t, "foo"), from, pkgs("foo 2-1 so:libfoo.so=1-64 so:libfoo.so=2-64")); !changed {
		t.Error("derived: a new version of a library is not noticed")
	}
}

func TestDigestCoversWhatEveryDependentCanNotice(t *testing.T) {
	t.Parallel()
	base := pkg("foo 1:1.5-1 foo-api=1.5 mathengine=2.5 so:libfoo.so=1-64")
	for line, same := range map[string]bool{
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5 so:libfoo.so=1-64":       true,
		"foo 1:1.6-1 mathengine=2.5 foo-api=1.6 so:libfoo.so=1-64":       true,
		"foo 1:1.6-1 foo-api=1.5 mathengine=2.5 so:libfoo.so=1-64":       false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.6 so:libfoo.so=1-64":       false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5 so:libfoo.so=2-64":       false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5":                         false,
		"bar 1:1.6-1 foo-api=1.6 mathengine=2.5 so:libfoo.so=1-64":       false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5 more so:libfoo.so=1-64":  false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5=x so:libfoo.so=1-64":     false,
		"foo 1:1.6-1 foo-api=1:1.6 mathengine=2.5 so:libfoo.so=1-64":     false,
		"foo 1:1.6-1 foo-api=1.6-1 mathengine=2.5 so:libfoo.so=1-64":     false,
		"foo 1:1.6-1 foo-api=1:1.6-1 mathengine=2.5 so:libfoo.so=1-64":   false,
		"foo 1:1.6-1 foo-api=1.6 mathengine=2.5 so:libfoo.so=1-64 so:b=": false,
	} {
		if got := pkg(line).Digest() == base.Digest(); got != same {
			t.Errorf("%s: same digest: %v", line, got)
		}
	}
	if d := base.Digest(); len(d) != 64 {
		t.Errorf("digest %q", d)
	}
}

// TestEqualDigestsAreNotNoticed is the promise that lets the digests be
// compared first.
func TestEqualDigestsAreNotNoticed(t *testing.T) {
	t.Parallel()
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b=1", "b=2", "so:l.so=1-64", "so:l.so=2-64", "so:m.so=1-64", "l.so=1-64", "lib:l.so.1"}), 0, 4)
	version := rapid.SampledFrom([]string{"1-1", "2-1", "1:1-1"})
	dep := rapid.SampledFrom([]string{"foo", "a", "b", "l.so", "lib:l.so.1", "bar"})
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(label string) alpm.Interface {
			return pkg(strings.Join(append([]string{"foo", version.Draw(rt, label+" version")}, words.Draw(rt, label)...), " "))
		}
		from, to := draw("from"), draw("to")
		asked := append(deps(t, "foo"), deps(t, dep.Draw(rt, "dependency"))...)
		reason, changed := alpm.Noticed(asked, []alpm.Interface{from}, []alpm.Interface{to})
		if changed && from.Digest() == to.Digest() {
			rt.Fatalf("noticed %q, but the digests are equal", reason)
		}
	})
}

func TestOutputDigestIdentifiesFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.pkg.tar.zst": "00", "b.pkg.tar.zst": "01"}
	digest := alpm.OutputDigest(files)
	if again := alpm.OutputDigest(map[string]string{"b.pkg.tar.zst": "01", "a.pkg.tar.zst": "00"}); again != digest || len(digest) != 64 {
		t.Errorf("%q and %q", digest, again)
	}
	for _, other := range []map[string]string{{"a.pkg.tar.zst": "00"}, {"a.pkg.tar.zst": "01", "b.pkg.tar.zst": "00"}, {}} {
		if alpm.OutputDigest(other) == digest {
			t.Errorf("%v has the same digest", other)
		}
	}
}
