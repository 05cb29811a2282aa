// Package distribution gives tests and benchmarks the .SRCINFO files of a real
// distribution: a sample that is part of the repository, and all of them where
// the data set stands beside the checkout. Only tests import it.
//
// The sample (testdata, see its README) lets everybody run the same tests; the
// figures that docs promise are of the whole.
package distribution

import (
	"archive/tar"
	"bytes"
	_ "embed" // for the sample
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// File is the .SRCINFO of one source.
type File struct {
	Repository string // galaxy, lib32, system or world
	Source     string // the source's name; two repositories may have the same
	Text       []byte // not to be changed
}

// dataSet is where the whole distribution is, as seen from the module's root.
const dataSet = "../shared/data/artix-2026-08-22.srcinfo.tar.zst"

//go:embed testdata/sample.srcinfo.tar.zst
var sample []byte

//nolint:gochecknoglobals // a constant that takes a moment to unpack
var readSample = sync.OnceValues(func() ([]File, error) { return unpack(bytes.NewReader(sample)) })

//nolint:gochecknoglobals // a constant that takes a moment to unpack
var readWhole = sync.OnceValues(func() ([]File, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(root, dataSet))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return unpack(file)
})

// Sample returns the files of the sample, by repository and name.
func Sample(tb testing.TB) []File {
	tb.Helper()
	files, err := readSample()
	if err != nil {
		tb.Fatalf("read the sample of a distribution: %v", err)
	}
	return slices.Clone(files)
}

// Whole returns every file of the distribution, by repository and name. Without
// the data set the test is skipped, and says so.
func Whole(tb testing.TB) []File {
	tb.Helper()
	files, err := readWhole()
	if errors.Is(err, os.ErrNotExist) {
		tb.Skipf("SKIPPED: the data set of a whole distribution is absent; it belongs at %s, seen from the checkout (%v)", dataSet, err)
	}
	if err != nil {
		tb.Fatalf("read the data set of a whole distribution: %v", err)
	}
	return slices.Clone(files)
}

// Each runs a test on the sample and, unless it is to be short, on the whole
// distribution.
func Each(t *testing.T, test func(t *testing.T, files []File)) {
	t.Helper()
	t.Run("sample", func(t *testing.T) {
		t.Parallel()
		test(t, Sample(t))
	})
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		if testing.Short() {
			t.Skip("SKIPPED: -short leaves out the whole distribution")
		}
		test(t, Whole(t))
	})
}

var pkgbaseLine = regexp.MustCompile(`(?m)^\s*pkgbase = (\S+)`)

// Pkgbase returns the name that the file gives its source.
func (f File) Pkgbase() string {
	if m := pkgbaseLine.FindSubmatch(f.Text); m != nil {
		return string(m[1])
	}
	return ""
}

// FirstOfEachPkgbase leaves out files whose pkgbase an earlier one has, as the
// reference counts of the data set do.
func FirstOfEachPkgbase(files []File) []File {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool {
		name := f.Pkgbase()
		was := seen[name]
		seen[name] = true
		return was || name == ""
	})
}

func unpack(packed io.Reader) ([]File, error) {
	plain, err := zstd.NewReader(packed)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	var files []File
	for archive := tar.NewReader(plain); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			slices.SortFunc(files, func(a, b File) int {
				return strings.Compare(a.Repository+"/"+a.Source, b.Repository+"/"+b.Source)
			})
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		repository, name, _ := strings.Cut(strings.TrimPrefix(head.Name, "./"), "/")
		source, ok := strings.CutSuffix(name, ".SRCINFO")
		if head.Typeflag != tar.TypeReg || !ok {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		files = append(files, File{repository, source, text})
	}
}

// moduleRoot is the nearest directory with a go.mod: tests run in the directory
// of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory: %w", os.ErrNotExist)
		}
		dir = parent
	}
}
