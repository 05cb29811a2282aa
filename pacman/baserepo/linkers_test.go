package baserepo_test

import (
	"testing"

	"buildbtw/pacman/alpm"
)

func TestLinkersNameTheSonameInAnyForm(t *testing.T) {
	t.Parallel()
	db, _ := repoAdd(t, ".gz",
		pkg{name: "old", base: "old", version: "1-1", lines: []string{"depend = libfoo.so=1-64"}},
		pkg{name: "new", base: "new", version: "1-1", lines: []string{"depend = libfoo.so=2-64"}},
		pkg{name: "newest", base: "newest", version: "1-1", lines: []string{"depend = glibc", "depend = lib:libfoo.so.2"}},
		pkg{name: "other", base: "other", version: "1-1", lines: []string{"depend = libfoobar.so=2-64", "depend = libfoo"}},
	)
	s := kept(t, map[string][]byte{"core.db": db}, "core")
	for soname, want := range map[string][]string{
		"libfoo.so=2-64": {"new", "newest"}, "libfoo.so": {"new", "newest", "old"}, "libfoo.so=3-64": nil,
	} {
		n, ok := alpm.ParseSoname(soname)
		if !ok {
			t.Fatalf("%s is no soname", soname)
		}
		var got []string
		for _, e := range s.Linkers(n) {
			got = append(got, e.Name)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", soname, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", soname, got, want)
			}
		}
	}
}
