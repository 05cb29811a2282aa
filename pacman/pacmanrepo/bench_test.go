package pacmanrepo_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/pacman/pacmanrepo"
)

// seed writes databases of n packages of 60 files each, like Arch's smaller
// ones, without the packages.
func seed(tb testing.TB, dir string, n int) {
	tb.Helper()
	for _, kind := range []string{"db", "files"} {
		f, err := os.Create(archFile(dir, x86, dbName+"."+kind+".tar.zst"))
		if err != nil {
			tb.Fatal(err)
		}
		z := compressor(tb, f, "zst")
		t := tar.NewWriter(z)
		for i := range n {
			p := synthetic(i, n)
			add := func(name, text string) {
				if err := t.WriteHeader(&tar.Header{Name: p.name + "-" + p.version + "/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
					tb.Fatal(err)
				}
				if _, err := io.WriteString(t, text); err != nil {
					tb.Fatal(err)
				}
			}
			add("desc", p.desc())
			if kind == "files" {
				add("files", "%FILES%\n"+strings.Join(p.files, "\n")+"\n")
			}
		}
		for _, c := range []io.Closer{t, z, f} {
			if err := c.Close(); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// desc has the size of a real one; the digests are made up.
func (p pkg) desc() string {
	fields := map[string][]string{
		"FILENAME": {p.filename()}, "NAME": {p.name}, "VERSION": {p.version}, "CSIZE": {"1000"}, "ARCH": {x86},
		"SHA256SUM": {digest([]byte(p.name))}, "MD5SUM": {digest([]byte(p.name))[:32]}, "PACKAGER": {"A <a@example.invalid>"},
	}
	for _, line := range p.info {
		key, value, _ := strings.Cut(line, " = ")
		fields[strings.ToUpper(key)+"S"] = append(fields[strings.ToUpper(key)+"S"], value)
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, "%%%s%%\n%s\n\n", key, strings.Join(fields[key], "\n"))
	}
	return b.String()
}

func synthetic(i, n int) pkg {
	p := pkg{name: fmt.Sprintf("synth-%05d", i), ext: "gz", version: "1.2.3-1"}
	for k := range 8 {
		p.info = append(p.info, fmt.Sprintf("depend = synth-%05d", (i*7+k*13)%n))
	}
	for k := range 2 {
		p.info = append(p.info, fmt.Sprintf("provides = libs%d-%d.so=1-64", i, k))
	}
	for k := range 5 {
		p.info = append(p.info, fmt.Sprintf("makedepend = synth-%05d", (i*5+k*11)%n))
	}
	for k := range 60 {
		p.files = append(p.files, fmt.Sprintf("usr/share/%s/some/file-%d.dat", p.name, k))
	}
	return p
}

// BenchmarkPublish measures one package more in a repository of n: warm with the
// database in memory, cold as after a restart.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 3000, 5000} {
		data := b.TempDir()
		r := reopen(b, data, pacmanrepo.Options{})
		create(b, r, x86)
		if n > 0 {
			seed(b, filepath.Join(data, "repos"), n)
			r = reopen(b, data, pacmanrepo.Options{}) // not the empty one that it has in memory
		}
		attempt := int64(1)
		one := func(b *testing.B, r *pacmanrepo.Repos) {
			attempt++
			p := pkg{name: "one-more", ext: "zst", version: fmt.Sprintf("1.%d-1", attempt)}
			files := stage(b, r, attempt, p)
			b.StartTimer()
			if err := r.Publish(b.Context(), publication(attempt, files, x86)); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
		}
		b.Run(fmt.Sprintf("warm/%d", n), func(b *testing.B) {
			one(b, r)
			b.ResetTimer()
			b.StopTimer()
			for range b.N {
				one(b, r)
			}
		})
		b.Run(fmt.Sprintf("cold/%d", n), func(b *testing.B) {
			b.StopTimer()
			for range b.N {
				one(b, reopen(b, data, pacmanrepo.Options{}))
			}
		})
	}
}

// BenchmarkStage measures an upload of one small package, four syncs included.
func BenchmarkStage(b *testing.B) {
	r, _ := open(b, pacmanrepo.Options{})
	body := synthetic(1, 100).bytes(b)
	u := synthetic(1, 100).upload(1, body)
	for b.Loop() {
		u.Attempt.ID++
		if _, err := r.Stage(b.Context(), u, bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}
