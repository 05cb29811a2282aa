package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
	"buildbtw/release/check"
)

// plain is a package in which everything is known and nothing is wrong.
func plain(version string, change ...func(*check.Package)) check.Package {
	p := check.Package{
		Name: "foo", Version: version, Depends: []string{"glibc", "foo-data=" + version}, Provides: []string{"libfoo.so=1-64", "foo-api=1"}, Size: 10 << 20,
		Files: []string{"usr/", "usr/bin/", "usr/bin/foo"},
		Interface: alpm.Interface{
			Pkgname: "foo", Sonames: []string{"libfoo.so=1-64"}, Links: []string{"libc.so=6-64", "libc.so=6-64:PRIVATE"},
			Content: &alpm.Content{Install: "aa", Privileged: []string{"usr/bin/su 4755"}, BuildIDs: []string{"0a1b2c usr/bin/foo"}},
		},
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func build(now check.Package, before ...check.Package) check.Build {
	b := check.Build{
		Packages: []check.Package{now}, Before: map[string]check.Package{}, Libraries: map[string]bool{"libc.so=6-64": true}, AllLibraries: true,
		Owned: map[string][]string{}, Namcap: []string{}, Debug: &check.Package{Name: "foo-debug", Files: []string{"usr/lib/debug/.build-id/0a/1b2c.debug"}},
	}
	for _, p := range before {
		b.Before[p.Name] = p
	}
	return b
}

func unread(p *check.Package) {
	p.Interface, p.Files, p.Size = alpm.Interface{Unknown: "not read"}, nil, 0
}

func TestChecks(t *testing.T) {
	t.Parallel()
	type edit = func(*check.Package)
	for name, c := range map[string]struct {
		now, before edit
		build       func(*check.Build)
		want        string // the findings that are not ok: "kind outcome: lines"
	}{
		"nothing": {},
		"a library left": {
			now:  func(p *check.Package) { p.Sonames = []string{"libfoo.so=2-64"} },
			want: "sonames found: foo: libfoo.so=1-64",
		},
		"a library moved within the build": {
			now: func(p *check.Package) { p.Sonames = nil },
			build: func(b *check.Build) {
				b.Packages = append(b.Packages, check.Package{Name: "foo-libs", Version: "2-1", Files: []string{"usr/lib/libfoo.so.1"}, Interface: alpm.Interface{Sonames: []string{"libfoo.so=1-64"}, Content: &alpm.Content{}}})
			},
		},
		"dependencies": {
			now:  func(p *check.Package) { p.Depends[0], p.Provides[1] = "musl", "foo-api=7" },
			want: "dependencies found: foo: depends no more glibc, foo: depends newly musl, foo: provides no more foo-api=1, foo: provides newly foo-api=7",
		},
		"files vanished": {
			before: func(p *check.Package) { p.Files = append(p.Files, "usr/bin/foo-config", "usr/include/") },
			want:   "files found: foo: usr/bin/foo-config",
		},
		"larger":        {now: func(p *check.Package) { p.Size = 13 << 20 }, want: "size found: foo: 10 MiB before, now 13 MiB"},
		"a bit larger":  {now: func(p *check.Package) { p.Size = 12 << 20 }},
		"small, larger": {now: func(p *check.Package) { p.Size = 900 << 10 }, before: func(p *check.Package) { p.Size = 1 << 10 }},
		"setuid": {
			now:  func(p *check.Package) { p.Content.Privileged = append(p.Content.Privileged, "usr/bin/foo 4755") },
			want: "setuid found: foo: usr/bin/foo 4755",
		},
		"setuid, another mode": {
			now:  func(p *check.Package) { p.Content.Privileged[0] = "usr/bin/su 6755" },
			want: "setuid found: foo: usr/bin/su 6755",
		},
		"install changed": {now: func(p *check.Package) { p.Content.Install = "bb" }, want: "install found: foo: the install script changed"},
		"install added":   {before: func(p *check.Package) { p.Content.Install = "" }, want: "install found: foo: it has an install script now"},
		"install removed": {now: func(p *check.Package) { p.Content.Install = "" }},
		"links": {
			now:  func(p *check.Package) { p.Links = append(p.Links, "libgone.so=1-64") },
			want: "links found: foo: libgone.so=1-64",
		},
		"links, not all known": {
			now:   func(p *check.Package) { p.Links = append(p.Links, "libgone.so=1-64") },
			build: func(b *check.Build) { b.AllLibraries = false },
			want:  "links unknown: foo: libgone.so=1-64 is not known to be anywhere",
		},
		"owners": {
			build: func(b *check.Build) { b.Owned["foo"] = []string{"usr/bin/foo of bar 1-1"} },
			want:  "owners found: foo: usr/bin/foo of bar 1-1",
		},
		"empty": {
			now:  func(p *check.Package) { p.Files, p.Content.BuildIDs = []string{"usr/"}, nil },
			want: "files found: foo: usr/bin/foo; empty found: foo: it had files before",
		},
		"a meta package": {
			now:    func(p *check.Package) { p.Files, p.Content.BuildIDs = []string{}, nil },
			before: func(p *check.Package) { p.Files = []string{} },
		},
		"debug links": {
			now:  func(p *check.Package) { p.Content.BuildIDs = append(p.Content.BuildIDs, "0a1bff usr/bin/bar") },
			want: "debug found: foo: usr/bin/bar",
		},
		"no debug package": {
			now:   func(p *check.Package) { p.Content.BuildIDs = append(p.Content.BuildIDs, "0a1bff usr/bin/bar") },
			build: func(b *check.Build) { b.Debug = nil },
		},
		"namcap": {
			build: func(b *check.Build) { b.Namcap = []string{"foo E: Missing license", "bar W: of another package"} },
			want:  "namcap found: foo: E: Missing license",
		},
		"namcap was not run": {
			build: func(b *check.Build) { b.Namcap = nil },
			want:  "namcap unknown: namcap is not on the machine that built it, so it was not run",
		},
		"nothing is known of the one before": {
			before: unread,
			want: "sonames unknown: foo: which libraries it has or had is not known; files unknown: foo: which files it has or had is not known; size unknown: foo: its size is not known; " +
				"setuid unknown: foo: usr/bin/su 4755, before not known; install unknown: foo: it has an install script, before not known",
		},
		"an interface of an older buildbtw": {
			now: func(p *check.Package) { p.Content = nil },
			want: "setuid unknown: foo: the modes of its files are not known; install unknown: foo: whether it has an install script is not known; " +
				"debug unknown: foo: its build IDs, or the files of the debug package, are not known",
		},
	} {
		now, before := plain("2-1"), plain("1-1")
		for p, edit := range map[*check.Package]edit{&now: c.now, &before: c.before} {
			if edit != nil {
				edit(p)
			}
		}
		b := build(now, before)
		if c.build != nil {
			c.build(&b)
		}
		if got := words(check.All(b)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func words(list []check.Finding) string {
	var all []string
	for _, f := range list {
		if f.Outcome != check.OK {
			all = append(all, fmt.Sprintf("%s %s: %s", f.Kind, f.Outcome, strings.Join(f.Lines, ", ")))
		}
	}
	return strings.Join(all, "; ")
}

func TestANewPackageHasNothingToBeComparedWith(t *testing.T) {
	t.Parallel()
	if got := words(check.All(build(plain("1-1")))); got != "setuid found: foo: usr/bin/su 4755" {
		t.Error(got)
	}
}

// TestAnOlderPackageIsNotCompared is of a build of long ago, after a newer one was released.
func TestAnOlderPackageIsNotCompared(t *testing.T) {
	t.Parallel()
	for _, f := range check.All(build(plain("1-1"), plain("2-1"))) {
		if f.Kind == check.Namcap { // compares nothing
			continue
		}
		if f.Outcome != check.Unknown || !slices.Equal(f.Lines, []string{"foo: the view has 2-1, which is newer"}) {
			t.Errorf("%+v", f)
		}
	}
}

// TestPackagesThatAreGoneHaveNoFindings is of a build whose repository was pruned.
func TestPackagesThatAreGoneHaveNoFindings(t *testing.T) {
	t.Parallel()
	for _, f := range check.All(check.Build{}) {
		if f.Outcome != check.Unknown || !slices.Equal(f.Lines, []string{"its packages are not there any more"}) {
			t.Errorf("%+v", f)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	before := plain("1-1")
	for i := range 5000 {
		before.Files = append(before.Files, fmt.Sprintf("usr/share/%05d-%s", i, strings.Repeat("é", 300)))
	}
	for _, f := range check.All(build(plain("2-1"), before)) {
		if f.Kind != check.Files {
			continue
		}
		last := f.Lines[len(f.Lines)-1]
		if len(f.Lines) != 100 || last != "and 4901 more" || len(f.Lines[0]) > 310 || strings.ContainsRune(f.Lines[0], '�') {
			t.Errorf("%d lines, the first of %d bytes, the last %q", len(f.Lines), len(f.Lines[0]), last)
		}
	}
}

func TestEveryKindHasWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range check.Kinds() {
		if seen[kind.Words()] {
			t.Errorf("%s has the words of another", kind)
		}
		seen[kind.Words()] = true
	}
	var run []check.Kind
	for _, f := range check.All(build(plain("1-1"))) {
		run = append(run, f.Kind)
	}
	if want := slices.DeleteFunc(check.Kinds(), func(k check.Kind) bool { return k == check.Reproducible }); !slices.Equal(run, want) {
		t.Errorf("checks: %v; want %v", run, want)
	}
}

func TestPredecessorsThatAreTheSame(t *testing.T) {
	t.Parallel()
	old := check.Predecessor{Version: "1-1", Digest: "a", Target: "testing", Now: "b"}
	for name, c := range map[string]struct {
		before, now check.Predecessor
		want        bool
	}{
		"the same, from another target": {old, check.Predecessor{Version: "1-1", Digest: "a"}, true},
		"another file":                  {old, check.Predecessor{Version: "1-1", Digest: "c"}, false},
		"a newer one":                   {old, check.Predecessor{Version: "2-1", Digest: "c"}, false},
		"gone":                          {old, check.Predecessor{}, false},
		"the build's own":               {old, check.Predecessor{Version: "2-1", Digest: "b"}, true},
		"none, as before":               {check.Predecessor{Now: "b"}, check.Predecessor{}, true},
		"none, own digest not known":    {check.Predecessor{Version: "1-1"}, check.Predecessor{}, false},
		"there is one now":              {check.Predecessor{Now: "b"}, check.Predecessor{Version: "1-1", Digest: "a"}, false},
	} {
		if got := c.before.Same(c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := (check.Predecessors{"b": {}, "c": {Version: "1-1"}, "a": {Version: "2-1"}}).Versions(); !slices.Equal(got, []string{"a 2-1", "c 1-1"}) {
		t.Errorf("versions: %q", got)
	}
}
