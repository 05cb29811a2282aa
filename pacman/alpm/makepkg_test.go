package alpm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"buildbtw/pacman/alpm"
)

// libraryPkgbuild makes a library that makepkg, too, finds the soname of, with
// a plugin, a static library and debugging symbols.
const libraryPkgbuild = `pkgname=foo
pkgver=1.2
pkgrel=3
arch=(x86_64)
options=(debug strip staticlibs)
provides=(libfoo.so foo-api=$pkgver)
build() {
  echo 'int foo(void) { return 1; }' >foo.c
  gcc $CFLAGS -g -fPIC -shared -Wl,-soname,libfoo.so.1 -o libfoo.so.1.2 foo.c
  gcc $CFLAGS -g -fPIC -shared -o plugin.so foo.c
  gcc -c foo.c && ar r libfoo.a foo.o
}
package() {
  install -D -t "$pkgdir/usr/lib" libfoo.so.1.2 libfoo.a
  install -D -t "$pkgdir/usr/lib/foo" plugin.so
  ln -s libfoo.so.1.2 "$pkgdir/usr/lib/libfoo.so.1"
  ln -s libfoo.so.1 "$pkgdir/usr/lib/libfoo.so"
}
`

// makepkg builds with the real program and gives the packages' files. It
// refuses to run as root, so it runs as nobody then.
func makepkg(t *testing.T, pkgbuild string) []string {
	t.Helper()
	for _, program := range []string{"makepkg", "gcc", "fakeroot", "readelf"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: %s is not installed", program)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(pkgbuild), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "makepkg", "--noconfirm", "--nosign", "-f", "-d")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "PKGEXT=.pkg.tar.zst", "HOME="+dir, "LC_ALL=C.UTF-8")
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
	files, err := filepath.Glob(filepath.Join(dir, "*.pkg.tar.zst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("makepkg made no packages: %v", err)
	}
	return files
}

func TestSonamesAreThoseThatMakepkgFinds(t *testing.T) {
	t.Parallel()
	found := false
	for _, name := range makepkg(t, libraryPkgbuild) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, i, err := alpm.ReadInterface(f, t.TempDir())
		if err != nil || i.Unknown != "" {
			t.Fatalf("%s: %v, unknown because %q", name, err, i.Unknown)
		}
		if i.Pkgname != "foo" { // the package of debugging symbols
			if len(i.Sonames) > 0 {
				t.Errorf("%s: %q", i.Pkgname, i.Sonames)
			}
			continue
		}
		found = true
		if !slices.Equal(i.Sonames, []string{"libfoo.so=1-64"}) || !slices.Contains(i.Provides, i.Sonames[0]) {
			t.Errorf("sonames %q, makepkg provides %q", i.Sonames, i.Provides)
		}
		if text := string(i.Canonical()); !strings.Contains(text, "provides foo-api=<version without pkgrel>\n") {
			t.Errorf("canonical:\n%s", text)
		}
	}
	if !found {
		t.Error("there is no package foo")
	}
}
