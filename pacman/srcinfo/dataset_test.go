package srcinfo_test

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"buildbtw/pacman/srcinfo"
)

// dataset reads every .SRCINFO of a whole distribution, by path in its archive.
func dataset(tb testing.TB) map[string][]byte {
	tb.Helper()
	found, _ := filepath.Glob("../../../shared/data/*.srcinfo.tar.zst")
	if len(found) == 0 {
		tb.Skip("skipped: no ../shared/data/*.srcinfo.tar.zst beside the checkout")
	}
	file, err := os.Open(found[0])
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	plain, err := zstd.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer plain.Close()
	return untar(tb, plain)
}

func untar(tb testing.TB, r io.Reader) map[string][]byte {
	tb.Helper()
	texts := map[string][]byte{}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			tb.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if texts[header.Name], err = io.ReadAll(archive); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestWholeDistributionParses(t *testing.T) {
	texts := dataset(t)
	bases, names, emptied, epochs := map[string]bool{}, 0, 0, 0
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		info, err := srcinfo.Parse(texts[path])
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if len(info.Unknown) > 0 {
			t.Errorf("%s: unknown keys %q", path, info.Unknown)
		}
		if bases[info.Pkgbase] { // the reference counts take the first in this order
			continue
		}
		bases[info.Pkgbase] = true
		names += len(info.Packages)
		if info.Epoch != "" {
			epochs++
		}
		for _, p := range info.Packages {
			if len(info.Base.Depends) > 0 && len(p.Depends) == 0 {
				emptied++
			}
		}
	}
	if len(bases) != 7885 || names != 10091 { // the reference counts of its README
		t.Errorf("%d pkgbases and %d pkgnames, want 7885 and 10091", len(bases), names)
	}
	if emptied == 0 || epochs == 0 {
		t.Errorf("%d packages that empty their depends and %d epochs, want some of both", emptied, epochs)
	}
}

// BenchmarkParse parses the whole distribution on one core.
func BenchmarkParse(b *testing.B) {
	texts := dataset(b)
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		for _, text := range texts {
			if _, err := srcinfo.Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(time.Since(start).Milliseconds())/float64(b.N), "ms/distribution")
}
