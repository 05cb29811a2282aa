package alpm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

func TestVersionedDirectories(t *testing.T) {
	t.Parallel()
	for files, want := range map[string]string{
		"usr/lib/python3.13/site-packages/foo-1.0.dist-info/METADATA":     "usr/lib/python3.13/",
		"usr/lib/python3.14t/site-packages/foo/__init__.py":               "usr/lib/python3.14t/",
		"usr/lib/pypy3.10/site-packages/foo.py":                           "usr/lib/pypy3.10/",
		"usr/lib/perl5/ usr/lib/perl5/5.40/ usr/lib/perl5/5.40/x.pm":      "usr/lib/perl5/5.40/",
		"usr/lib/perl5/vendor_perl/5.40/auto/Foo/Foo.so":                  "usr/lib/perl5/vendor_perl/5.40/",
		"usr/share/perl5/vendor_perl/Foo.pm":                              "usr/share/perl5/",
		"usr/lib/x86_64-linux-gnu/perl5/5.36/Foo.pm":                      "usr/lib/x86_64-linux-gnu/perl5/5.36/",
		"usr/lib/ruby/gems/3.3.0/gems/rake-13.0/lib/rake.rb":              "usr/lib/ruby/gems/3.3.0/",
		"usr/lib/ruby/vendor_ruby/3.3.0/foo.rb":                           "usr/lib/ruby/vendor_ruby/3.3.0/",
		"usr/lib/lua/5.4/":                                                "usr/lib/lua/5.4/",
		"usr/share/lua/5.4/foo.lua usr/lib/lua/5.1/foo.so":                "usr/lib/lua/5.1/ usr/share/lua/5.4/",
		"usr/share/guile/site/3.0/foo.scm":                                "usr/share/guile/site/3.0/",
		"usr/lib/guile/3.0/site-ccache/foo.go":                            "usr/lib/guile/3.0/",
		"usr/lib/ghc-9.4.8/site-local/aeson-2.1/libHSaeson.so":            "usr/lib/ghc-9.4.8/",
		"usr/lib/php83/modules/foo.so":                                    "usr/lib/php83/",
		"usr/lib/php/20230831/foo.so":                                     "usr/lib/php/20230831/",
		"usr/lib/php/modules/foo.so":                                      "usr/lib/php/modules/",
		"usr/lib/php/build/x.mk usr/bin/php":                              "usr/lib/php/modules/@8.1",
		"usr/lib/modules/6.9.7-arch1-1/extramodules/foo.ko.zst":           "usr/lib/modules/6.9.7-arch1-1/",
		"usr/lib/gcc/x86_64-pc-linux-gnu/14.1.1/plugin/foo.so":            "usr/lib/gcc/x86_64-pc-linux-gnu/14.1.1/",
		"usr/lib/qt6/plugins/foo.so":                                      "usr/lib/qt6/",
		"usr/lib/R/library/foo/DESCRIPTION":                               "usr/lib/R/library/",
		"usr/bin/R usr/lib/R/library/base/DESCRIPTION":                    "usr/lib/R/library/ usr/lib/R/library/@8.1",
		"usr/bin/ocamlc usr/lib/ocaml/stdlib.cma":                         "usr/lib/ocaml/ usr/lib/ocaml/@8.1.2",
		"usr/lib/node_modules/foo/index.js":                               "",
		"usr/lib/node_modules/foo/build/Release/foo.node":                 "usr/lib/node_modules/",
		"usr/lib/cmake/boost-1.83.0/x.cmake usr/lib/pkgconfig/foo-2.0.pc": "",
		"usr/lib/libfoo.so.1.2.3 usr/lib/libfoo.a":                        "",
		"usr/lib/debug/usr/lib/python3.13/x.debug":                        "",
		"usr/share/icons/hicolor/48x48/foo.png usr/share/doc/foo-1.2/x":   "",
		"usr/include/python3.13/Python.h opt/foo-1.0/x etc/foo1.0/x":      "",
	} {
		entries := []entry{{name: ".PKGINFO", body: "pkgname = foo\npkgver = 1:8.1.2-3\narch = any\nsize = 1\n"}}
		for _, f := range strings.Fields(files) {
			entries = append(entries, entry{name: f})
		}
		if got := strings.Join(readInterface(t, entries...).Directories, " "); got != want {
			t.Errorf("%s: %q, want %q", files, got, want)
		}
	}
}

func TestDirectoriesAreBounded(t *testing.T) {
	t.Parallel()
	var d alpm.Directories
	for i := range 10_000 {
		d.Add(fmt.Sprintf("usr/lib/x/%d/y", i))
	}
	if names, err := d.Names(); err == nil {
		t.Errorf("%d directories are no error", len(names))
	}
}

