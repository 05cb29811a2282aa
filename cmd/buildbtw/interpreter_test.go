package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// interpreter is one whose modules lie in a directory with its version.
type interpreter struct{ name, before, after, oldDir, newDir string }

// TestModulesAreRebuiltWithTheirInterpreter has a base in which python, or perl, is
// old, and builds a newer one. Of the packages above it only tool names it; mod and
// far have modules, which the new one would not find where they are.
func TestModulesAreRebuiltWithTheirInterpreter(t *testing.T) {
	t.Parallel()
	needPrograms(t, "makepkg", "bwrap", "pacman", "gcc", "repo-add")
	for _, runner := range []string{"makepkg", "fake"} {
		for _, in := range []interpreter{
			{"python", "3.13.5", "3.14.0", "usr/lib/python3.13/", "usr/lib/python3.14/"},
			{"perl", "5.38.2", "5.40.0", "usr/lib/perl5/5.38/", "usr/lib/perl5/5.40/"},
		} {
			t.Run(runner+" "+in.name, func(t *testing.T) {
				t.Parallel()
				base := in.baseOf(t, runner)
				s := in.site(t, runner, in.after, in.newDir)
				server, client := s.serve(t, "--workers", "1", "--base-repo", "core=file://"+base)
				in.wantUsers(t, client, in.oldDir, "far of core, mod of core, "+in.name+" of core")
				newBuildspace(t, client, "newer", in.name)
				in.waitFor(t, client, "newer", map[string]buildbtw.Status{
					in.name: buildbtw.StatusBuilt, "tool": buildbtw.StatusBuilt, "mod": buildbtw.StatusBuilt, "far": buildbtw.StatusBuilt, "shell": buildbtw.StatusSkipped,
				})
				why := fmt.Sprintf("Rebuilding: it has files in /%s, and %s moved from /%s to /%s.", in.oldDir, in.name, in.oldDir, in.newDir)
				said := map[string]bool{}
				events, err := client.Events(t.Context(), api.EventFilter{Buildspace: "newer"})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					said[e.Pkgbase] = said[e.Pkgbase] || e.Message == why
				}
				if !said["mod"] || !said["far"] || said["shell"] {
					t.Errorf("said of %v that %s", said, why)
				}
				in.wantUsers(t, client, in.newDir, "mod of newer, "+in.name+" of newer")
				stop(t, server, patience)
			})
		}
	}
}

// site has the sources at a version of the interpreter.
func (in interpreter) site(t *testing.T, runner, version, dir string) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), runner: runner}
	source := func(name, version, depends, recipe string, files ...string) {
		info := fmt.Sprintf("pkgbase = %s\n\tpkgver = %s\n\tpkgrel = 1\n\tarch = x86_64\n", name, version)
		pkgbuild := fmt.Sprintf("pkgname=%s\npkgver=%s\npkgrel=1\narch=(x86_64)\n", name, version)
		if depends != "" {
			info += "\tdepends = " + depends + "\n"
			pkgbuild += "depends=(" + depends + ")\n"
		}
		var fake strings.Builder
		for _, f := range files {
			fmt.Fprintf(&fake, "file=%s\n", f)
		}
		s.commit(t, name, map[string]string{
			".SRCINFO": info + "\npkgname = " + name + "\n", ".fake": fake.String(),
			"PKGBUILD": pkgbuild + "package() {\n" + recipe + "\n}\n",
		})
	}
	source(in.name, version, "", fmt.Sprintf(`install -d "$pkgdir/%[1]s" "$pkgdir/usr/share/%[2]s"; echo 1 > "$pkgdir/%[1]score"; echo %[1]s > "$pkgdir/usr/share/%[2]s/dir"`, dir, in.name), dir+"core")
	source("tool", "1", in.name, `install -d "$pkgdir/usr/bin"; echo 1 > "$pkgdir/usr/bin/tool"`)
	source("shell", "1", "tool", `install -d "$pkgdir/usr/bin"; echo 1 > "$pkgdir/usr/bin/shell"`)
	module := `d=$(cat /usr/share/` + in.name + `/dir 2>/dev/null || echo ` + in.oldDir + `)/site
install -d "$pkgdir/$d"; echo 'int f(void) { return 1; }' > x.c; gcc -shared -fPIC -o "$pkgdir/$d/$pkgname.so" x.c`
	source("mod", "1", "tool", module, dir+"site/mod.so")
	source("far", "1", "shell", module, in.oldDir+"site/far.so")
	return s
}

// baseOf builds everything with the old interpreter and makes a base repository of
// it.
func (in interpreter) baseOf(t *testing.T, runner string) string {
	t.Helper()
	s := in.site(t, runner, in.before, in.oldDir)
	server, client := s.serve(t, "--workers", "1")
	newBuildspace(t, client, "old", in.name)
	all := map[string]buildbtw.Status{}
	for _, name := range []string{in.name, "tool", "shell", "mod", "far"} {
		all[name] = buildbtw.StatusBuilt
	}
	in.waitFor(t, client, "old", all)
	stop(t, server, patience)
	dir := filepath.Join(s.dir, "core")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.data(), "repos", "old_1", "os", "x86_64"))); err != nil {
		t.Fatal(err)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.pkg.tar.zst"))
	if err != nil || len(packages) != 5 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	cmd := exec.CommandContext(t.Context(), "repo-add", append([]string{"--quiet", filepath.Join(dir, "core.db.tar.gz")}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func (in interpreter) waitFor(t *testing.T, client *api.Client, space string, want map[string]buildbtw.Status) {
	t.Helper()
	got := map[string]buildbtw.Status{}
	err := cmdtest.Poll(t.Context(), patience, func() (bool, error) {
		builds, err := client.Builds(t.Context(), api.BuildFilter{Buildspace: space})
		for _, b := range builds {
			got[b.Pkgbase] = b.Status
		}
		if buildbtw.KindOf(err) == buildbtw.KindNotFound { // no iteration yet
			err = nil
		}
		return maps.Equal(got, want), err
	})
	if err != nil {
		t.Fatalf("%v: %v, want %v", err, got, want)
	}
}

// wantUsers waits for who has files in a directory, with the base's repository or
// the buildspace.
func (in interpreter) wantUsers(t *testing.T, client *api.Client, dir, want string) {
	t.Helper()
	var got string
	err := cmdtest.Poll(t.Context(), patience, func() (bool, error) {
		u, err := client.NameUsers(t.Context(), "/"+dir, "")
		var names []string
		for _, n := range u.Users {
			names = append(names, n.Pkgname+" of "+n.Repository+n.Buildspace)
		}
		slices.Sort(names)
		got = strings.Join(names, ", ")
		return got == want, err
	})
	if err != nil {
		t.Fatalf("%v: /%s has files of %q, want %q", err, dir, got, want)
	}
}
