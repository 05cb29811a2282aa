package pacmanrepo_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

// pkgbuild gives a split package with an `any` part, an epoch, a pkgver() and,
// because a program is compiled, a debug package.
const pkgbuild = `pkgbase=tool
pkgname=(tool tool-docs)
epoch=1
pkgver=1.0
pkgrel=3
pkgdesc='A tool'
arch=(x86_64)
url=https://example.invalid/tool
license=(MIT)
options=(debug strip)
pkgver() { echo 1.0.r7; }
build() { echo 'int main(void) { return 0; }' >t.c; gcc -g -o tool t.c; }
package_tool() { optdepends=('tool-docs: to read'); backup=(etc/tool.conf); install -D tool "$pkgdir/usr/bin/tool"; install -Dm644 /dev/null "$pkgdir/etc/tool.conf"; }
package_tool-docs() { arch=(any); groups=(docs); provides=(manual=1); install -Dm644 t.c "$pkgdir/usr/share/doc/tool/t.c"; }
`

// makepkg builds the PKGBUILD with the real program and gives the packages. It
// refuses to run as root, so it runs as nobody then.
func makepkg(t *testing.T, ext string) []string {
	t.Helper()
	need(t, "makepkg", "gcc", "fakeroot")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(pkgbuild), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "makepkg", "--noconfirm", "--nosign", "-f", "-d")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "PKGEXT=.pkg.tar"+ext, "HOME="+dir, "SOURCE_DATE_EPOCH=1700000000", "LC_ALL=C.UTF-8")
	if os.Getuid() == 0 {
		const nobody = 65534
		for _, path := range []string{filepath.Dir(dir), dir, filepath.Join(dir, "PKGBUILD")} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("makepkg: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pkg.tar"+ext))
	if err != nil || len(files) != 3 {
		t.Fatalf("makepkg made %q, %v", files, err)
	}
	return files
}

func TestPackagesOfRealMakepkg(t *testing.T) {
	t.Parallel()
	need(t, "repo-add", "bsdtar")
	for _, ext := range []string{".zst", ".xz", ".gz", ""} {
		if testing.Short() && ext != ".zst" {
			continue // makepkg runs once, not four times
		}
		t.Run("pkg.tar"+ext, func(t *testing.T) {
			t.Parallel()
			r, dir := open(t, pacmanrepo.Options{})
			create(t, r, x86)
			paths := makepkg(t, ext)
			var files []buildbtw.Package
			for _, path := range paths {
				files = append(files, stageReal(t, r, path))
			}
			if err := r.Publish(t.Context(), publication(1, files, x86)); err != nil {
				t.Fatal(err)
			}
			verify(t, r)
			oracle := filepath.Join(t.TempDir(), dbName+".db.tar.zst")
			run(t, "repo-add", append([]string{oracle}, paths...)...)
			want := members(t, strings.Replace(oracle, ".db.", ".files.", 1))
			if diff := cmp.Diff(want, members(t, archFile(dir, x86, "space.files"))); diff != "" {
				t.Errorf("differs from repo-add's (-want +got):\n%s", diff)
			}
			names := slices.Sorted(maps.Keys(want))
			if len(names) != 6 || !strings.HasPrefix(names[0], "tool-1:1.0.r7-1/") {
				t.Errorf("entries %q", names)
			}
		})
	}
}

func stageReal(t *testing.T, r *pacmanrepo.Repos, path string) buildbtw.Package {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: attemptName(1), Filename: filepath.Base(path), SHA256: digest(content), Size: int64(len(content)), Pkgbase: "tool",
		Pkgnames: []string{"tool", "tool-docs"}, Architecture: x86, Version: "1:1.0-3", VersionMayChange: true,
	}, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
