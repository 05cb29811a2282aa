package catalog

import (
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// The file is named once in a plan's warning and in the refusal of a changeset:
// the mirror's error names it already.
func TestAnUnreadableSourceIsNamedWithItsFileOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sources.git")
	mirror, err := gitmirror.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, dir, "bad", "pkgbase = bad\npkgbase\n")
	commit(t, dir, "lib", "pkgbase = lib\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\npkgname = lib\n")
	c := New(Config{Mirror: mirror, BaseRef: "main", Architectures: []string{"x86_64"}})
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	settings := buildbtw.DefaultSettings()
	plan, err := c.Plan(t.Context(), []buildbtw.Changeset{{Source: "lib"}}, settings)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Warnings) != 1 || !strings.HasPrefix(plan.Warnings[0].Message, "bad/main: .SRCINFO: line 2: ") {
		t.Errorf("warnings %+v", plan.Warnings)
	}
	_, err = c.Plan(t.Context(), []buildbtw.Changeset{{Source: "bad"}}, settings)
	if text := buildbtw.MessageOf(err); strings.Count(text, ".SRCINFO") != 1 {
		t.Errorf("a changeset that cannot be read: %s", text)
	}
}
