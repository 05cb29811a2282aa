package catalog

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/git/gitmirror"
)

// TestOnlyTheNewestCommitsAreKept looks inside, because memory has no door.
func TestOnlyTheNewestCommitsAreKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sources.git")
	mirror, err := gitmirror.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Mirror: mirror, BaseRef: "main", Architectures: []string{"x86_64"}})
	for _, version := range []string{"1", "2", "3"} {
		srcinfo := "pkgbase = lib\n\tpkgver = " + version + "\n\tpkgrel = 1\n\tarch = any\npkgname = lib\n"
		commit(t, dir, "lib", srcinfo)
		if err := c.RefreshSome(t.Context(), []string{"lib"}); err != nil {
			t.Fatal(err)
		}
		if s := c.current.Load().sources; len(s) != 1 || s[0].Version != version+"-1" {
			t.Fatalf("sources %+v, want version %s", s, version)
		}
		if n := len(c.parsed); n != 1 {
			t.Errorf("%d .SRCINFO are kept of 1 source: they would be more with every push", n)
		}
	}
}

// commit puts a commit with this .SRCINFO onto the branch main of a source.
func commit(t *testing.T, dir, slug, srcinfo string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir", dir, "fast-import", "--quiet", "--force")
	cmd.Stdin = strings.NewReader("commit refs/sources/" + slug + "/heads/main\ncommitter T <t@e> 1700000000 +0000\ndata 1\nx\nM 100644 inline .SRCINFO\ndata <<END\n" + srcinfo + "END\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}
