package baserepo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
)

// kept opens a directory in which the files of repositories already lie.
func kept(tb testing.TB, files map[string][]byte, repos ...string) *baserepo.Snapshot {
	tb.Helper()
	dir := tb.TempDir()
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	var list []baserepo.Repo
	for _, r := range repos {
		list = append(list, baserepo.Repo{Name: r, URL: "https://example.invalid/" + r})
	}
	return open(tb, dir, baserepo.Options{}, list...).Snapshot()
}

func TestEntriesSayWhatRepoAddWrote(t *testing.T) {
	t.Parallel()
	want := baserepo.Entry{
		Name: "foo", Base: "foobase", Version: "1:2.0-3", Filename: "foo-1:2.0-3-x86_64.pkg.tar.gz", Arch: "x86_64",
		Depends: []string{"glibc", "bar>=1"}, MakeDepends: []string{"cmake"}, Provides: []string{"libfoo.so=2-64", "api"}, Size: 1, Repo: "core",
	}
	for _, format := range []string{"", ".gz", ".xz", ".zst"} {
		db, _ := repoAdd(t, format, pkg{name: "foo", base: "foobase", version: "1:2.0-3", lines: []string{
			"depend = glibc", "depend = bar>=1", "makedepend = cmake", "provides = libfoo.so=2-64", "provides = api", "license = %NAME%",
		}})
		got, ok := kept(t, map[string][]byte{"core.db": db}, "core").Package("foo")
		if len(got.SHA256) != 64 || got.Packed <= 0 { // of a file that is packed anew each time
			t.Errorf("%s: digest %q of %d bytes", format, got.SHA256, got.Packed)
		}
		got.SHA256, got.Packed = "", 0
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%s (-want +got):\n%s", format, d)
		}
	}
}

