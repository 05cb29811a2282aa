package buildgraph_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path"
	"sort"
	"strings"
	"sync"
	"testing"

	"buildbtw/buildgraph"
	"buildbtw/pacman/srcinfo"

	"github.com/klauspost/compress/zstd"
)

// fixture is 360 real packages around the large cycle of the data set, without
// what no plan looks at (descriptions, checksums). See testdata/README.md.
func fixture(t testing.TB) []buildgraph.Source {
	t.Helper()
	text, err := os.ReadFile("testdata/artix-360.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []buildgraph.Source
	for _, part := range strings.Split(string(text), "-- ")[1:] {
		slug, body, _ := strings.Cut(part, " --\n")
		out = append(out, parsed(slug, []byte(body)))
	}
	return out
}

func parsed(slug string, text []byte) buildgraph.Source {
	info, err := srcinfo.Parse(text)
	return buildgraph.Source{Slug: slug, Ref: "main", Commit: "commit-" + slug, Info: info, Err: err}
}

const dataSet = "../../shared/data/artix-2026-08-22.srcinfo.tar.zst"

var loadDistribution = sync.OnceValues(func() ([]buildgraph.Source, error) {
	f, err := os.Open(dataSet)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return readTar(tar.NewReader(z))
})

func readTar(r *tar.Reader) ([]buildgraph.Source, error) {
	type file struct{ name, slug, text string }
	var files []file
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		slug, ok := strings.CutSuffix(path.Base(h.Name), ".SRCINFO")
		if h.Typeflag != tar.TypeReg || !ok {
			continue
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			return nil, err
		}
		files = append(files, file{h.Name, slug, b.String()})
	}
	// By repository, then name: the first definition of a pkgbase wins, as in
	// the reference counts.
	sort.Slice(files, func(i, j int) bool { return files[i].name < files[j].name })
	out := make([]buildgraph.Source, 0, len(files))
	for _, f := range files {
		out = append(out, parsed(f.slug, []byte(f.text)))
	}
	return out, nil
}

// distribution is the whole data set; the test is skipped without it.
func distribution(t testing.TB) []buildgraph.Source {
	t.Helper()
	out, err := loadDistribution()
	if err != nil {
		t.Skipf("needs the data set of a whole distribution: %v", err)
	}
	return out
}

// needProgram skips a test whose program is not installed.
func needProgram(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
}
