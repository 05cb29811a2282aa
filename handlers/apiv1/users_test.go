package apiv1_test

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/pacman/baserepo"
)

// usersBase is a base with three packages. Of what they have and link with its
// repository tells only what is asked for.
func usersBase(t *testing.T, files, links bool) baserepo.Bases {
	t.Helper()
	dir := t.TempDir()
	packages := []struct{ name, file, needs string }{
		{"python", "usr/lib/python3.13/os.py", "libc.so.6"},
		{"far", "usr/lib/python3.13/site-packages/far.py", ""},
		{"tool", "usr/bin/tool", "libssl.so.3"},
	}
	lists := map[string]map[string]string{"core.db": {}, "core.files": {}, "core.links.tar.gz": {}}
	for _, p := range packages {
		lists["core.db"][p.name+"-1-1/desc"] = fmt.Sprintf("%%FILENAME%%\n%[1]s-1-1-x86_64.pkg.tar.zst\n\n%%NAME%%\n%[1]s\n\n%%BASE%%\n%[1]s\n\n%%VERSION%%\n1-1\n\n%%ARCH%%\nx86_64\n", p.name)
		lists["core.files"][p.name+"-1-1/files"] = "%FILES%\n" + p.file + "\n"
		lists["core.links.tar.gz"][p.name+"-1-1/links"] = p.needs + "\n"
	}
	for name, members := range lists {
		if name == "core.files" && !files || name == "core.links.tar.gz" && !links {
			continue
		}
		if err := writeArchive(filepath.Join(dir, name), members); err != nil {
			t.Fatal(err)
		}
	}
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := base.Refresh(t.Context()); r[0].Packages != 3 {
		t.Fatalf("%+v", r)
	}
	return baserepo.Bases{"x86_64": base}
}

