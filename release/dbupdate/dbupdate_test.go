package dbupdate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/release/dbupdate"
)

const pkgbuild = `pkgbase=pair
pkgname=(pair pair-doc)
epoch=1
pkgver=2.0
pkgrel=3
pkgdesc='Two of them'
arch=(any)
package_pair() { install -D /dev/null "$pkgdir/usr/share/pair/a"; }
package_pair-doc() { install -D /dev/null "$pkgdir/usr/share/doc/pair/a"; }
`

// makepkg builds with the real program, in a box that has what a chroot of devtools has: /build
// and the PKGBUILD in /startdir. dir is another place to build in.
func makepkg(t *testing.T, text, dir string, environment ...string) []string {
	t.Helper()
	for _, program := range []string{"makepkg", "fakeroot", "bwrap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: %s is not installed", program)
		}
	}
	start := t.TempDir()
	if err := os.WriteFile(filepath.Join(start, "PKGBUILD"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	box := []string{
		"--unshare-user", "--unshare-pid", "--uid", "1000", "--gid", "1000", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc",
		"--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/build", "--dir", dir, "--bind", start, "/startdir", "--chdir", "/startdir", "--setenv", "HOME", "/build",
		"--", "makepkg", "--noconfirm", "--nosign", "-f", "-d",
	}
	cmd := exec.CommandContext(t.Context(), "bwrap", box...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "BUILDDIR=" + dir, "PKGEXT=.pkg.tar.zst", "PACKAGER=Anna <anna@example.org>", "SOURCE_DATE_EPOCH=1700000000"}, environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("makepkg: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(start, "*.pkg.tar.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("makepkg made no packages: %v", err)
	}
	return files
}

func read(t *testing.T, files ...string) []dbupdate.Package {
	t.Helper()
	list := make([]dbupdate.Package, len(files))
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		head, err := alpm.ReadHead(f)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = dbupdate.Package{Filename: filepath.Base(name), Head: head}
	}
	return list
}

