package publish_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/scheduler/schedulertest"
)

// files makes the fake runner put files into a package.
func (f *fixture) files(t *testing.T, slug string, names ...string) {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "file=%s\n", name)
	}
	if err := os.WriteFile(filepath.Join(f.Sources, slug, ".fake"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// with is a base's package with files in a directory.
func with(pkgname, version string, directories ...string) alpm.Interface {
	return alpm.Interface{Pkgname: pkgname, Version: version, Directories: append([]string{}, directories...), Derived: true}
}

// interpreter pushes an interpreter with a chain above it of which only the first
// names it: tool has no modules, mod and far have.
func (f *fixture) interpreter(t *testing.T, version string) {
	t.Helper()
	f.Push(t, "python", schedulertest.Srcinfo("python", version))
	f.files(t, "python", "usr/lib/python"+version+"/os.py")
	for _, s := range [][2]string{{"tool", "python"}, {"mod", "tool"}, {"shell", "tool"}, {"far", "shell"}} {
		f.Push(t, s[0], schedulertest.Srcinfo(s[0], "1", s[1]))
	}
	f.modules(t, version, "mod", "far")
}

func (f *fixture) modules(t *testing.T, version string, slugs ...string) {
	t.Helper()
	for _, slug := range slugs {
		f.files(t, slug, "usr/lib/python"+version+"/site-packages/"+slug+".py")
	}
}

const old, later = "usr/lib/python3.13/", "usr/lib/python3.14/"

func TestModulesMoveWithTheirInterpreter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	base := baseline{
		"python": with("python", "3.13.1-1", old), "tool": with("tool", "1-1"), "shell": with("shell", "1-1"),
		"mod": with("mod", "1-1", old), "far": with("far", "1-1", old),
	}
	f.Publisher.Baseline = base.interfaces
	f.interpreter(t, "3.14")
	f.SpaceWith(t, "work", func(*buildbtw.Settings) {}, "python")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "python", "tool", "mod", "far")
	if s := f.DB.Statuses(t, "work"); s["shell"] != buildbtw.StatusSkipped {
		t.Errorf("shell, which has no modules, is %s", s["shell"])
	}
	for _, name := range []string{"mod", "far"} {
		if !f.said(t, "work", name, "Rebuilding: it has files in /usr/lib/python3.13/, and python moved from /usr/lib/python3.13/ to /usr/lib/python3.14/.") {
			t.Errorf("no event says why %s was built", name)
		}
	}
}

func TestModulesStayWhenTheirInterpreterDoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Publisher.Baseline = baseline{
		"python": with("python", "3.14.0-1", later), "tool": with("tool", "1-1"), "shell": with("shell", "1-1"),
		"mod": with("mod", "1-1", later), "far": with("far", "1-1", later),
	}.interfaces
	f.interpreter(t, "3.14")
	f.SpaceWith(t, "work", func(*buildbtw.Settings) {}, "python")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "python", "tool")
}

func TestUnknownFilesMeanBuildWhenAnInterpreterMoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unlisted := with("mod", "1-1")
	unlisted.Directories = nil
	f.Publisher.Baseline = baseline{
		"python": with("python", "3.13.1-1", old), "tool": with("tool", "1-1"), "shell": with("shell", "1-1"), "mod": unlisted, // and no far
	}.interfaces
	f.interpreter(t, "3.14")
	f.SpaceWith(t, "work", func(*buildbtw.Settings) {}, "python")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "python", "tool", "mod", "far")
	if !f.said(t, "work", "far", "Rebuilding: it is unknown which files its last build has, and python moved from /usr/lib/python3.13/ to /usr/lib/python3.14/.") {
		t.Error("no event says why far was built")
	}
}

// Without a base, what was built before tells.
func TestModulesMoveFromOneIterationToTheNext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.interpreter(t, "3.13")
	f.SpaceWith(t, "work", func(*buildbtw.Settings) {}, "python")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "python", "tool", "shell", "mod", "far")
	f.files(t, "python", "usr/lib/python3.14/os.py")
	f.Push(t, "python", schedulertest.Srcinfo("python", "3.14"))
	f.Settle(t)
	f.wantBuilt(t, "python", "tool", "mod", "far")
	f.files(t, "python", "usr/lib/python3.14/os.py")
	f.Push(t, "python", schedulertest.Srcinfo("python", "3.14.1"))
	f.Settle(t)
	f.wantBuilt(t, "python", "tool")
}

// A library that changed its soname concerns everything that links with it, by
// name or not.
func TestWhatLinksWithAGoneSonameIsBuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	links := with("top", "1-1")
	links.Links = []string{"libbig.so=1-64"}
	f.Publisher.Baseline = baseline{
		"lib": {Pkgname: "lib", Version: "1-1", Sonames: []string{"libbig.so=1-64"}},
		"app": with("app", "1-1"), "leaf": with("leaf", "1-1"), "top": links,
	}.interfaces
	f.four(t)
	f.auto(t)
	lib := f.DB.Claim(t, "worker")
	f.build(t, lib)
	packages, err := f.Store.BuildPackages(t.Context(), lib.Build.ID)
	if err == nil { // the fake runner makes no libraries
		err = f.Store.SaveInterfaces(t.Context(), map[string]alpm.Interface{packages[0].SHA256: {Pkgname: "lib", Version: "1-1", Sonames: []string{"libbig.so=2-64"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	f.wantBuilt(t, "app", "top")
	if !f.said(t, "work", "top", "Rebuilding: it links with what is gone: lib has libbig.so=2-64 instead of libbig.so=1-64.") {
		t.Error("no event says why top was built")
	}
}
