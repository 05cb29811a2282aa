package gitmirror_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

// What of a commit no build will have is said with its .SRCINFO, each in one line.
func TestWhatABuildWillNotHave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
		want []string
	}{
		{"plain", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "patches", "a.patch"), "x")
			must(t, os.Symlink("patches/a.patch", filepath.Join(dir, "a.patch")))
			must(t, os.Symlink("../PKGBUILD", filepath.Join(dir, "patches", "up")))
			write(t, filepath.Join(dir, "looks-like"), pointer) // without an attribute it is a text
		}, nil},
		{"links", func(t *testing.T, dir string) {
			must(t, os.Symlink("../_shared/shared.patch", filepath.Join(dir, "shared.patch")))
			must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "x")))
			write(t, filepath.Join(dir, "patches", "a.patch"), "x")
			must(t, os.Symlink("../../b", filepath.Join(dir, "patches", "b")))
		}, []string{`the links patches/b → "../../b", shared.patch → "../_shared/shared.patch", x → "/etc/passwd" lead out of the source; no build takes it: put copies of the files in their place`}},
		{"submodule", func(t *testing.T, dir string) {
			gitIn(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",sub")
		}, []string{"sub is a git submodule, whose files are not fetched: its directory is empty in a build"}},
		{"lfs", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n")
			write(t, filepath.Join(dir, "data.bin"), pointer)
			write(t, filepath.Join(dir, "deep", "er", "more.bin"), pointer)
			write(t, filepath.Join(dir, "small.bin"), "is really here")
		}, []string{"data.bin, deep/er/more.bin are Git LFS pointers: a build gets the pointers, not the files"}},
		{"many", func(t *testing.T, dir string) {
			for _, name := range strings.Split("abcdefgh", "") {
				must(t, os.Symlink("/nowhere", filepath.Join(dir, name)))
			}
		}, []string{`the links a → "/nowhere", b → "/nowhere", c → "/nowhere", d → "/nowhere", e → "/nowhere" and 3 more lead out of the source; no build takes it: put copies of the files in their place`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, m := t.TempDir(), openMirror(t)
			source := filepath.Join(dir, "a")
			newSource(t, source, "1")
			tt.make(t, source)
			gitIn(t, source, "-c", "filter.lfs.clean=cat", "-c", "filter.lfs.required=false", "add", "--ignore-removal", ".")
			commit := commitFile(t, source, "PKGBUILD", testPKGBUILD)
			mustSync(t, m, dir)
			infos, err := m.ReadSrcinfos(t.Context(), []string{commit})
			if err != nil || infos[commit].Err != nil {
				t.Fatal(err, infos[commit].Err)
			}
			if diff := cmp.Diff(tt.want, infos[commit].Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A commit that lists one large directory thousands of times is small to push, and
// gigabytes to look through. No other test runs beside this one.
func TestNotesOfAGitBomb(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	newSource(t, source, "1")
	var entries, roots strings.Builder
	blob := gitIn(t, source, "hash-object", "-w", ".SRCINFO")
	for i := range 20_000 {
		fmt.Fprintf(&entries, "120000 blob %s\tl%05d\n", blob, i)
	}
	large := mktree(t, source, entries.String())
	roots.WriteString(gitIn(t, source, "ls-tree", "HEAD") + "\n")
	for i := range 5_000 {
		fmt.Fprintf(&roots, "040000 tree %s\td%05d\n", large, i)
	}
	root := mktree(t, source, roots.String())
	commit := gitIn(t, source, "commit-tree", "-p", "HEAD", "-m", "bomb", root)
	gitIn(t, source, "update-ref", "refs/heads/main", commit)
	mustSync(t, m, dir)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	infos, err := m.ReadSrcinfos(t.Context(), []string{commit})
	runtime.ReadMemStats(&after)
	if err != nil || infos[commit].Err != nil {
		t.Fatal(err, infos[commit].Err)
	}
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 100 {
		t.Errorf("%d MiB were allocated", mib)
	}
}

// mktree writes a tree object from the lines that git ls-tree prints.
func mktree(t *testing.T, dir, lines string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "-C", dir, "mktree")
	cmd.Stdin = strings.NewReader(lines)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
