package infrastructure_test

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs are what packages are made of.
func programs() []string {
	return []string{"bbtw", "buildbtw", "buildbtw-worker", "buildbtw-executor", "buildbtw-repo-updater", "buildbtw-signer"}
}

// needSlow skips what compiles programs in a quick run, or needs programs that are missing.
func needSlow(t *testing.T, tools ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it compiles and packs programs")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
}

// run runs a command at the top of a checkout and returns what it printed.
func run(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...) // make test has it on, for the race detector
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

// checkout returns a copy of the commit, as a release's tar has it.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "..", nil, "bash", "-c", `git archive HEAD | tar -x -C "$1"`, "checkout", dir)
	return dir
}

func TestInstalledFilesAreWhole(t *testing.T) {
	t.Parallel()
	needSlow(t, "make", "systemd-analyze")
	dir, root := checkout(t), t.TempDir()
	run(t, dir, nil, "make", "build", "VERSION=test")
	prefix := filepath.Join(root, "usr")
	run(t, dir, []string{"SOURCE_DATE_EPOCH=1700000000"}, "make", "install", "PREFIX="+prefix)
	for _, program := range programs() {
		if got := run(t, dir, nil, filepath.Join(prefix, "bin", program), "--version"); !strings.Contains(got, program+" test") {
			t.Errorf("%s says %q", program, got)
		}
		for _, file := range []string{
			"share/man/man1/" + program + ".1.gz", "share/bash-completion/completions/" + program,
			"share/zsh/site-functions/_" + program, "share/fish/vendor_completions.d/" + program + ".fish", "share/licenses/" + program + "/LICENSE",
		} {
			if info, err := os.Stat(filepath.Join(prefix, file)); err != nil || info.Size() == 0 {
				t.Errorf("%s is missing: %v", file, err)
			}
		}
	}
	page := run(t, dir, nil, "zcat", filepath.Join(prefix, "share/man/man1/bbtw-new.1.gz"))
	for _, want := range []string{".TH", "bbtw-new", "\\-\\-scope", "Nov 2023"} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "\\-", "-")) {
			t.Errorf("the man page of bbtw new has no %q", want)
		}
	}
	units, err := filepath.Glob(filepath.Join(prefix, "lib/systemd/system/*"))
	if err != nil || len(units) != 4 {
		t.Fatalf("units: %v, %v", units, err)
	}
	if said := run(t, dir, nil, slices.Concat([]string{"systemd-analyze", "verify", "--man=no"}, units)...); said != "" {
		t.Errorf("systemd-analyze verify says %s", said)
	}
	for unit, most := range map[string]string{"buildbtw.service": "40", "buildbtw-worker.service": "75", "buildbtw-signer.service": "15"} {
		run(t, dir, nil, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+most, filepath.Join(prefix, "lib/systemd/system", unit))
	}
	other := filepath.Join(prefix, "bin", "other")
	if err := os.WriteFile(other, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, "make", "uninstall", "PREFIX="+prefix)
	if left := strings.TrimSpace(run(t, dir, nil, "find", prefix, "-type", "f")); left != other {
		t.Errorf("make uninstall leaves %s", left)
	}

	// As packagers call it, monitoring included; of directories only the system's stay.
	stage := t.TempDir()
	run(t, dir, nil, "make", "install", "DESTDIR="+stage, "PREFIX=/usr")
	for _, file := range []string{"buildbtw.rules.yml", "buildbtw.dashboard.json"} {
		want, err := os.ReadFile(filepath.Join(dir, "infrastructure/monitoring", file))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(stage, "usr/share/doc/buildbtw/monitoring", file)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not installed: %v", file, err)
		}
	}
	run(t, dir, nil, "make", "uninstall", "DESTDIR="+stage, "PREFIX=/usr")
	if left := run(t, stage, nil, "find", ".", "-not", "-type", "d", "-o", "-name", "*buildbtw*", "-o", "-name", "bbtw"); left != "" {
		t.Errorf("make uninstall DESTDIR= leaves %s", left)
	}
}

