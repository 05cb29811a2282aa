package chaos

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// gitFile is a file at the top of a source.
type gitFile struct{ name, text string }

// writeRepository writes a bare git repository with one commit at main, and
// gives that. Hundreds of them by git itself would take a minute.
func writeRepository(dir string, files []gitFile) (commit string, err error) {
	w := objects{files: map[string]string{}}
	slices.SortFunc(files, func(a, b gitFile) int { return strings.Compare(a.name, b.name) })
	var tree strings.Builder
	for _, f := range files {
		sum := w.add("blob", f.text)
		fmt.Fprintf(&tree, "100644 %s\x00%s", f.name, sum[:])
	}
	sum := w.add("tree", tree.String())
	const who = "t <t@localhost> 1700000000 +0000"
	head := w.add("commit", fmt.Sprintf("tree %x\nauthor %s\ncommitter %s\n\nchange\n", sum, who, who))
	commit = hex.EncodeToString(head[:])
	w.files["HEAD"] = "ref: refs/heads/main\n"
	w.files["config"] = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	w.files["refs/heads/main"] = commit + "\n"
	return commit, writeFiles(dir, w.files)
}

// objects collects loose objects (gitrepository-layout(5)) by path.
type objects struct{ files map[string]string }

func (o objects) add(kind, text string) [sha1.Size]byte {
	whole := fmt.Sprintf("%s %d\x00%s", kind, len(text), text)
	sum := sha1.Sum([]byte(whole))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write([]byte(whole)) // memory takes everything
	_ = z.Close()
	name := hex.EncodeToString(sum[:])
	o.files[filepath.Join("objects", name[:2], name[2:])] = packed.String()
	return sum
}
