package pacmanrepo_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/pacmanrepo"
)

// specimens are packages with everything that a database entry can hold.
func specimens() []pkg {
	all := []string{
		"license = MIT", "license = custom:some", "replaces = oldfoo", "group = base-devel", "group = other",
		"conflict = foo-git", "provides = libfoo.so=1-64", "provides = foo=1.0", "backup = etc/foo.conf", "depend = glibc>=2.30",
		"depend = libbar.so=2-64", "optdepend = python: for   the scripts", "makedepend = cmake", "checkdepend = check",
		"xdata = pkgtype=split",
	}
	return []pkg{
		{name: "foo", ext: "zst", info: all, files: []string{"usr/share/foo/ü", "usr/share/foo/a b", "etc/foo.conf", "usr/share/foo/.hidden", "usr/share/foo/back\\slash", "usr/share/foo/line\nbreak"}},
		{name: "bar", ext: "xz", version: "1:2.0-4"},
		{name: "baz++", ext: "gz", version: "0.r12.gabc-1.1"},
		{name: "plain", ext: ""},
		{name: "split-docs", base: "split", ext: "zst", arch: "any", info: []string{"license = "}},
		{name: "split", ext: "zst", files: []string{"zzz", "Zzz", "usr/share/split/long-" + longName}},
		{name: "split-debug", base: "split", ext: "zst"},
		{name: "lib.with-dots_and-1", ext: "zst", version: "3.4.5rc1-12", info: []string{"group = ", "license =   spaced   out  "}},
	}
}

// longName makes tar use an extended header.
const longName = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

func TestEntriesAreThoseOfRepoAdd(t *testing.T) {
	t.Parallel()
	need(t, "repo-add", "bsdtar")
	for _, tool := range []pacmanrepo.Tool{pacmanrepo.ToolNative, pacmanrepo.ToolRepoAdd} {
		t.Run(string(tool), func(t *testing.T) {
			r, dir := open(t, pacmanrepo.Options{Tool: tool})
			create(t, r, x86)
			oracle := t.TempDir()
			builds := map[string][]pkg{} // by pkgbase
			for _, p := range specimens() {
				base := p.withDefaults().base
				builds[base] = append(builds[base], p)
				path := filepath.Join(oracle, p.filename())
				if err := os.WriteFile(path, p.bytes(t), 0o644); err != nil {
					t.Fatal(err)
				}
				run(t, "repo-add", filepath.Join(oracle, dbName+".db.tar.zst"), path)
			}
			for i, base := range slices.Sorted(maps.Keys(builds)) {
				publish(t, r, int64(i+1), builds[base]...)
			}
			for _, name := range []string{"space.db", "space.files", "space.db.tar.zst", "space.files.tar.zst"} {
				want, got := members(t, filepath.Join(oracle, name)), members(t, archFile(dir, x86, name))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s differs from repo-add's (-want +got):\n%s", name, diff)
				}
			}
			verify(t, r)
		})
	}
}
