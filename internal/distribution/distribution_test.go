package distribution_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"buildbtw/internal/distribution"
)

func TestSampleHasWhatTestsNeed(t *testing.T) {
	t.Parallel()
	files := distribution.Sample(t)
	if len(files) < 100 || len(files) > 200 {
		t.Errorf("%d files", len(files))
	}
	count := func(is func(text string) bool) (n int) {
		for _, f := range files {
			if is(string(f.Text)) {
				n++
			}
		}
		return n
	}
	for what, n := range map[string]int{
		"split packages":         count(func(text string) bool { return strings.Count(text, "pkgname = ") > 2 }),
		"provides":               count(func(text string) bool { return strings.Contains(text, "provides = ") }),
		"sonames":                count(func(text string) bool { return strings.Contains(text, ".so") }),
		"epochs":                 count(func(text string) bool { return strings.Contains(text, "epoch = ") }),
		"checkdepends":           count(func(text string) bool { return strings.Contains(text, "checkdepends = ") }),
		"versioned dependencies": count(func(text string) bool { return strings.Contains(text, "depends = ") && strings.Contains(text, ">=") }),
	} {
		if n < 5 {
			t.Errorf("%d files with %s", n, what)
		}
	}
	unique := distribution.FirstOfEachPkgbase(files)
	if n := len(files) - len(unique); n < 3 {
		t.Errorf("%d files whose pkgbase another repository has, too", n)
	}
	if curl := slices.IndexFunc(unique, func(f distribution.File) bool { return f.Pkgbase() == "curl" }); curl < 0 {
		t.Error("no curl, the heart of the largest cycle")
	}
}

func TestSampleIsPartOfTheWhole(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves out the whole distribution")
	}
	whole := map[string][]byte{}
	for _, f := range distribution.Whole(t) {
		whole[f.Repository+"/"+f.Source] = f.Text
	}
	for _, f := range distribution.Sample(t) {
		if !bytes.Equal(f.Text, whole[f.Repository+"/"+f.Source]) {
			t.Errorf("%s/%s is another one in the whole", f.Repository, f.Source)
		}
	}
}
