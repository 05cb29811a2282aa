package catalog_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
)

// What a build will not have is said at the source and in a plan, also of a source
// whose objects are not in the mirror yet.
func TestASourceAndItsPlanSayWhatABuildWillNotHave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range strings.Split("abcdefghijkl", "") {
		source := filepath.Join(dir, name)
		for _, err := range []error{
			os.Mkdir(source, 0o755),
			os.WriteFile(filepath.Join(source, ".SRCINFO"), []byte("pkgbase = "+name+"\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\n\npkgname = "+name+"\n"), 0o644),
			os.Symlink("../_shared/shared.patch", filepath.Join(source, "shared.patch")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"init", "--quiet", "--initial-branch=main"}, {"add", "."}, {"-c", "user.name=T", "-c", "user.email=t@e", "commit", "--quiet", "-m", "x"}} {
			if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", source}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	m, err := gitmirror.Open(t.Context(), filepath.Join(t.TempDir(), "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New(catalog.Config{Mirror: m, BaseRef: "main", Architectures: []string{"x86_64"}})
	if err := c.Ready(); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Error(err)
	}
	if _, err := m.ReadDir(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "0 of 12 so far") {
		t.Errorf("it does not say how far it is: %v", err)
	}
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `the link shared.patch → "../_shared/shared.patch" leads out of the source`
	all, err := c.Sources(t.Context())
	if err != nil || len(all) != 12 || len(all[3].Notes) != 1 || !strings.HasPrefix(all[3].Notes[0], want) {
		t.Errorf("%+v, %v", all, err)
	}
	plan, err := c.Plan(t.Context(), []buildbtw.Changeset{{Source: "a"}}, buildbtw.DefaultSettings())
	if err != nil || len(plan.Warnings) != 1 || plan.Warnings[0].Kind != buildgraph.WarnIncomplete || !strings.HasPrefix(plan.Warnings[0].Message, "a/main: "+want) {
		t.Errorf("%+v, %v", plan, err)
	}
}