func TestDebianPackagesInstall(t *testing.T) {
	t.Parallel()
	needSlow(t, "make", "dpkg-deb")
	dir, out, root := t.TempDir(), t.TempDir(), t.TempDir()
	run(t, "..", nil, "git", "clone", "--quiet", "--no-hardlinks", ".", dir)
	run(t, dir, nil, "make", "build")
	run(t, dir, nil, "infrastructure/packaging/deb.sh", out)
	for _, program := range programs() {
		files, err := filepath.Glob(filepath.Join(out, program+"_*.deb"))
		if err != nil || len(files) != 1 {
			t.Fatalf("packages of %s: %v, %v", program, files, err)
		}
		run(t, out, nil, "dpkg-deb", "-x", files[0], root)
		if got := run(t, out, nil, filepath.Join(root, "usr/bin", program), "--help"); !strings.Contains(got, "Usage:") {
			t.Errorf("%s says %q", program, got)
		}
	}
	again := t.TempDir()
	run(t, dir, nil, "infrastructure/packaging/deb.sh", again)
	same(t, out, again)
}

// same compares the files of two directories.
func same(t *testing.T, a, b string) {
	t.Helper()
	files, err := os.ReadDir(a)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		one, err := os.ReadFile(filepath.Join(a, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := os.ReadFile(filepath.Join(b, f.Name())); err != nil || !bytes.Equal(one, other) {
			t.Errorf("%s differs when it is made again: %v", f.Name(), err)
		}
	}
}

func TestArchPackagesInstall(t *testing.T) {
	t.Parallel()
	needSlow(t, "make", "makepkg", "pacman", "unshare")
	dir, out, root := t.TempDir(), t.TempDir(), t.TempDir()
	run(t, "..", nil, "git", "clone", "--quiet", "--no-hardlinks", ".", dir)
	command := []string{"infrastructure/packaging/arch.sh", out}
	if os.Geteuid() == 0 { // makepkg refuses to be root
		command = append([]string{"unshare", "--user", "--map-user=1000", "--map-group=1000"}, command...)
	}
	run(t, dir, []string{"CARCH=x86_64", "PKGEXT=.pkg.tar.zst"}, command...)
	packages, err := filepath.Glob(filepath.Join(out, "*.pkg.tar.zst"))
	if err != nil || len(packages) != len(programs()) {
		t.Fatalf("packages: %v, %v", packages, err)
	}
	if err := os.MkdirAll(filepath.Join(root, "var/lib/pacman"), 0o755); err != nil {
		t.Fatal(err)
	}
	install := slices.Concat([]string{"fakeroot", "pacman", "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"), "--noscriptlet", "--noconfirm", "-Udd"}, packages)
	run(t, out, nil, install...)
	for _, program := range programs() {
		if got := run(t, out, nil, filepath.Join(root, "usr/bin", program), "--help"); !strings.Contains(got, "Usage:") {
			t.Errorf("%s says %q", program, got)
		}
	}
	for _, file := range []string{"systemd/system/buildbtw.service", "systemd/system/buildbtw-signer.service", "sysusers.d/buildbtw-signer.conf", "tmpfiles.d/buildbtw-signer.conf"} {
		if _, err := os.Stat(filepath.Join(root, "usr/lib", file)); err != nil {
			t.Error(err)
		}
	}
}

// Two builds of a program, in different directories and with nothing in common, are the
// same bytes.
func TestProgramsAreReproducible(t *testing.T) {
	t.Parallel()
	needSlow(t, "make")
	a, b := checkout(t), checkout(t)
	run(t, a, nil, "make", "build", "VERSION=test", "COMMANDS=bbtw")
	run(t, b, []string{"GOCACHE=" + t.TempDir()}, "make", "build", "VERSION=test", "COMMANDS=bbtw")
	same(t, filepath.Join(a, "bin"), filepath.Join(b, "bin"))
	program, err := elf.Open(filepath.Join(a, "bin", "bbtw"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program is not static")
		}
	}
}
