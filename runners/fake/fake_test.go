package fake_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// Real pacman reads the packages.
func TestPackagesAreReal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("pacman"); err != nil {
		t.Skip("pacman is not installed")
	}
	j := runners.Job{Tree: t.TempDir(), Output: t.TempDir()}
	j.Pkgbase, j.Version, j.Architecture, j.Pkgnames, j.SourceDate = "it", "1:1-1", "x86_64", []string{"it"}, 1_700_000_000
	j.Srcinfo = "pkgbase = it\n\tpkgdesc = A thing\n\tpkgver = 1\n\tpkgrel = 1\n\tepoch = 1\n\tarch = x86_64\n\tdepends = glibc\n\npkgname = it\n"
	if err := os.WriteFile(filepath.Join(j.Tree, ".fake"), []byte("# a library\nsoname=libit.so.2\nsize=1000\noutcome.7=failed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := (fake.Runner{}).Build(t.Context(), j, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("%+v", r)
	}
	out, err := exec.Command("pacman", "--dbpath", t.TempDir(), "-Qip", filepath.Join(j.Output, "it-1:1-1-x86_64.pkg.tar.zst")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"A thing", "libit.so=2-64", "glibc", "1:1-1"} {
		if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	j.Attempt, j.Output = 7, t.TempDir()
	if r := (fake.Runner{}).Build(t.Context(), j, io.Discard); r.Outcome != buildbtw.OutcomeFailed {
		t.Errorf("attempt 7: %+v", r)
	}
}
