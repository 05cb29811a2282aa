package publish_test

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/scheduler/schedulertest"
)

// basePackage is a package of a base repository.
type basePackage struct {
	name, version, depends string
	files                  []string
}

// base makes a repository of these packages with the real repo-add, and has the
// server read it.
func (f *fixture) base(t *testing.T, packages ...basePackage) {
	t.Helper()
	if _, err := exec.LookPath("repo-add"); err != nil {
		t.Skip("skipped: repo-add is not installed")
	}
	dir := filepath.Join(f.Sources, "..", "base")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--nocolor", "--quiet", "core.db.tar.gz"}
	for _, p := range packages {
		args = append(args, p.write(t, dir))
	}
	cmd := exec.CommandContext(t.Context(), "repo-add", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("repo-add: %v\n%s", err, out)
	}
	f.bases++
	newer := time.Now().Add(time.Duration(f.bases) * time.Hour) // as long and as old as the one before, a file counts as the same
	for _, name := range []string{"core.db.tar.gz", "core.files.tar.gz"} {
		if err := os.Chtimes(filepath.Join(dir, name), newer, newer); err != nil {
			t.Fatal(err)
		}
	}
	if f.Bases == nil {
		base, err := baserepo.Open(filepath.Join(f.Sources, "..", "kept"), []baserepo.Repo{{Name: "core", URL: "file://" + filepath.Clean(dir)}}, baserepo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.Bases = baserepo.Bases{"x86_64": base}
		f.Catalog.Bases, f.Publisher.Baseline = f.Bases, f.Bases.Interfaces
	}
	f.Pass(t, "base")
}

func (p basePackage) write(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, alpm.Filename(p.name, p.version, "x86_64", "gz"))
	path = strings.TrimSuffix(path, ".gz")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(out)
	var info strings.Builder
	fmt.Fprintf(&info, "pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = x\nbuilddate = 1700000000\nsize = 1\narch = x86_64\n", p.name, p.name, p.version)
	for _, d := range strings.Fields(p.depends) {
		fmt.Fprintf(&info, "depend = %s\n", d)
	}
	for _, m := range append([][2]string{{".PKGINFO", info.String()}}, members(p.files)...) {
		if err := w.WriteHeader(&tar.Header{Name: m[0], Mode: 0o644, Size: int64(len(m[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func members(names []string) [][2]string {
	var list [][2]string
	for _, name := range names {
		list = append(list, [2]string{name, ""})
	}
	return list
}

// space makes a buildspace of a source and its first iteration.
func (f *fixture) space(t *testing.T, name, source string) {
	t.Helper()
	f.SpaceWith(t, name, func(*buildbtw.Settings) {}, source)
	f.Pass(t, "sync", "iterate")
}

func (f *fixture) warned(t *testing.T, space, words string) bool {
	t.Helper()
	warnings, err := f.Store.Warnings(t.Context(), f.Iterations(t, space)[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if strings.Contains(w.Message, words) {
			return true
		}
	}
	return false
}

func lib(version, soname string) basePackage {
	return basePackage{"baselib", version, "", []string{"usr/lib/libbase.so", "usr/lib/" + soname}}
}

func TestAnotherBaseIsAnotherInput(t *testing.T) {
	t.Parallel()
	mid := basePackage{"mid", "1-1", "baselib", []string{"usr/bin/mid"}}
	for name, c := range map[string]struct{ depends, makedepends string }{
		"a dependency": {depends: "baselib"}, "a dependency of a dependency": {depends: "mid"}, "for building alone": {makedepends: "mid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.base(t, lib("1-1", "libbase.so.1"), mid)
			text := schedulertest.Srcinfo("app", "1", strings.Fields(c.depends)...)
			if c.makedepends != "" {
				text = strings.Replace(text, "\n\n", "\n\tmakedepends = "+c.makedepends+"\n\n", 1)
			}
			f.Push(t, "app", text)
			f.space(t, "first", "app")
			f.wantBuilt(t, "app")

			f.base(t, lib("1-2", "libbase.so.1"), mid) // rebuilt, with the same interface
			f.space(t, "same", "app")
			f.wantBuilt(t)

			f.base(t, lib("2-1", "libbase.so.2"), mid)
			f.space(t, "other", "app")
			f.wantBuilt(t, "app")
			if !f.warned(t, "other", "app is built again although the commit was built before: the interfaces of the base packages that the build uses have changed since") {
				t.Error("no warning says why app is built again")
			}
			f.space(t, "again", "app")
			f.wantBuilt(t)

			f.base(t, lib("1-3", "libbase.so.1"), mid) // back again
			f.space(t, "back", "app")
			f.wantBuilt(t)
		})
	}
}

// The base's package of what the plan builds itself is no input.
func TestTheBaseOfWhatIsInTheSetIsNoInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.base(t, lib("1-1", "libbase.so.1"), basePackage{name: "other", version: "1-1"})
	f.Push(t, "baselib", schedulertest.Srcinfo("baselib", "3"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "baselib"))
	f.space(t, "first", "baselib")
	f.wantBuilt(t, "baselib", "app")
	f.base(t, lib("2-1", "libbase.so.2"), basePackage{name: "other", version: "2-1"})
	f.space(t, "second", "baselib")
	f.wantBuilt(t)
}

// While nothing is known of the base, keys are what they were before there was any.
func TestResultsFromBeforeTheBaseWasKnownAreBuiltAgainOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "baselib"))
	f.space(t, "first", "app")
	f.wantBuilt(t, "app")
	f.space(t, "second", "app")
	f.wantBuilt(t)
	f.base(t, lib("1-1", "libbase.so.1"))
	f.space(t, "known", "app")
	f.wantBuilt(t, "app")
	if !f.warned(t, "known", "do not say which base packages they were made with") {
		t.Error("no warning says why app is built again")
	}
	f.space(t, "after", "app")
	f.wantBuilt(t)
	if f.warned(t, "after", "app is built again") {
		t.Error("it warns of what is reused")
	}
}

// What is installed with a dependency is an input, even when the dependency itself
// comes out the same.
func TestDependenciesOfDependenciesAreInputs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	f.wantBuilt(t, "lib", "app", "leaf") // app comes out byte for byte as before
}
