package handlers_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// rebuilt makes an iteration of a changed library and what links with it, of which all but some
// are built. Of those, too, the packages are in the repository.
func (s *site) rebuilt(b *testing.B, builds, left int) {
	b.Helper()
	row := s.db.NewBuildspace(b, "bench")
	it := s.db.Iterate(b, row, storetest.Fan(builds-1))
	dir := filepath.Join(s.dir, buildbtw.RepositoryName("bench", it.Number), "os", "x86_64")
	must(b, os.MkdirAll(dir, 0o755))
	faces := map[string]alpm.Interface{}
	var file bytes.Buffer
	z, err := zstd.NewWriter(&file)
	must(b, err)
	w := tar.NewWriter(z)
	var c *store.Claimed
	for i := range builds {
		if i < builds-left {
			c = s.db.Claim(b, "w1")
		} else { // as the next claim will be
			next := *c
			next.Attempt.ID, next.Build.Pkgbase = c.Attempt.ID+1, fmt.Sprintf("app%05d", i-1)
			c = &next
		}
		p := storetest.Package(c, c.Build.Pkgbase)
		face := alpm.Interface{Pkgname: p.Pkgname, Version: p.Version, Provides: []string{}, Sonames: []string{}, Symbols: []string{}, Links: []string{"libc.so=6-64", "libssl.so=3-64"}, Directories: []string{}}
		depends, provides := "libssl.so=3-64\nglibc", ""
		if i == 0 {
			face.Provides, face.Sonames, face.Links = []string{"libssl.so=3-64"}, []string{"libssl.so=3-64"}, []string{"libc.so=6-64"}
			depends, provides = "glibc", "%PROVIDES%\nlibssl.so=3-64\n\n"
		}
		faces[p.SHA256] = face
		text := fmt.Sprintf("%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%VERSION%%\n%s\n\n%%ARCH%%\nx86_64\n\n%%CSIZE%%\n1000\n\n%%ISIZE%%\n2000\n\n%%SHA256SUM%%\n%s\n\n%%DEPENDS%%\n%s\n\n%s",
			p.Filename, p.Pkgname, p.Version, p.SHA256, depends, provides)
		must(b, w.WriteHeader(&tar.Header{Name: p.Pkgname + "-" + p.Version + "/desc", Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		must(b, err)
		if i < builds-left {
			s.db.Finish(b, c)
		}
	}
	must(b, errors.Join(w.Close(), z.Close(), s.db.SaveInterfaces(b.Context(), faces)))
	must(b, os.WriteFile(filepath.Join(dir, "bench.db.tar.zst"), file.Bytes(), 0o600))
}

// distributionOf is base repositories with packages of which the first have the names of builds.
func distributionOf(b *testing.B, packages, builds int) func(*handlers.Deps) {
	b.Helper()
	var list []string
	add := func(name, more string) {
		list = append(list, name+"-0.9-1/desc", fmt.Sprintf(
			"%%FILENAME%%\n%[1]s-0.9-1-x86_64.pkg.tar.zst\n\n%%NAME%%\n%[1]s\n\n%%BASE%%\n%[1]s\n\n%%VERSION%%\n0.9-1\n\n%%ARCH%%\nx86_64\n\n%[2]s", name, more))
	}
	app := func(i int) string { return fmt.Sprintf("app%05d", i%(builds-1)) } // as storetest.Fan has them
	add("lib", "%PROVIDES%\nlibssl.so=1-64\n\n")
	for i := range builds - 1 {
		add(app(i), "%DEPENDS%\nlibssl.so=1-64\nglibc\n\n")
	}
	add("glibc", "")
	for i := range packages - builds - 1 {
		add(fmt.Sprintf("other%05d", i), fmt.Sprintf("%%DEPENDS%%\nglibc\n%s\nother%05d\n\n", app(i), i/2))
	}
	dir := b.TempDir()
	writeTar(b, filepath.Join(dir, "core.db"), list)
	base, err := baserepo.Open(b.TempDir(), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{Architecture: "x86_64"})
	must(b, err)
	for _, r := range base.Refresh(b.Context()) {
		if r.Warning != "" {
			b.Log(strings.SplitN(r.Warning, "\n", 2)[0])
		}
	}
	return func(d *handlers.Deps) { d.Catalog.Bases = baserepo.Bases{"x86_64": base} }
}

// BenchmarkReleasePage asks for what can be released of 3,002 builds into a distribution of 13,182
// packages: as a page and as JSON, each time after one more build was finished.
func BenchmarkReleasePage(b *testing.B) {
	const builds = 3002
	for _, one := range []struct{ name, path string }{
		{"page", "/buildspaces/bench/1/release"}, {"json", "/api/v1/buildspaces/bench/iterations/1/release"},
	} {
		b.Run(one.name, func(b *testing.B) {
			s := newSite(b, distributionOf(b, 13182, builds))
			const left = 500
			s.rebuilt(b, builds, left)
			v := visitor{site: s, path: one.path}
			v.ask(b) // the index of the base
			v.took, v.cpu = nil, 0
			for b.Loop() {
				b.StopTimer()
				if len(v.took) == left {
					b.Fatal("too few builds are left; use a lower -benchtime")
				}
				s.db.Finish(b, s.db.Claim(b, "w1"))
				b.StartTimer()
				if status, _ := v.ask(b); status != 200 {
					b.Fatal(status)
				}
			}
			v.report(b)
		})
	}
}

// BenchmarkUsersOfLibrary asks who links with a library that 6,878 built packages link with.
func BenchmarkUsersOfLibrary(b *testing.B) {
	s := newSite(b)
	s.rebuilt(b, 6878, 0)
	for _, of := range []string{"libssl.so.3", "libnone.so.1"} {
		b.Run(of, func(b *testing.B) { s.benchWhole(b, "/search?q="+of) })
	}
}
