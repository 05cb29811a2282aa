package catalog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
)

func TestARootThatCannotBeReadKeepsItsNumbers(t *testing.T) {
	t.Parallel()
	c := catalog.New(catalog.Config{})
	now := time.Now()
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now.Add(time.Second), Report: gitmirror.Report{Found: 7, Broken: map[string]error{"a": errors.New("x"), "b": errors.New("x")}}})
	c.AddScan(catalog.Scan{Dir: "/srv/other", Began: now, Ended: now, Report: gitmirror.Report{Found: 1}})
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now.Add(time.Minute), Err: &fs.PathError{Op: "open", Path: "/srv/packages", Err: errors.New("gone")}})
	roots := c.Roots()
	if len(roots) != 2 || roots[0].Name != "other" || roots[1].Sources != 7 || roots[1].Broken != 2 || roots[1].Took != time.Minute || roots[1].Error != "open packages: gone" {
		t.Errorf("%+v", roots)
	}
	c.AddScan(catalog.Scan{Dir: "/srv/packages", Began: now, Ended: now, Report: gitmirror.Report{Found: 8}})
	if roots = c.Roots(); roots[1].Sources != 8 || roots[1].Error != "" {
		t.Errorf("after it came back: %+v", roots)
	}
}

// A directory of .SRCINFO files, with which one can plan elsewhere, says what a server
// needs: where it is listed, and to who asks for a source.
func TestADirectoryOfSrcinfoFilesSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "artix")
	for _, name := range []string{"world/a.SRCINFO", "world/b.SRCINFO", "c.SRCINFO"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("pkgbase = a\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := gitmirror.Open(t.Context(), filepath.Join(t.TempDir(), "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New(catalog.Config{Mirror: m, BaseRef: "main"})
	_, err = m.SyncSome(t.Context(), dir)
	c.AddScan(catalog.Scan{Dir: dir, Err: err})
	c.SetComplete()
	const want = "artix has no source, only 3 files *.SRCINFO"
	if got := c.Roots()[0].Error; !strings.HasPrefix(got, want) || !strings.Contains(got, "PKGBUILD") {
		t.Errorf("%q", got)
	}
	if _, err := c.Resolve(t.Context(), buildbtw.Changeset{Source: "a"}); buildbtw.KindOf(err) != buildbtw.KindNotFound || !strings.Contains(buildbtw.MessageOf(err), want) {
		t.Errorf("%v", err)
	}
}
