package gitmirror

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// dataSet is the real data the figures in the documentation are of. Without it
// made-up text of the same size is used.
const dataSet = "../../../shared/data/artix-2026-08-22.srcinfo.tar.zst"

const scale = 7889

// srcinfos gives n .SRCINFO texts.
func srcinfos(b *testing.B, n int) [][]byte {
	b.Helper()
	var texts [][]byte
	plain, err := exec.CommandContext(b.Context(), "zstd", "-dc", dataSet).Output()
	archive := tar.NewReader(bytes.NewReader(plain))
	for err == nil && len(texts) < n {
		var head *tar.Header
		if head, err = archive.Next(); err == nil && head.Typeflag == tar.TypeReg {
			var text []byte
			text, err = io.ReadAll(archive)
			texts = append(texts, text)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.Logf("no data set (%v): made-up text", err)
	}
	for i := len(texts); i < n; i++ {
		texts = append(texts, fmt.Appendf(nil, "pkgbase = p%d\n%s", i, bytes.Repeat([]byte("\tdepends = x\n"), 70)))
	}
	return texts
}

// importSources puts n sources with one commit each into the mirror.
func importSources(b *testing.B, m *Mirror, n int) {
	b.Helper()
	var in bytes.Buffer
	for i, text := range srcinfos(b, n) {
		fmt.Fprintf(&in, "commit %ss%d/heads/main\ncommitter T <t@e> 1700000000 +0000\ndata 1\nx\nM 100644 inline %s\ndata %d\n",
			refRoot, i, srcinfoName, len(text))
		in.Write(text)
		in.WriteByte('\n')
	}
	if err := m.git.run(b.Context(), call{args: []string{"fast-import", "--quiet"}, stdin: &in}); err != nil {
		b.Fatal(err)
	}
	if err := m.Tidy(b.Context()); err != nil {
		b.Fatal(err)
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
	commit := commitFile(b, template, srcinfoName, "text")
	mustSync(b, m, dir)
	var refs bytes.Buffer
	for i := 1; i < scale; i++ {
		copyRepository(b, template, filepath.Join(dir, fmt.Sprintf("s%d", i)))
		fmt.Fprintf(&refs, "create %ss%d/heads/main %s\n", refRoot, i, commit)
	}
	if err := m.git.run(b.Context(), call{args: []string{"update-ref", "--stdin"}, stdin: &refs}); err != nil {
		b.Fatal(err)
	}
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

func copyRepository(b *testing.B, from, to string) {
	b.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		b.Fatal(err)
	}
}
