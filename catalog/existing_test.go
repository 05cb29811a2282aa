package catalog

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/baserepo"
)

// What the base's package of a name depends on says of which word size the libraries
// are that its source names, from when the base is read, and as long as it says so.
func TestTheBaseTellsWordSizes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sources.git")
	mirror, err := gitmirror.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for slug, line := range map[string]string{
		"x": "provides = libx.so", "lib32-x": "provides = libx.so", "loader": "depends = libx.so", "app": "depends = libx.so",
	} {
		commit(t, dir, slug, "pkgbase = "+slug+"\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\t"+line+"\npkgname = "+slug+"\n")
	}
	bases := baserepo.Bases{"x86_64": base(t, map[string]string{"loader": "glibc\nlibx.so=1-32", "app": "libx.so=1-64"})}
	c := New(Config{Mirror: mirror, Bases: bases, BaseRef: "main", Architectures: []string{"x86_64"}})
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	planned := func(changeset string) (names []string) {
		plan, err := c.Plan(t.Context(), []buildbtw.Changeset{{Source: changeset}}, buildbtw.DefaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range plan.Architectures["x86_64"].Builds {
			names = append(names, b.Pkgbase)
		}
		slices.Sort(names)
		return names
	}
	if got := planned("lib32-x"); !slices.Equal(got, []string{"lib32-x"}) {
		t.Errorf("before the base is known a change of lib32-x plans %v", got)
	}
	for range 2 { // the second finds nothing new
		revision := c.Revision()
		if err := c.RefreshExisting(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := planned("lib32-x"); !slices.Equal(got, []string{"lib32-x", "loader"}) {
			t.Errorf("a change of lib32-x plans %v", got)
		}
		if got := planned("x"); !slices.Equal(got, []string{"app", "x"}) {
			t.Errorf("a change of x plans %v", got)
		}
		if err := c.RefreshExisting(t.Context()); err != nil || c.Revision() > revision+1 {
			t.Errorf("%v, %d states after %d", err, c.Revision(), revision)
		}
	}
	commit(t, dir, "app", "pkgbase = app\n\tpkgver = 2\n\tpkgrel = 1\n\tarch = x86_64\n\tdepends = libx.so=1-32\npkgname = app\n")
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := planned("lib32-x"); !slices.Equal(got, []string{"app", "lib32-x", "loader"}) {
		t.Errorf("after a push a change of lib32-x plans %v", got)
	}
}

// base makes a base repository of packages with these dependencies.
func base(t *testing.T, depends map[string]string) *baserepo.Base {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "core.db"))
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	archive := tar.NewWriter(packed)
	for name, list := range depends {
		text := "%FILENAME%\n" + name + "-1-1-x86_64.pkg.tar.zst\n\n%NAME%\n" + name + "\n\n%BASE%\n" + name + "\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n\n%DEPENDS%\n" + list + "\n\n"
		if err := archive.WriteHeader(&tar.Header{Name: name + "-1-1/desc", Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, closing := range []func() error{archive.Close, packed.Close, file.Close} {
		if err := closing(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := baserepo.Open(dir, []baserepo.Repo{{Name: "core", URL: "https://example.org"}}, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Snapshot().Packages() != len(depends) {
		t.Fatalf("the base has %d packages", b.Snapshot().Packages())
	}
	return b
}
