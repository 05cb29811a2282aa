package srcinfo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"buildbtw/pacman/srcinfo"
)

// nobody is a user that is not root, as whom makepkg consents to run.
const nobody = 65534

// printSrcinfo runs makepkg --printsrcinfo on a PKGBUILD of testdata.
func printSrcinfo(t *testing.T, name string) *srcinfo.Info {
	t.Helper()
	makepkg, err := exec.LookPath("makepkg")
	if err != nil {
		t.Skip("skipped: makepkg is not installed")
	}
	text := readFile(t, filepath.Join("testdata", "pkgbuilds", name, "PKGBUILD"))
	cmd := exec.CommandContext(t.Context(), makepkg, "--printsrcinfo")
	// t.TempDir is closed to other users.
	if cmd.Dir, err = os.MkdirTemp("", "srcinfo"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(cmd.Dir) })
	if err := os.WriteFile(filepath.Join(cmd.Dir, "PKGBUILD"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(cmd.Dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Env = append(os.Environ(), "CARCH=x86_64", "BUILDDIR="+cmd.Dir, "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("makepkg: %v\n%s", err, &stderr)
	}
	info, err := srcinfo.Parse(out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return info
}

func TestOutputOfMakepkgIsRead(t *testing.T) {
	t.Parallel()
	info := printSrcinfo(t, "single")
	diff(t, "version", info.Version(), "1:1.2-3")
	diff(t, "description", info.Base.Pkgdesc, "One package")
	diff(t, "licence", info.Base.License, []string{"MIT", "custom: own"})
	p := info.Packages[0]
	diff(t, "depends", p.Depends.For("x86_64"), []string{"bash>=5", "libfoo.so"})
	diff(t, "optdepends", p.OptDepends.For("x86_64"), []string{"vim: to edit"})
	diff(t, "source", p.Source.For("any"), []string{"local::git+https://example.org/x.git#tag=v1"})
}

func TestSplitPackagesOfMakepkgAreRead(t *testing.T) {
	t.Parallel()
	info := printSrcinfo(t, "split")
	all, docs, tools := info.Packages[0], info.Packages[1], info.Packages[2]
	diff(t, "url", all.URL, "https://example.org/split")
	diff(t, "inherited", all.Depends.For("x86_64"), []string{"glibc", "zlib"})
	diff(t, "emptied", docs.Depends.For("any"), []string(nil))
	diff(t, "emptied provides", docs.Provides.For("any"), []string(nil))
	diff(t, "architecture", docs.Arch, []string{"any"})
	diff(t, "replaced", tools.Depends.For("x86_64"), []string{"split", "perl"})
	diff(t, "groups", tools.Groups, []string{"tools"})
}

func TestArchitectureValuesOfMakepkgAreRead(t *testing.T) {
	t.Parallel()
	info := printSrcinfo(t, "arch")
	all, plain := info.Packages[0], info.Packages[1]
	diff(t, "x86_64", all.Depends.For("x86_64"), []string{"glibc", "gcc-libs", "nasm"})
	diff(t, "aarch64", all.Depends.For("aarch64"), []string{"glibc", "libatomic"})
	diff(t, "overridden for one", plain.Depends.For("x86_64"), []string{"glibc", "musl"})
	diff(t, "not for the other", plain.Depends.For("aarch64"), []string{"glibc", "libatomic"})
	diff(t, "makedepends", info.Base.MakeDepends.For("x86_64"), []string{"yasm"})
	diff(t, "sums", info.Base.SHA512Sums.For("x86_64"), []string{"SKIP", "SKIP", "SKIP"})
	diff(t, "unknown", info.Unknown, []string(nil))
}

func TestWeakChecksums(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]bool{
		"": false, "source = a\n\tsha256sums = x": false, "source = a\n\tmd5sums = x\n\tb2sums = SKIP": false,
		"source = a": true, "source = a\n\tmd5sums = x": true, "source = a\n\tcksums = 1\n\tsha1sums = x": true,
		"source_x86_64 = a\n\tmd5sums_x86_64 = x": false, "source = a\n\tmd5sums = x\n\tsha256sums_x86_64 = x": true,
	} {
		info, err := srcinfo.Parse([]byte("pkgbase = a\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\n\t" + fields + "\n\npkgname = a\n"))
		if err != nil {
			t.Fatalf("%q: %v", fields, err)
		}
		if got := info.WeakSums(); got != want {
			t.Errorf("%q: %t", fields, got)
		}
	}
}
