package catalog_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
)

// pushTo writes a commit to a branch of a source in a mirror.
func pushTo(t *testing.T, mirror, source, branch string, at int, subject string) {
	t.Helper()
	srcinfo := fmt.Sprintf("pkgbase = %s\npkgver = 1.0\npkgrel = 1\narch = x86_64\n\npkgname = %[1]s\n", source)
	in := fmt.Sprintf("commit refs/sources/%s/heads/%s\nauthor Anna <a@localhost> %d +0000\ncommitter T <t@localhost> %[3]d +0000\ndata %d\n%s\nM 100644 inline .SRCINFO\ndata %d\n%s\n",
		source, branch, at, len(subject), subject, len(srcinfo), srcinfo)
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir", mirror, "fast-import", "--quiet", "--force")
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}

func TestTheNewestCommitsComeFirst(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sources.git")
	m, err := gitmirror.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * 60 * 60
	pushTo(t, dir, "old", "main", 1_700_000_000, "Old")
	pushTo(t, dir, "curl", "main", 1_700_000_000+2*day, "Update")
	pushTo(t, dir, "curl", "openssl-4", 1_700_000_000+3*day, "Try openssl 4")
	pushTo(t, dir, "git", "main", 1_700_000_000+day, "Rebuild")
	c := catalog.New(catalog.Config{Mirror: m, BaseRef: "main", Architectures: []string{"x86_64"}})
	wants := func(want ...string) {
		t.Helper()
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := c.PushedBranches(t.Context(), time.Unix(1_700_000_000+5*day, 0), 3)
		var got []string
		for _, p := range list {
			got = append(got, p.Changeset.String()+": "+p.Commit.Subject)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	wants("curl/openssl-4: Try openssl 4", "curl: Update", "git: Rebuild")
	pushTo(t, dir, "old", "main", 1_700_000_000+4*day, "Not any more")
	wants("old: Not any more", "curl/openssl-4: Try openssl 4", "curl: Update")
	// What claims to be of the future does not stand first for ever.
	pushTo(t, dir, "git", "later", 1_700_000_000+300*day, "From a clock that is wrong")
	wants("old: Not any more", "curl/openssl-4: Try openssl 4", "curl: Update")
	// A branch that stands where the base does is nothing to choose.
	pushTo(t, dir, "git", "same", 1_700_000_000+4*day+60, "Same")
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir", dir, "update-ref", "refs/sources/git/heads/main", "refs/sources/git/heads/same")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git update-ref: %v\n%s", err, out)
	}
	wants("git: Same", "old: Not any more", "curl/openssl-4: Try openssl 4")
}
