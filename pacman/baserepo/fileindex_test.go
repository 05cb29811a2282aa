package baserepo_test

import (
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"buildbtw/pacman/baserepo"
)

func TestFileIndexFindsOwners(t *testing.T) {
	t.Parallel()
	desc := func(name string) string {
		return "%NAME%\n" + name + "\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n\n%FILENAME%\n" + name + "-1-1-x86_64.pkg.tar.zst\n\n"
	}
	dir := t.TempDir()
	write := func(name string, texts map[string]string) {
		t.Helper()
		var all []member
		for _, id := range slices.Sorted(maps.Keys(texts)) {
			all = append(all, member{name: id, text: texts[id]})
		}
		if err := os.WriteFile(filepath.Join(dir, name), tarOf(t, all...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("core.db", map[string]string{"a-1-1/desc": desc("a"), "b-1-1/desc": desc("b"), "both-1-1/desc": desc("both")})
	write("core.files", map[string]string{
		"a-1-1/files": "%FILES%\nusr/\nusr/bin/\nusr/bin/a\nusr/share/one\n", "b-1-1/files": "%FILES%\nusr/\nusr/bin/b\nusr/share/one\n",
		"both-1-1/files": "%FILES%\nusr/bin/core\n", "gone-1-1/files": "%FILES%\nusr/bin/gone\n",
	})
	write("extra.db", map[string]string{"both-1-1/desc": desc("both"), "c-1-1/desc": desc("c")})
	write("extra.files", map[string]string{"both-1-1/files": "%FILES%\nusr/bin/extra\n", "c-1-1/files": "%FILES%\nusr/bin/c\n"})
	write("more.db", map[string]string{"d-1-1/desc": desc("d")})
	var repos []baserepo.Repo
	for _, name := range []string{"core", "extra", "more"} {
		repos = append(repos, baserepo.Repo{Name: name, URL: "file://" + dir})
	}
	base, err := baserepo.Open(t.TempDir(), repos, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range base.Refresh(t.Context()) {
		if r.Warning != "" {
			t.Fatal(r.Warning)
		}
	}
	seed := maphash.MakeSeed()
	x, err := base.FileIndex(t.Context(), base.Snapshot(), seed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := base.FileIndex(t.Context(), base.Snapshot(), seed); err != nil || again != x {
		t.Errorf("asked again: %p, %v; want the same, %p", again, err, x)
	}
	paths := map[uint64]string{}
	var digests []uint64
	for _, path := range []string{"usr/", "usr/bin/a", "usr/share/one", "usr/bin/core", "usr/bin/extra", "usr/bin/gone", "usr/bin/c", "usr/none"} {
		d := baserepo.PathDigest(seed, []byte(path))
		paths[d] = path
		digests = append(digests, d)
	}
	slices.Sort(digests)
	var got []string
	if err := x.Owners(digests, func(d uint64, owner *baserepo.Entry) { got = append(got, fmt.Sprint(paths[d], " ", owner.Name)) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{"usr/bin/a a", "usr/bin/c c", "usr/bin/core both", "usr/share/one a", "usr/share/one b"} // that of extra is hidden
	if !slices.Equal(got, want) {
		t.Errorf("owners: %q; want %q", got, want)
	}
	lists := map[string][]string{}
	for e := range base.Snapshot().Entries() {
		if lists[e.Name], err = x.Files(e.Name); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(lists["a"], []string{"usr/", "usr/bin/", "usr/bin/a", "usr/share/one"}) || !slices.Equal(lists["both"], []string{"usr/bin/core"}) || lists["d"] != nil {
		t.Errorf("lists: %q", lists)
	}
	if base.Snapshot().ListsFiles("more") || !base.Snapshot().ListsFiles("extra") {
		t.Error("it is not told which repositories list files")
	}
}

// BenchmarkFileIndex indexes 13,000 packages with 400 files each, of which a query asks for 1.2
// million paths; docs/benchmarks.md has the figures.
func BenchmarkFileIndex(b *testing.B) {
	const packages, files, asked = 13_000, 400, 3_000
	dir := b.TempDir()
	var descs, lists []member
	path := func(p, f int) string {
		return fmt.Sprintf("usr/share/package-%05d/part-%02d/file-%04d.txt", p, f/50, f)
	}
	for p := range packages {
		id := fmt.Sprintf("p%05d-1-1", p)
		descs = append(descs, member{id + "/desc", fmt.Sprintf("%%NAME%%\np%05d\n\n%%VERSION%%\n1-1\n\n%%ARCH%%\nx86_64\n\n%%FILENAME%%\n%s-x86_64.pkg.tar.zst\n\n", p, id)})
		text := []byte("%FILES%\n")
		for f := range files {
			text = append(append(text, path(p, f)...), '\n')
		}
		lists = append(lists, member{id + "/files", string(text)})
	}
	for name, list := range map[string][]member{"extra.db": descs, "extra.files": lists} {
		if err := os.WriteFile(filepath.Join(dir, name), compress(b, "gz", tarOf(b, list...)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	base, err := baserepo.Open(b.TempDir(), []baserepo.Repo{{Name: "extra", URL: "file://" + dir}}, baserepo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range base.Refresh(b.Context()) {
		if r.Warning != "" {
			b.Fatal(r.Warning)
		}
	}
	seed := maphash.MakeSeed()
	var digests []uint64
	for p := range asked {
		for f := range files {
			digests = append(digests, baserepo.PathDigest(seed, []byte(path(p*4, f))))
		}
	}
	slices.Sort(digests)
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := base.FileIndex(b.Context(), base.Snapshot(), maphash.MakeSeed()); err != nil {
				b.Fatal(err)
			}
		}
	})
	x, err := base.FileIndex(b.Context(), base.Snapshot(), seed)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ask", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := x.Owners(digests, func(uint64, *baserepo.Entry) { n++ }); err != nil || n != len(digests) {
				b.Fatal(n, err)
			}
		}
	})
}