func TestNamesOfOneFamilyDifferInTheVersion(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{
		{"usr/lib/python#/", "usr/lib/python3.13/", "usr/lib/python3.14/", "usr/lib64/python3.14/"},
		{"usr/lib/perl#/#/", "usr/lib/perl5/5.38/", "usr/lib/perl5/5.40/"},
		{"usr/lib/modules/#/", "usr/lib/modules/6.9.7-arch1-1/", "usr/lib/modules/6.10-rc1/"},
		{"usr/lib/gcc/x86_64-pc-linux-gnu/#/", "usr/lib/gcc/x86_64-pc-linux-gnu/14.1.1/"},
		{"usr/lib/R/library/@#", "usr/lib/R/library/@4.4"},
		{"libfoo.so=#-64", "libfoo.so=1-64", "libfoo.so=2.1-64"},
		{"libfoo.so=#-32", "libfoo.so=1-32"},
		{"libfoo-2.so=libfoo-2.so-64", "libfoo-2.so=libfoo-2.so-64"},
		{"libQt6Core.so=6-64:Qt_6_PRIVATE_API@#", "libQt6Core.so=6-64:Qt_6_PRIVATE_API@5f1a"},
		{"libperl.so=libperl.so-64@#", "libperl.so=libperl.so-64@usr/lib/perl5/5.40/"},
	} {
		for _, name := range c[1:] {
			if got := alpm.NameFamily(name); got != c[0] {
				t.Errorf("%s: %s, want %s", name, got, c[0])
			}
		}
	}
}

// versioned compiles a library whose symbols have versions.
func versioned(tb testing.TB, script string, functions ...string) string {
	tb.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		tb.Skip("skipped: gcc is not installed")
	}
	dir := tb.TempDir()
	var source strings.Builder
	for _, f := range functions {
		fmt.Fprintf(&source, "int %s(void) { return 1; }\n", f)
	}
	write(tb, filepath.Join(dir, "x.c"), source.String())
	write(tb, filepath.Join(dir, "x.map"), script)
	return compile(tb, dir, "-shared", "-nostdlib", "-Wl,-soname,libq.so.6", "-Wl,--version-script=x.map", "x.c", "-o", "libq.so.6")
}

