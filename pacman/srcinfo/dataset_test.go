package srcinfo_test

import (
	"testing"
	"time"

	"buildbtw/internal/distribution"
	"buildbtw/pacman/srcinfo"
)

func TestDistributionParses(t *testing.T) {
	t.Parallel()
	distribution.Each(t, func(t *testing.T, files []distribution.File) {
		for _, f := range files {
			info, err := srcinfo.Parse(f.Text)
			if err != nil {
				t.Errorf("%s/%s: %v", f.Repository, f.Source, err)
				continue
			}
			if len(info.Unknown) > 0 {
				t.Errorf("%s/%s: unknown keys %q", f.Repository, f.Source, info.Unknown)
			}
		}
		bases, names, emptied, epochs := 0, 0, 0, 0
		for _, f := range distribution.FirstOfEachPkgbase(files) {
			info, err := srcinfo.Parse(f.Text)
			if err != nil {
				t.Fatal(err)
			}
			bases++
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
		// The reference counts of the data set's README, or of the sample.
		want := [2]int{7885, 10091}
		if len(files) < 1000 {
			want = [2]int{162, 333}
		}
		if bases != want[0] || names != want[1] {
			t.Errorf("%d pkgbases and %d pkgnames, want %d", bases, names, want)
		}
		if emptied == 0 || epochs == 0 {
			t.Errorf("%d packages that empty their depends and %d epochs, want some of both", emptied, epochs)
		}
	})
}

// BenchmarkParse parses the whole distribution on one core.
func BenchmarkParse(b *testing.B) {
	files := distribution.Whole(b)
	size := 0
	for _, f := range files {
		size += len(f.Text)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		for _, f := range files {
			if _, err := srcinfo.Parse(f.Text); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(time.Since(start).Milliseconds())/float64(b.N), "ms/distribution")
}
