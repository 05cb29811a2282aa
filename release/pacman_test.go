package release_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/release"
)

// writeTar writes files into an archive.
func writeTar(t *testing.T, path string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pacmanInstalls returns the names of the packages that pacman -S installs, each into an
// empty root. Not pacman -Sp, which does not look for conflicts.
func pacmanInstalls(t *testing.T, packages []there) (names []string) {
	t.Helper()
	dir := t.TempDir()
	database := map[string]string{}
	for _, p := range packages {
		file := p.Name + "-" + p.Version + "-x86_64.pkg.tar"
		var desc, info strings.Builder
		fmt.Fprintf(&desc, "%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%VERSION%%\n%s\n\n%%ARCH%%\nx86_64\n\n", file, p.Name, p.Version)
		fmt.Fprintf(&info, "pkgname = %s\npkgver = %s\narch = x86_64\nsize = 1\n", p.Name, p.Version)
		for _, list := range []struct {
			field, key string
			values     []string
		}{{"DEPENDS", "depend", p.Depends}, {"PROVIDES", "provides", p.Provides}, {"CONFLICTS", "conflict", p.Conflicts}} {
			if len(list.values) > 0 {
				fmt.Fprintf(&desc, "%%%s%%\n%s\n\n", list.field, strings.Join(list.values, "\n"))
			}
			for _, v := range list.values {
				fmt.Fprintf(&info, "%s = %s\n", list.key, v)
			}
		}
		database[p.Name+"-"+p.Version+"/desc"] = desc.String()
		writeTar(t, filepath.Join(dir, file), map[string]string{".PKGINFO": info.String()})
	}
	writeTar(t, filepath.Join(dir, "extra.db"), database)
	conf := filepath.Join(dir, "pacman.conf")
	if err := os.WriteFile(conf, []byte("[options]\nArchitecture = x86_64\nSigLevel = Never\n[extra]\nServer = file://"+dir+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		root := t.TempDir()
		for _, d := range []string{"var/lib/pacman", "hooks"} {
			if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "fakeroot", "pacman", "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"), "--cachedir", dir,
			"--hookdir", filepath.Join(root, "hooks"), "--gpgdir", root, "--logfile", filepath.Join(root, "log"), "--config", conf, "--noconfirm", "-Sy", p.Name)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		switch text := string(out); {
		case err == nil:
			names = append(names, p.Name)
		case !strings.Contains(text, "unable to satisfy dependency") && !strings.Contains(text, "conflict") && !strings.Contains(text, "could not satisfy dependencies"):
			t.Fatalf("pacman -S %s: %v\n%s", p.Name, err, text)
		}
	}
	return names
}

// TestPacmanAgrees asks pacman itself, before a release and after it: what could be installed
// still can. And where units are held, after the release of all of them something cannot.
func TestPacmanAgrees(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"pacman", "fakeroot"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	if testing.Short() {
		t.Skip("with -short pacman is not asked")
	}
	for _, w := range worlds() {
		if !slices.Contains([]string{
			"soname changes, all users rebuilt", "a user outside the set", "new a needs old b; five need new b", "cycle of two", "new conflict inside a closure",
			"a provide of the own name in another version is not found", "either of two providers may go, the second brings five",
		}, w.name) {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := newNaive(w.views, w.units)
			r := release.NewBase(w.views).Largest(release.Problem{Units: w.units})
			var set []int
			for k, u := range w.units {
				if slices.Contains(r.Goes, u.Pkgbase) {
					set = append(set, k)
				}
			}
			before := pacmanInstalls(t, n.after(nil, 0))
			missing := func(after []string) []string {
				return slices.DeleteFunc(slices.Clone(before), func(name string) bool { return slices.Contains(after, name) })
			}
			if lost := missing(pacmanInstalls(t, n.after(set, 0))); len(lost) > 0 {
				t.Errorf("after the release of %v pacman does not install %v", r.Goes, lost)
			}
			if lost := missing(pacmanInstalls(t, n.after(n.candidates, 0))); (len(lost) > 0) != (len(r.Held) > 0) {
				t.Errorf("%d units are held; after the release of all pacman does not install %v", len(r.Held), lost)
			}
		})
	}
}