func write(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// compile returns the last argument, which is what the compiler makes.
func compile(tb testing.TB, dir string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "gcc", append([]string{"-fPIC"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(filepath.Join(dir, args[len(args)-1]))
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

const script = "Q_6 { global: open*; };\nQ_6.1 { global: more*; } Q_6;\nQ_6_PRIVATE_API { global: inner*; local: *; };\n"

func library(tb testing.TB, functions ...string) alpm.Interface {
	tb.Helper()
	return readInterface(tb, fooInfo, entry{name: "usr/lib/libq.so.6", body: versioned(tb, script, functions...)})
}

func TestSymbolVersionsUnderOneSoname(t *testing.T) {
	t.Parallel()
	before := library(t, "open_it", "more_of_it", "inner_one", "inner_two")
	if len(before.Symbols) != 3 || before.Symbols[0] != "libq.so=6-64:Q_6" || before.Symbols[1] != "libq.so=6-64:Q_6.1" ||
		!strings.HasPrefix(before.Symbols[2], "libq.so=6-64:Q_6_PRIVATE_API@") || !slices.Equal(before.Sonames, []string{"libq.so=6-64"}) {
		t.Fatalf("%+v", before)
	}
	if again := library(t, "inner_two", "open_it", "open_more", "more_of_it", "inner_one"); !slices.Equal(again.Symbols, before.Symbols) {
		t.Errorf("the same private symbols: %v, before %v", again.Symbols, before.Symbols)
	}
	after := library(t, "open_it", "more_of_it", "inner_one", "inner_three")
	gone := alpm.GoneOf([]alpm.Interface{before}, []alpm.Interface{after})
	if len(gone) != 1 || gone[0].Name != "libq.so=6-64:Q_6_PRIVATE_API" {
		t.Errorf("a private symbol has changed: %v", gone)
	}
	deps := []alpm.Dep{{Name: "foo"}}
	if reason, changed := alpm.Noticed(deps, []alpm.Interface{before}, []alpm.Interface{after}); changed {
		t.Errorf("who uses no private symbols notices: %s", reason)
	}
	fewer := readInterface(t, fooInfo, entry{name: "usr/lib/libq.so.6", body: versioned(t, "Q_6 { global: open*; };\n", "open_it")})
	if reason, _ := alpm.Noticed(deps, []alpm.Interface{after}, []alpm.Interface{fewer}); reason != "libq.so=6-64:Q_6.1 is gone" {
		t.Errorf("a version is gone: %q", reason)
	}
	derived := before
	derived.Derived, derived.Symbols, derived.Version = true, nil, "1:0.9-1"
	if reason, _ := alpm.Noticed(deps, []alpm.Interface{derived}, []alpm.Interface{after}); reason != "libq.so=6-64:Q_6_PRIVATE_API may have changed from 0.9 to 1.0" {
		t.Errorf("from a list of files: %q", reason)
	}
	derived.Version = "1:1.0-1"
	if reason, changed := alpm.Noticed(deps, []alpm.Interface{derived}, []alpm.Interface{after}); changed {
		t.Errorf("the same version from a list of files: %q", reason)
	}
}

func TestLinksAreThoseOfProgramsAndLibraries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "libq.so.6"), versioned(t, script, "open_it", "more_of_it", "inner_one"))
	write(t, filepath.Join(dir, "libperl.so"), versioned(t, "{ global: *; };\n", "perl_run"))
	write(t, filepath.Join(dir, "main.c"), "int open_it(void); int inner_one(void);\nint main(void) { return open_it() + inner_one(); }\n")
	program := compile(t, dir, "main.c", "libq.so.6", "-Wl,-rpath,.", "-o", "main")
	plain := readInterface(t, fooInfo, entry{name: "usr/bin/main", body: program}, entry{name: "usr/share/x", body: "\x7fELF"})
	want := []string{"libc.so=6-64", "libq.so=6-64", "libq.so=6-64:Q_6_PRIVATE_API"}
	if d := cmp.Diff(want, plain.Links); d != "" || plain.Unknown != "" {
		t.Errorf("%q (-want +got):\n%s", plain.Unknown, d)
	}
	with := readInterface(t, fooInfo, entry{name: "usr/bin/main", body: program}, entry{name: "usr/lib/libq.so.6", body: versioned(t, script, "open_it", "more_of_it", "inner_one")})
	if slices.Contains(with.Links, "libq.so=6-64") {
		t.Errorf("it links with itself: %v", with.Links)
	}
}

func TestLibrariesWithoutAVersionHaveThatOfTheirPlace(t *testing.T) {
	t.Parallel()
	lib := func(soname string) string { return sharedLibrary(t, soname) }
	got := readInterface(t, fooInfo,
		entry{name: "usr/lib/perl5/5.40/core_perl/CORE/libperl.so", body: lib("libperl.so")},
		entry{name: "usr/lib/libplain.so", body: lib("libplain.so")},
		entry{name: "usr/lib/gstreamer/libplugin.so", body: lib("libplugin.so")},
		entry{name: "usr/lib/libfoo.so.1", body: lib("libfoo.so.1")})
	want := []string{"libperl.so=libperl.so-64@usr/lib/perl5/5.40/", "libplain.so=libplain.so-64@1.0"}
	if d := cmp.Diff(want, got.Symbols); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestGoneIsWhatHasAnotherVersionNow(t *testing.T) {
	t.Parallel()
	pkg := func(directories ...string) []alpm.Interface {
		return []alpm.Interface{{Pkgname: "x", Directories: directories}}
	}
	for _, c := range []struct {
		from, to []alpm.Interface
		want     string
	}{
		{pkg("usr/lib/python3.13/"), pkg("usr/lib/python3.14/"), "moved from /usr/lib/python3.13/ to /usr/lib/python3.14/"},
		{pkg("usr/lib/python3.13/"), pkg("usr/lib/python3.13/", "usr/lib/python3.14/"), ""},
		{pkg("usr/lib/python3.13/"), pkg(), ""}, // it has no modules any more
		{pkg("usr/lib/R/library/", "usr/lib/R/library/@4.4"), pkg("usr/lib/R/library/", "usr/lib/R/library/@4.5"), "is version 4.5 now, and /usr/lib/R/library/ has what was built for another"},
		{[]alpm.Interface{{Sonames: []string{"liba.so=1-64"}}}, []alpm.Interface{{Sonames: []string{"liba.so=2-64"}}}, "has liba.so=2-64 instead of liba.so=1-64"},
		{pkg("usr/lib/python3.13/"), nil, ""},
	} {
		var got []string
		for _, g := range alpm.GoneOf(c.from, c.to) {
			got = append(got, g.String())
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%q, want %q", text, c.want)
		}
	}
}

func TestInterfacesOfAnOlderVersionAreUnknown(t *testing.T) {
	t.Parallel()
	var old, now alpm.Interface
	if err := json.Unmarshal([]byte(`{"pkgname":"x","version":"1-1","provides":["y"],"sonames":["libx.so=1-64"]}`), &old); err != nil {
		t.Fatal(err)
	}
	if old.Unknown == "" || old.Pkgname != "x" || len(old.Sonames) != 1 {
		t.Errorf("%+v", old)
	}
	text, err := json.Marshal(alpm.Interface{Pkgname: "x", Directories: []string{"usr/lib/python3.13/"}})
	if err == nil {
		err = json.Unmarshal(text, &now)
	}
	if err != nil || now.Unknown != "" || len(now.Directories) != 1 {
		t.Errorf("%s: %+v, %v", text, now, err)
	}
}
