package gitmirror_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"buildbtw/git/gitmirror"
	"buildbtw/internal/distribution"
)

// scale is how many sources a distribution has.
const scale = 7889

// importSources puts n sources with one commit each into the mirror.
func importSources(b *testing.B, m *gitmirror.Mirror, n int) {
	b.Helper()
	var in bytes.Buffer
	files := distribution.Whole(b)
	for i := range n {
		text := files[i].Text
		fmt.Fprintf(&in, "commit refs/sources/s%d/heads/main\ncommitter T <t@e> 1700000000 +0000\ndata 1\nx\nM 100644 inline .SRCINFO\ndata %d\n%s\n",
			i, len(text), text)
	}
	feed(b, m, &in, "fast-import", "--quiet")
	if err := m.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// feed runs git on the mirror itself.
func feed(b *testing.B, m *gitmirror.Mirror, in io.Reader, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", append([]string{"--git-dir", m.Dir()}, args...)...)
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func BenchmarkReadAllSources(b *testing.B) {
	m := openMirror(b)
	importSources(b, m, scale)
	var commits []string
	b.Run("Tips", func(b *testing.B) {
		for b.Loop() {
			tips, err := m.Tips(b.Context())
			if err != nil || len(tips) != scale {
				b.Fatal(len(tips), err)
			}
			commits = commits[:0]
			for _, tip := range tips {
				commits = append(commits, tip.Commit)
			}
		}
	})
	b.Run("ReadSrcinfos", func(b *testing.B) {
		for b.Loop() {
			infos, err := m.ReadSrcinfos(b.Context(), commits)
			if err != nil || len(infos) == 0 {
				b.Fatal(len(infos), err)
			}
		}
	})
	b.Run("Resolve", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Resolve(b.Context(), "s77", "main"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSyncUnchanged is a pass over repositories of which none has changed.
func BenchmarkSyncUnchanged(b *testing.B) {
	dir, m := b.TempDir(), openMirror(b)
	template := filepath.Join(dir, "s0")
	gitIn(b, dir, "init", "--quiet", "--template=", "s0")
	commit := commitFile(b, template, ".SRCINFO", "text")
	mustSync(b, m, dir)
	var refs bytes.Buffer
	for i := 1; i < scale; i++ {
		copyRepository(b, template, filepath.Join(dir, fmt.Sprintf("s%d", i)))
		fmt.Fprintf(&refs, "create refs/sources/s%d/heads/main %s\n", i, commit)
	}
	feed(b, m, &refs, "update-ref", "--stdin")
	if err := m.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r := mustSync(b, m, dir); len(r.Changed) != 0 {
			b.Fatal(r.Changed)
		}
	}
}

// BenchmarkSyncNew is the first pass, per repository.
func BenchmarkSyncNew(b *testing.B) {
	dir, m := b.TempDir(), openMirror(b)
	template := filepath.Join(b.TempDir(), "template")
	newSource(b, template, "text")
	for i := range b.N {
		copyRepository(b, template, filepath.Join(dir, fmt.Sprintf("s%d", i)))
	}
	b.ResetTimer()
	if r := mustSync(b, m, dir); len(r.Changed) != b.N {
		b.Fatal(r.Changed)
	}
}

func copyRepository(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
