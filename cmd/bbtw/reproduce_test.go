package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/pacman/alpm"
)

// What "bbtw reproduce" prints is run, with real makepkg and pacman: it makes the package of
// the build, of its commit's time, against the iteration's package. Stand-ins keep
// pacman away from this machine: sudo is fakeroot, and pacman has a root of its own.
func TestTheCommandsThatReproduceABuildAreRun(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"makepkg", "pacman", "fakeroot", "setpriv", "bsdtar", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir := t.TempDir()
	commit := func(name, extra string) {
		must(t, cmdtest.Commit(filepath.Join(dir, "sources", name), "main", "x", map[string]string{
			"note": "of the commit",
			"PKGBUILD": "pkgname=" + name + "\npkgver=1\npkgrel=1\narch=(x86_64)\nlicense=(0BSD)\n" + strings.ReplaceAll(extra, "\n\t", "\n") +
				"package() { install -Dm644 \"$startdir/note\" \"$pkgdir/usr/share/$pkgname/note\"; }\n",
			".SRCINFO": "pkgbase = " + name + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\tlicense = 0BSD\n" +
				strings.NewReplacer("=(", " = ", ")", "").Replace(extra) + "\npkgname = " + name + "\n",
		}))
	}
	commit("libfoo", "")
	commit("app", "\tmakedepends=(libfoo)\n")
	env := append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	server, err := cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: []string{"--data-dir", filepath.Join(dir, "data"), "--sources", "dir:" + filepath.Join(dir, "sources"), "--workers", "0"},
		Env:  env, Log: filepath.Join(dir, "server.log"),
	})
	must(t, err)
	t.Cleanup(server.Kill)
	env = append(env, "BUILDBTW_SERVER_URL="+server.URL)
	worker, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{"buildbtw-worker", "run", "--runner", "fake", "--architectures", "x86_64", "--name", "w", "--work-dir", filepath.Join(dir, "worker")},
		Env:  env, Log: filepath.Join(dir, "worker.log"),
	})
	must(t, err)
	t.Cleanup(worker.Kill)
	bbtw := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "bbtw", args...)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("bbtw %s: %v\n%s\n%s\n%s", strings.Join(args, " "), err, out, server.Log(), worker.Log())
		}
		return string(out)
	}
	bbtw("new", "libfoo", "app", "--name", "again", "--wait")
	if text := bbtw("version"); strings.Count(text, "development") != 2 || !strings.Contains(text, server.URL) {
		t.Errorf("version prints:\n%s", text)
	}
	for with, says := range map[string]string{"devtools": "buildbtw-x86_64-build -c\n", "vm": "vmexec run --rm "} {
		if text := bbtw("reproduce", "again/app", "--with", with); !strings.Contains(text, says) {
			t.Errorf("with %s:\n%s", with, text)
		}
	}
	script := bbtw("reproduce", "again/app")

	home := filepath.Join(dir, "home")
	for _, d := range []string{"bin", "work", "root/var/lib/pacman", "cache"} {
		must(t, os.MkdirAll(filepath.Join(home, d), 0o755))
	}
	for name, text := range map[string]string{
		"bin/sudo": "#!/bin/bash\nwhile [[ $1 = -* ]]; do shift; done\nexec fakeroot -- \"$@\"\n",
		"bin/pacman": "#!/bin/bash\nexec /usr/bin/pacman --root " + home + "/root --dbpath " + home + "/root/var/lib/pacman --cachedir " + home +
			"/cache --logfile " + home + "/log --hookdir /nonexistent --gpgdir " + home + "/gnupg \"$@\"\n",
		"pacman.conf": "[options]\nArchitecture = x86_64\nSigLevel = Never\n",
		"script":      strings.ReplaceAll(script, "/etc/pacman.conf", home+"/pacman.conf"),
	} {
		must(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o755))
	}
	args := []string{"bash", filepath.Join(home, "script")}
	if os.Geteuid() == 0 { // makepkg refuses root
		must(t, exec.Command("chown", "-R", "65534:65534", home).Run())
		for d := home; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			must(t, os.Chmod(d, 0o755))
		}
		args = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"}, args...)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = filepath.Join(home, "work")
	cmd.Env = []string{"PATH=" + home + "/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home, "LANG=C.UTF-8", "PKGEXT=.pkg.tar.zst"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nof\n%s", err, out, script)
	}
	made, err := filepath.Glob(filepath.Join(home, "work/app-*/app-1-1-x86_64.pkg.tar*"))
	if err != nil || len(made) != 1 {
		t.Fatalf("made %q, %v\n%s", made, err, out)
	}
	f, err := os.Open(made[0])
	must(t, err)
	defer f.Close()
	pkg, err := alpm.ReadPackage(f)
	must(t, err)
	note, err := os.Stat(filepath.Join(filepath.Dir(made[0]), "note"))
	must(t, err)
	if pkg.Info.Name != "app" || pkg.Info.Version != "1-1" || pkg.Info.BuildDate != note.ModTime().Unix() || !strings.Contains(string(out), "installing libfoo...") {
		t.Errorf("it made %+v, of %s\n%s", pkg.Info, note.ModTime(), out)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