// withoutBuildInfo packs a package anew, as makepkg before 5.1 would have made it.
func withoutBuildInfo(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	to := filepath.Join(t.TempDir(), filepath.Base(name))
	script := `bsdtar -C "$1" -xf "$2" && rm "$1/.BUILDINFO" && cd "$1" && bsdtar -cf - .PKGINFO .MTREE usr | zstd -q >"$3"`
	if out, err := exec.CommandContext(t.Context(), "bash", "-ec", script, "bash", dir, name, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return to
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestEachDefectIsFound: packages that the real makepkg made, each with one thing that
// db-update refuses.
func TestEachDefectIsFound(t *testing.T) {
	t.Parallel()
	files := makepkg(t, pkgbuild, "/build")
	foreign := makepkg(t, pkgbuild, "/home/anna", "PACKAGER=Unknown Packager")
	packed := makepkg(t, strings.Replace(pkgbuild, "arch=(any)", "arch=(x86_64)", 1), "/build", "PKGEXT=.pkg.tar.gz", "CARCH=x86_64")
	target := buildbtw.Pkgctl{Packagers: []string{"example.org"}}
	for words, change := range map[string]func(u *dbupdate.Unit, w *dbupdate.Repositories){
		"": func(*dbupdate.Unit, *dbupdate.Repositories) {},
		"makes a package pair-doc, which is not there for any": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages = u.Packages[:1] },
		"makes no package pair-doc":                            func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Pkgnames = u.Pkgnames[:1] },
		"has no .BUILDINFO": func(u *dbupdate.Unit, _ *dbupdate.Repositories) {
			u.Packages[0] = read(t, withoutBuildInfo(t, files[0]))[0]
		},
		"built in \"/home/anna\" instead of a chroot's /build": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages = read(t, foreign...) },
		"its packager is not named":                            func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages = read(t, foreign...) },
		"is none of this distribution's": func(u *dbupdate.Unit, _ *dbupdate.Repositories) {
			u.Packages[1].Info.Packager, u.Packages[1].Build.Packager = "Eve <eve@example.net>", "Eve <eve@example.net>"
		},
		"does not end in .pkg.tar.zst": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages = read(t, packed...) },
		"is for x86_64; the distribution has aarch64": func(u *dbupdate.Unit, w *dbupdate.Repositories) {
			u.Packages, w.Architecture = read(t, packed...), "aarch64"
		},
		"some of its packages are for any machine":    func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages[1] = read(t, packed[1])[0] },
		"was built from another PKGBUILD":             func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.PKGBUILD = sumOf("other") },
		"PKGBUILD of its commit is not in the mirror": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.PKGBUILD = "" },
		"is not named after its .PKGINFO": func(u *dbupdate.Unit, _ *dbupdate.Repositories) {
			u.Packages[0].Filename = "pear-1:2.0-3-any.pkg.tar.zst"
		},
		"has version 1:2.0-3, and the PKGBUILD of its com": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Version = "1:2.1-1" },
		"says in its .PKGINFO that its pkgbase is":         func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages[0].Info.Base = "" },
		"checksums of cksum, MD5 or SHA-1 at most":         func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.WeakSums = true },
		"has no pkgdesc":                  func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages[0].Info.Desc = "" },
		"its .BUILDINFO has pkgver = 9-9": func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages[0].Build.Version = "9-9" },
		"one version of a pkgbase":        func(u *dbupdate.Unit, _ *dbupdate.Repositories) { u.Packages[1].Info.Version = "1:2.0-4" },
		"have no extra":                   func(_ *dbupdate.Unit, w *dbupdate.Repositories) { w.Names = []string{"core"} },
		"1:2.0-3 is not newer": func(_ *dbupdate.Unit, w *dbupdate.Repositories) {
			w.Entries = append(w.Entries, dbupdate.Entry{Repository: "extra", Name: "pair", Base: "pair", Version: "1:2.0-3", Filename: "x"})
		},
		"extra-testing has pair 1:2.0-1, which is on its way": func(_ *dbupdate.Unit, w *dbupdate.Repositories) {
			w.Entries = append(w.Entries, dbupdate.Entry{Repository: "extra-testing", Name: "pair", Base: "pair", Version: "1:2.0-1", Filename: "x"})
		},
		"core has pair-doc 1-1; all packages of a pkgbase": func(_ *dbupdate.Unit, w *dbupdate.Repositories) {
			w.Entries = append(w.Entries, dbupdate.Entry{Repository: "core", Name: "pair-doc", Base: "doc", Version: "1-1", Filename: "x"})
		},
		"extra has a file pair-1:2.0-3-any.pkg.tar.zst already": func(_ *dbupdate.Unit, w *dbupdate.Repositories) {
			w.Entries = append(w.Entries, dbupdate.Entry{Repository: "extra", Name: "other", Base: "other", Version: "1-1", Filename: "pair-1:2.0-3-any.pkg.tar.zst"})
		},
	} {
		u := dbupdate.Unit{Pkgbase: "pair", Repository: "extra", Version: "1:2.0-3", Pkgnames: []string{"pair", "pair-doc"}, PKGBUILD: sumOf(pkgbuild), Packages: read(t, files...)}
		w := dbupdate.Repositories{Architecture: "x86_64", Names: []string{"core", "extra"}, Entries: []dbupdate.Entry{
			{Repository: "extra", Name: "pair", Base: "pair", Version: "1:2.0-2", Filename: "pair-1:2.0-2-any.pkg.tar.zst"},
		}}
		change(&u, &w)
		reasons := u.Refuses(target, []dbupdate.Repositories{w})
		if words == "" && len(reasons) > 0 || words != "" && !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, words) }) {
			t.Errorf("%q is not among %q", words, reasons)
		}
	}
}
