package makepkg_test

import (
	"strings"
	"testing"

	"buildbtw/runners/makepkg"
)

// TestNamcapLooksAtThePackagesInTheSandbox has a program of that name in the repository of the
// iteration, which one of the sources needs.
func TestNamcapLooksAtThePackagesInTheSandbox(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	run := newRunner(t, makepkg.Options{})
	program := mustBuild(t, run, r, source{name: "namcap"})
	if program.NamcapRan {
		t.Skip("this machine has namcap")
	}
	r.add(t, program.files...)
	needs := func(build string) source {
		return source{name: "wantsnamcap", edit: []string{"BUILD", build}}
	}
	b := mustBuild(t, run, r, needs("true"))
	// The second line says who ran it, and that there is no network.
	want := "wantsnamcap E: Missing license\nwantsnamcap W: uid 1000 interfaces lo packages wantsnamcap-1-1-any.pkg.tar.zst"
	if !b.NamcapRan || b.Namcap != want {
		t.Errorf("namcap, %v:\n%s\nwant\n%s\n%s", b.NamcapRan, b.Namcap, want, b.log)
	}
	b = mustBuild(t, run, r, needs("touch $startdir/../pkgdest/fails"))
	if b.NamcapRan || !strings.Contains(b.log, "namcap could not check the packages: exit code 3") {
		t.Errorf("one that fails: %v %q\n%s", b.NamcapRan, b.Namcap, b.log)
	}
}
