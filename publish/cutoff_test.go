package publish_test

import (
	"os"
	"path/filepath"
	"testing"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/scheduler/schedulertest"
)

// baseline is a base in which every package of the map has that interface.
type baseline map[string]alpm.Interface

func (b baseline) interfaces(_, pkgbase string) ([]alpm.Interface, bool) {
	i, ok := b[pkgbase]
	if !ok {
		return nil, false
	}
	return []alpm.Interface{i}, true
}

// four pushes a chain: lib, app, leaf, top. A change of lib always builds lib
// and app; whether leaf and top are built is decided.
func (f *fixture) four(t *testing.T) {
	t.Helper()
	f.three(t)
	f.Push(t, "top", schedulertest.Srcinfo("top", "1", "leaf"))
}

func (f *fixture) auto(t *testing.T) {
	t.Helper()
	f.SpaceWith(t, "work", func(*buildbtw.Settings) {}, "lib")
	f.Pass(t, "sync", "iterate")
}

// provide makes the fake runner build a package that provides a soname.
func (f *fixture) provide(t *testing.T, slug, soname string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.Sources, slug, ".fake"), []byte("soname="+soname+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWhatNoticesNothingIsNotBuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Publisher.Baseline = baseline{"app": {Pkgname: "app", Version: "1-1"}, "leaf": {Pkgname: "leaf", Version: "1-1"}}.interfaces
	f.four(t)
	f.auto(t)
	f.wantBuilt(t, "lib", "app")
	f.wantListed(t, "work_1", "app-1-1", "lib-1-1")
	for _, name := range []string{"leaf", "top"} {
		if s := f.DB.Statuses(t, "work"); s[name] != buildbtw.StatusSkipped {
			t.Errorf("%s is %s", name, s[name])
		}
	}
	if !f.said(t, "work", "leaf", "Not rebuilt: the ABI of app is the same as in the base repositories.") {
		t.Error("no event says why leaf was not built")
	}
	if rows := f.Iterations(t, "work"); rows[0].Status() != buildbtw.IterationStatusBuilt {
		t.Errorf("the iteration is %s", rows[0].Status())
	}
}

func TestUnknownBaselineMeansBuild(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]func(architecture, pkgbase string) ([]alpm.Interface, bool){"no base": nil, "not in the base": baseline{}.interfaces} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Publisher.Baseline = base
			f.four(t)
			f.auto(t)
			f.wantBuilt(t, "lib", "app", "leaf", "top")
			if !f.said(t, "work", "leaf", "Rebuilding: it is unknown which app the last build used.") {
				t.Error("no event says why leaf was built")
			}
		})
	}
}

func TestPreviousResultIsKeptWhenNothingWasNoticed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.four(t)
	f.auto(t)
	f.wantBuilt(t, "lib", "app", "leaf", "top")
	f.provide(t, "app", "libapp.so.1") // tells the two apart
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t)
	f.wantBuilt(t, "lib", "app")
	f.wantListed(t, "work_2", "app-1-2", "leaf-1-1", "lib-2-1", "top-1-1")
	if !f.said(t, "work", "leaf", "Not rebuilt: the ABI of app is the same as in #1.") {
		t.Error("no event says why leaf keeps its packages")
	}
}

func TestNoticedChangeIsBuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Publisher.Baseline = baseline{"app": {Pkgname: "app", Version: "1-1"}}.interfaces
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "2", "lib"))
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "1", "app<2"))
	f.Push(t, "tip", schedulertest.Srcinfo("tip", "1", "app"))
	f.auto(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	if s := f.DB.Statuses(t, "work"); s["tip"] != buildbtw.StatusSkipped {
		t.Errorf("tip, which asks for no version, is %s", s["tip"])
	}
}

func TestCutOffCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*buildbtw.Settings){
		"setting":   func(s *buildbtw.Settings) { s.CutOff = false },
		"scope all": everything,
		"by hand":   func(s *buildbtw.Settings) { s.Add = buildbtw.Names{"leaf", "top"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Publisher.Baseline = baseline{"app": {Pkgname: "app", Version: "1-1"}, "leaf": {Pkgname: "leaf", Version: "1-1"}}.interfaces
			f.four(t)
			f.SpaceWith(t, "work", change, "lib")
			f.Pass(t, "sync", "iterate")
			f.wantBuilt(t, "lib", "app", "leaf", "top")
		})
	}
}

func TestForceOverrulesTheCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Publisher.Baseline = baseline{"app": {Pkgname: "app", Version: "1-1"}, "leaf": {Pkgname: "leaf", Version: "1-1"}}.interfaces
	f.four(t)
	f.auto(t)
	lib := f.DB.Claim(t, "worker")
	f.build(t, lib)
	f.wantBuilt(t, "app")
	if _, err := f.Store.RebuildBuild(t.Context(), "alice", lib.Build.ID); err != nil {
		t.Fatal(err)
	}
	f.wantBuilt(t, "lib", "app", "leaf", "top")
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1", "top-1-1")
}