// desc is an entry of a database before pacman 4.2 had one file for all.
func TestOldDatabasesHaveTheirDependenciesApart(t *testing.T) {
	t.Parallel()
	db := tarOf(t, member{"foo-1-1/desc", "%NAME%\nfoo\n\n%VERSION%\n1-1\n\n%ARCH%\nany"}, member{"foo-1-1/depends", "%DEPENDS%\nbar\n\n%PROVIDES%\nbaz"})
	got, _ := kept(t, map[string][]byte{"core.db": db}, "core").Package("foo")
	if d := cmp.Diff(baserepo.Entry{Name: "foo", Base: "foo", Version: "1-1", Arch: "any", Depends: []string{"bar"}, Provides: []string{"baz"}, Repo: "core"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTheFirstRepositoryWins(t *testing.T) {
	t.Parallel()
	core, _ := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-1"}, pkg{name: "java17", base: "java17", version: "17-1", lines: []string{"provides = java=17"}})
	extra, _ := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "2-1"}, pkg{name: "java21", base: "java21", version: "21-1", lines: []string{"provides = java=21", "provides = jdk"}})
	s := kept(t, map[string][]byte{"core.db": core, "extra.db": extra}, "core", "extra")
	if e, _ := s.Package("foo"); e.Version != "1-1" || e.Repo != "core" || s.Packages() != 4 {
		t.Errorf("the first repository does not win: %+v", e)
	}
}

func TestSonamesAreDerivedFromNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files, provides string
		needed          string // by other packages; empty: there is no list of links
		want            string
		unknown         bool
	}{
		"no libraries":                     {"usr/bin/foo usr/share/man/man8/ld.so.8.gz etc/foo.sock usr/lib/x.source", "", "", "", false},
		"the usual three":                  {"usr/lib/libfoo.so usr/lib/libfoo.so.1 usr/lib/libfoo.so.1.2.3", "", "", "libfoo.so=1-64", false},
		"one version":                      {"usr/lib/libssl.so usr/lib/libssl.so.3", "", "", "libssl.so=3-64", false},
		"the full version is linked with":  {"usr/lib/libb.so usr/lib/libb.so.1 usr/lib/libb.so.1.2.3", "", "libb.so.1.2.3", "libb.so=1.2.3-64", false},
		"both are linked with":             {"usr/lib/libb.so.1 usr/lib/libb.so.1.2", "", "libb.so.1 libb.so.1.2", "libb.so=1-64 libb.so=1.2-64", false},
		"three of a chain":                 {"usr/lib/l.so.1 usr/lib/l.so.1.2 usr/lib/l.so.1.2.3", "", "", "", true},
		"three of a chain, linked with":    {"usr/lib/l.so.1 usr/lib/l.so.1.2 usr/lib/l.so.1.2.3", "", "l.so.1.2", "l.so=1.2-64", false},
		"three of a chain, provided":       {"usr/lib/l.so.1 usr/lib/l.so.1.2 usr/lib/l.so.1.2.3", "l.so=1.2-64", "", "l.so=1.2-64", false},
		"provided in the newer form":       {"usr/lib/l.so.408 usr/lib/l.so.4.8.1", "lib:l.so.408", "", "l.so=408-64", false},
		"provided for the other word size": {"usr/lib/l.so.408 usr/lib/l.so.4.8.1", "l.so=408-32", "", "", true},
		"provided without a version":       {"usr/lib/l.so.408 usr/lib/l.so.4.8.1", "l.so", "", "", true},
		"versions apart":                   {"usr/lib/libcv.so.408 usr/lib/libcv.so.4.8.1", "", "", "", true},
		"a number is no prefix":            {"usr/lib/l.so.1 usr/lib/l.so.12", "", "", "", true},
		"32 and 64 bits":                   {"usr/lib/libfoo.so.1 usr/lib32/libfoo.so.1", "", "", "libfoo.so=1-32 libfoo.so=1-64", false},
		"no version, no links":             {"usr/lib/libfoo-2.so", "", "", "", true},
		"no version, linked with":          {"usr/lib/libfoo-2.so", "", "libfoo-2.so", "libfoo-2.so=libfoo-2.so-64", false},
		"a plugin that nobody links with":  {"usr/lib/python3/x.cpython-311.so usr/lib/libfoo.so.1", "", "libc.so.6", "libfoo.so=1-64", false},
		"a strange name, linked with":      {"usr/lib/libodd.so.x1", "", "libodd.so.x1", "", true},
		"a strange name, no links":         {"usr/lib/libodd.so.x1", "", "", "", true},
		"a strange name, never linked":     {"usr/lib/libodd.so.x1", "", "libc.so.6", "", false},
		"debugging symbols":                {"usr/lib/debug/usr/lib/libfoo.so.1.2.debug", "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pkg{name: "foo", base: "foo", version: "1-1", files: strings.Fields(c.files)}
			for _, provide := range strings.Fields(c.provides) {
				p.lines = append(p.lines, "provides = "+provide)
			}
			db, files := repoAdd(t, ".gz", p)
			all := map[string][]byte{"core.db": db, "core.files": files}
			if c.needed != "" {
				all["core.links.tar.gz"] = linksDB(t, map[string][]string{"other-1-1": strings.Fields(c.needed), "foo-1-1": {"libc.so.6"}})
			}
			list, ok := kept(t, all, "core").Interfaces("foo")
			if len(list) != 1 || ok == c.unknown || (list[0].Unknown != "") != c.unknown {
				t.Fatalf("%+v, %v", list, ok)
			}
			if got := strings.Join(list[0].Sonames, " "); got != c.want || !list[0].Derived {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestInterfacesAreOfAllPackagesOfAPkgbase(t *testing.T) {
	t.Parallel()
	db, files := repoAdd(t, ".gz", pkg{name: "foo-libs", base: "foo", version: "1-1", files: []string{"usr/lib/libfoo.so.1"}},
		pkg{name: "foo", base: "foo", version: "1-1", lines: []string{"provides = b", "provides = a=1"}}, pkg{name: "bar", base: "bar", version: "1-1"})
	s := kept(t, map[string][]byte{"core.db": db, "core.files": files}, "core")
	got, ok := s.Interfaces("foo")
	want := []alpm.Interface{
		{Pkgname: "foo", Version: "1-1", Provides: []string{"a=1", "b"}, Directories: []string{}, Derived: true},
		{Pkgname: "foo-libs", Version: "1-1", Sonames: []string{"libfoo.so=1-64"}, Directories: []string{}, Derived: true},
	}
	if d := cmp.Diff(want, got); d != "" || !ok {
		t.Errorf("(-want +got):\n%s", d)
	}
	if list, ok := s.Interfaces("nothing"); ok || len(list) > 0 {
		t.Errorf("an unknown pkgbase: %v", list)
	}
}

func TestListOfFilesOfAnotherVersionTellsNothing(t *testing.T) {
	t.Parallel()
	_, files := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-1"})
	db, _ := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-2"})
	for _, all := range []map[string][]byte{{"core.db": db, "core.files": files}, {"core.db": db}} {
		list, ok := kept(t, all, "core").Interfaces("foo")
		if ok || len(list) != 1 || list[0].Unknown == "" {
			t.Errorf("%+v, %v", list, ok)
		}
	}
}

// TestBaseAndBuiltPackagesCompare is the use of it all: the base's side comes
// from names, the other from a package.
func TestBaseAndBuiltPackagesCompare(t *testing.T) {
	t.Parallel()
	db, files := repoAdd(t, ".gz", pkg{name: "foo", base: "foo", version: "1-1", files: []string{"usr/lib/libfoo.so.1", "usr/lib/libfoo.so.1.2", "usr/lib/foo/plugin.so"}})
	needs := linksDB(t, map[string][]string{"other-1-1": {"libfoo.so.1"}})
	from, ok := kept(t, map[string][]byte{"core.db": db, "core.files": files, "core.links.tar.gz": needs}, "core").Interfaces("foo")
	if !ok {
		t.Fatal("not known")
	}
	deps := []alpm.Dep{{Name: "foo", Op: ">=", Version: "1"}}
	same := alpm.Interface{Pkgname: "foo", Version: "2-1", Sonames: []string{"libfoo.so=1-64", "plugin.so=plugin.so-64"}}
	if reason, changed := alpm.Noticed(deps, from, []alpm.Interface{same}); changed {
		t.Errorf("noticed: %s", reason)
	}
	other := alpm.Interface{Pkgname: "foo", Version: "2-1", Sonames: []string{"libfoo.so=2-64"}}
	if reason, _ := alpm.Noticed(deps, from, []alpm.Interface{other}); reason != "libfoo.so=1-64 is gone" {
		t.Errorf("reason %q", reason)
	}
}

// TestLargeDatabaseIsReadQuickly has the size of Arch's extra. The bound is ten
// times what it takes here, for a busy machine.
// TestLargeDatabaseIsReadQuickly counts the processor's time, which other work on
// the machine does not change. It must not be parallel: then no other test runs
// meanwhile.
func TestLargeDatabaseIsReadQuickly(t *testing.T) {
	db := madeUp(t, 15_000)
	begin := processorTime(t)
	s := kept(t, map[string][]byte{"extra.db": db}, "extra")
	if took := processorTime(t) - begin; took > 5*time.Second {
		t.Errorf("%v", took)
	}
	if s.Packages() != 15_000 {
		t.Errorf("%d packages", s.Packages())
	}
}

// processorTime is what this process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// FuzzDatabases looks for panics and for interfaces that are known and unknown.
func FuzzDatabases(f *testing.F) {
	db := tarOf(f, member{"foo-1-1/desc", "%NAME%\nfoo\n\n%VERSION%\n1-1\n\n%ARCH%\nany\n\n%PROVIDES%\nlibfoo.so=1-64\n"})
	files := tarOf(f, member{"foo-1-1/files", "%FILES%\nusr/lib/libfoo.so.1\nusr/lib/libfoo.so\n"})
	f.Add(db, files, tarOf(f, member{"foo-1-1/links", "libfoo.so.1\nlibc.so.6\n"}))
	f.Add(compress(f, "gz", db), compress(f, "zst", files), compress(f, "xz", nil))
	f.Fuzz(func(t *testing.T, db, files, links []byte) {
		dir := t.TempDir()
		for name, body := range map[string][]byte{"a.db": db, "a.files": files, "a.links.tar.gz": links} {
			if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, dir, baserepo.Options{MaxUnpacked: 8 << 20}, baserepo.Repo{Name: "a", URL: "https://example.invalid"}).Snapshot()
		list, ok := s.Interfaces("foo")
		for _, i := range list {
			if ok && i.Unknown != "" || i.Pkgname == "" || i.Version == "" {
				t.Errorf("%+v, %v", i, ok)
			}
		}
	})
}

func BenchmarkOpenExtra(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "extra.db"), madeUp(b, 15_000), 0o600); err != nil {
		b.Fatal(err)
	}
	repo := baserepo.Repo{Name: "extra", URL: "https://example.invalid"}
	for b.Loop() {
		if n := open(b, dir, baserepo.Options{}, repo).Snapshot().Packages(); n != 15_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkOpenLists reads lists of files like those of Arch's extra: 15,000
// packages with 250 names each, 250 MB unpacked.
func BenchmarkOpenLists(b *testing.B) {
	var members []member
	for i := range 15_000 {
		var text strings.Builder
		text.WriteString("%FILES%\n")
		for j := range 250 {
			fmt.Fprintf(&text, "usr/share/package-%d/directory/with/some/parts/%x-%d.html\n", i, i*j*7919, j)
		}
		fmt.Fprintf(&text, "usr/lib/libx%d.so\nusr/lib/libx%d.so.1\nusr/lib/libx%d.so.1.2\n", i, i, i)
		members = append(members, member{fmt.Sprintf("package-%d-1.%d-1/files", i, i), text.String()})
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "extra.files"), compress(b, "gz", tarOf(b, members...)), 0o600); err != nil {
		b.Fatal(err)
	}
	repo := baserepo.Repo{Name: "extra", URL: "https://example.invalid"}
	for b.Loop() {
		open(b, dir, baserepo.Options{}, repo)
	}
}

func TestDirectoriesAndLinksOfTheBase(t *testing.T) {
	t.Parallel()
	db, files := repoAdd(t, ".gz",
		pkg{name: "perl", base: "perl", version: "5.40.0-1", files: []string{"usr/bin/perl", "usr/lib/perl5/5.40/core_perl/CORE/libperl.so", "usr/share/perl5/core_perl/Env.pm"}},
		pkg{name: "r", base: "r", version: "4.4.2-1", files: []string{"usr/bin/R", "usr/lib/R/library/base/R/base"}},
		pkg{name: "vim", base: "vim", version: "9-1", files: []string{"usr/bin/vim"}},
		pkg{name: "lib32-foo", base: "lib32-foo", version: "1-1", files: []string{"usr/lib32/libfoo.so.1"}})
	links := linksDB(t, map[string][]string{"perl-5.40.0-1": {"libc.so.6"}, "vim-9-1": {"libperl.so", "libc.so.6"}, "lib32-foo-1-1": {"libc.so.6"}})
	s := kept(t, map[string][]byte{"core.db": db, "core.files": files, "core.links.tar.gz": links}, "core")
	want := map[string]alpm.Interface{
		"perl": {
			Pkgname: "perl", Version: "5.40.0-1", Sonames: []string{"libperl.so=libperl.so-64"}, Derived: true,
			Directories: []string{"usr/lib/perl5/5.40/", "usr/share/perl5/"}, Symbols: []string{"libperl.so=libperl.so-64@usr/lib/perl5/5.40/"}, Links: []string{"libc.so=6-64"},
		},
		"r":         {Pkgname: "r", Version: "4.4.2-1", Directories: []string{"usr/lib/R/library/", "usr/lib/R/library/@4.4"}, Derived: true},
		"vim":       {Pkgname: "vim", Version: "9-1", Directories: []string{}, Links: []string{"libc.so=6-64", "libperl.so=libperl.so-64"}, Derived: true},
		"lib32-foo": {Pkgname: "lib32-foo", Version: "1-1", Sonames: []string{"libfoo.so=1-32"}, Directories: []string{}, Links: []string{"libc.so=6-32"}, Derived: true},
	}
	for name, i := range want {
		got, ok := s.Interfaces(name)
		if d := cmp.Diff([]alpm.Interface{i}, got); d != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, d)
		}
	}
}
