package catalog

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/release"
)

// openBase makes a base with one repository of these packages: the text of each one's desc,
// and its files, when there are any.
func openBase(t *testing.T, descs map[string]string, files map[string][]string) *baserepo.Base {
	t.Helper()
	dir := t.TempDir()
	write := func(name, member string, texts map[string]string) {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for id, text := range texts {
			if err := w.WriteHeader(&tar.Header{Name: id + "/" + member, Mode: 0o644, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("core.db", "desc", descs)
	if files != nil {
		lists := map[string]string{}
		for id := range descs {
			lists[id] = "%FILES%\n" + strings.Join(files[id], "\n") + "\n"
		}
		write("core.files", "files", lists)
	}
	base, err := baserepo.Open(filepath.Join(dir, "copies"), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range base.Refresh(t.Context()) {
		if r.Warning != "" && files != nil {
			t.Fatal(r.Warning)
		}
	}
	return base
}

func desc(id, digest, more string) string {
	name, version, _ := strings.Cut(id, "-")
	text := "%NAME%\n" + name + "\n\n%VERSION%\n" + version + "\n\n%ARCH%\nx86_64\n\n%FILENAME%\n" + id + "-x86_64.pkg.tar.zst\n\n"
	if digest != "" {
		text += "%SHA256SUM%\n" + digest + "\n\n"
	}
	return text + more
}

// TestALibraryThatExportsTheSameHoldsNobody has a base whose packages were built here, so that
// it is known what their libraries export.
func TestALibraryThatExportsTheSameHoldsNobody(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("ab", 32)
	base := openBase(t, map[string]string{"lib-1-1": desc("lib-1-1", digest, ""), "app-1-1": desc("app-1-1", "", "")}, nil)
	library := func(exports string) alpm.Interface {
		return alpm.Interface{Pkgname: "lib", Sonames: []string{"libx.so=1-64"}, Exports: map[string]string{"libx.so=1-64": exports}}
	}
	units := []release.Unit{
		{Pkgbase: "app", Packages: []release.Package{{Name: "app", Base: "app", Version: "1-2", Architecture: "x86_64", Sonames: []string{}, Links: []string{"libx.so=1-64"}}}},
		{Pkgbase: "lib", Packages: []release.Package{{Name: "lib", Base: "lib", Version: "1-2", Architecture: "x86_64", Sonames: []string{"libx.so=1-64"}, Links: []string{}, Exports: map[string]string{"libx.so=1-64": "same"}}}},
	}
	for name, c := range map[string]struct {
		known map[string]alpm.Interface
		goes  []string
	}{
		"known and the same":    {map[string]alpm.Interface{digest: library("same")}, []string{"app"}},
		"known and another":     {map[string]alpm.Interface{digest: library("other")}, nil},
		"not known what":        {map[string]alpm.Interface{digest: {Pkgname: "lib", Sonames: []string{"libx.so=1-64"}}}, nil},
		"it cannot all be read": {map[string]alpm.Interface{digest: {Pkgname: "lib", Unknown: "no"}}, []string{"app"}},
	} {
		view := release.View{Name: "x86_64", Architecture: "x86_64"}
		addBase(&view, base.Snapshot(), c.known, nil)
		r := release.NewBase([]release.View{view}).Largest(release.Problem{Units: units, Waivers: release.Waivers{Hold: []string{"lib"}}})
		if !slices.Equal(r.Goes, c.goes) {
			t.Errorf("%s: %v goes, want %v; held: %+v", name, r.Goes, c.goes, r.Held)
		}
	}
}

func TestProvidedSonamesAreLibraries(t *testing.T) {
	t.Parallel()
	got := librariesOf([]string{"sh", "libc.so=6-64", "virtual=2"}, []string{"libm.so=6-64"})
	if want := []string{"libm.so=6-64", "libc.so=6-64"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