func writeArchive(path string, members map[string]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for name, text := range members {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}

func TestUsersAreThoseWithFilesInADirectoryOrALinkToALibrary(t *testing.T) {
	t.Parallel()
	bases := usersBase(t, true, true)
	s := newServer(t, func(d *handlers.Deps) { d.Catalog.Bases = bases })
	for of, want := range map[string]string{
		"python3.13":            "far has files in /usr/lib/python3.13/, python has files in /usr/lib/python3.13/",
		"/usr/lib/python3.13/":  "far has files in /usr/lib/python3.13/, python has files in /usr/lib/python3.13/",
		"lib/python3.13":        "far has files in /usr/lib/python3.13/, python has files in /usr/lib/python3.13/",
		"libssl.so.3":           "tool links with libssl.so=3-64",
		"libssl.so":             "tool links with libssl.so=3-64",
		"libssl.so=3-64":        "tool links with libssl.so=3-64",
		"libssl.so=3-32":        "",
		"libssl.so.1.1":         "",
		"python3.1":             "",
		"ython3.13":             "",
		"%":                     "",
		"site-packages":         "",
		"../../etc":             "",
		strings.Repeat("x", 50): "",
	} {
		var u api.NameUsers
		s.call("GET", "/package-users?of="+strings.ReplaceAll(of, "%", "%25"), nil, 200, &u)
		var got []string
		for _, n := range u.Users {
			got = append(got, n.Pkgname+" "+n.Reason)
			if n.Repository != "core" || n.Version != "1-1" || n.Pkgbase != n.Pkgname || n.Buildspace != "" || n.Build != "" {
				t.Errorf("%q: %+v", of, n)
			}
		}
		if strings.Join(got, ", ") != want || u.Users == nil || u.Name != of || u.Architecture != "x86_64" || !u.Whole || u.More != 0 {
			t.Errorf("%q: %+v, want %q", of, u, want)
		}
	}
}

// TestALibraryHasProvidersUsersAndThoseOfWhomItIsNotKnown: the base has the files of a
// library and of a program that links with it; of the sources that depend on the library's
// package nothing was built yet.
func TestALibraryHasProvidersUsersAndThoseOfWhomItIsNotKnown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lists := map[string]map[string]string{"core.db": {}, "core.files": {}, "core.links.tar.gz": {}}
	for name, p := range map[string]struct{ depends, files, needs string }{
		"libalpha":   {"", "usr/lib/libalpha.so.2\nusr/lib/libalpha.so", "libc.so.6"},
		"libalpha-1": {"", "usr/lib/libalpha.so.1", "libc.so.6"},
		"bundler":    {"", "opt/bundler/libalpha.so.2", "libc.so.6"},
		"linker":     {"libalpha", "usr/bin/linker", "libalpha.so.2"},
		"shell":      {"libalpha", "usr/bin/shell", "libc.so.6"}, // only runs a program of it
	} {
		lists["core.db"][name+"-1-1/desc"] = fmt.Sprintf("%%FILENAME%%\n%[1]s-1-1-x86_64.pkg.tar.zst\n\n%%NAME%%\n%[1]s\n\n%%BASE%%\n%[1]s\n\n%%VERSION%%\n1-1\n\n%%ARCH%%\nx86_64\n\n%%DEPENDS%%\n%[2]s\n", name, p.depends)
		lists["core.files"][name+"-1-1/files"] = "%FILES%\n" + p.files + "\n"
		lists["core.links.tar.gz"][name+"-1-1/links"] = p.needs + "\n"
	}
	for name, members := range lists {
		if err := writeArchive(filepath.Join(dir, name), members); err != nil {
			t.Fatal(err)
		}
	}
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{Architecture: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	base.Refresh(t.Context())
	s := newServer(t, func(d *handlers.Deps) { d.Catalog.Bases = baserepo.Bases{"x86_64": base} })
	var found api.Found
	s.call("GET", "/search?q=libalpha.so.2", nil, 200, &found)
	l := found.Library
	if l == nil || len(l.Providers) != 1 || l.Providers[0].Pkgname != "libalpha" || l.Providers[0].Words != "has /usr/lib/libalpha.so.2 in core" {
		t.Fatalf("provided by %+v, want libalpha alone", l)
	}
	if len(l.Users) != 1 || l.Users[0].Pkgname != "linker" || !l.Whole {
		t.Errorf("linked by %+v, want linker alone", l.Users)
	}
	if len(l.Unknown) != 1 || l.Unknown[0].Pkgbase != "beta" || l.Unknown[0].Source != "beta" || l.Unknown[0].Dependency != "libalpha" {
		t.Errorf("not known of %+v, want beta alone: it was never built", l.Unknown)
	}
	s.call("GET", "/search?q=libalpha", nil, 200, &found)
	if n := found.Names[0]; n.Base == nil || n.Base.Version != "1-1" || n.Base.Repository != "core" || n.Newest != nil || n.Dependents != 1 {
		t.Errorf("libalpha stands at %+v", n)
	}
	s.space("work", "libalpha")
	s.call("GET", "/search?q=libalpha", nil, 200, &found)
	if b := found.Names[0].Newest; b == nil || b.Buildspace != "work" || b.Iteration != 1 || b.Status != "pending" {
		t.Errorf("its newest build is %+v", b)
	}
}

func TestUsersOfWhatWasAskedWrongly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for query, words := range map[string]string{
		"":                                 "name a directory with a version",
		"?of=":                             "name a directory with a version",
		"?of=%2F%20%2F":                    "name a directory with a version",
		"?of=" + strings.Repeat("x", 5000): "name a directory with a version",
		"?of=python3.13&arch=mips":         `nothing is built for "mips" here; choose x86_64`,
		"?of=libssl.so.3&arch=x86_64/":     "nothing is built for",
	} {
		s.wantProblem(s.call("GET", "/package-users"+query, nil, 422, nil), 422, words)
	}
}

// What is not known of the base is said: an empty list is not taken for "nobody".
func TestUsersSayWhenPackagesMayBeMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bases            baserepo.Bases
		directory, links bool // whether the answers are whole
	}{
		"no base":  {nil, false, false},
		"no files": {usersBase(t, false, true), false, true},
		"no links": {usersBase(t, true, false), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(d *handlers.Deps) { d.Catalog.Bases = c.bases })
			var directory, links api.NameUsers
			s.call("GET", "/package-users?of=python3.13", nil, 200, &directory)
			s.call("GET", "/package-users?of=libssl.so.3", nil, 200, &links)
			whole := []bool{directory.Whole, links.Whole}
			if !slices.Equal(whole, []bool{c.directory, c.links}) || (len(directory.Users) > 0) != c.directory || (len(links.Users) > 0) != c.links {
				t.Errorf("%+v, %+v", directory, links)
			}
		})
	}
}
