package baserepo_test

import (
	"slices"
	"testing"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
)

func providerWorld(t *testing.T, withFiles bool) *baserepo.Snapshot {
	t.Helper()
	db, files := repoAdd(t, ".gz",
		pkg{name: "openssl", base: "openssl", version: "3.6-1", lines: []string{"provides = libssl.so=3-64"}, files: []string{"usr/lib/libssl.so", "usr/lib/libssl.so.3"}},
		pkg{
			name: "openssl-1.1", base: "openssl-1.1", version: "1.1.1-1", lines: []string{"provides = libssl.so=1.1-64"},
			files: []string{"usr/lib/libssl.so.1.1", "usr/lib/openssl-1.1/libssl.so"},
		},
		pkg{name: "lib32-openssl", base: "lib32-openssl", version: "3.6-1", files: []string{"usr/lib32/libssl.so", "usr/lib32/libssl.so.3"}},
		pkg{name: "bundler", base: "bundler", version: "1-1", files: []string{"opt/bundler/lib/libssl.so.3"}},
		pkg{name: "curl", base: "curl", version: "8-1", lines: []string{"depend = openssl>=3", "depend = libssl.so=3-64"}, files: []string{"usr/bin/curl"}},
		pkg{name: "other", base: "other", version: "1-1", lines: []string{"depend = openssl-1.1"}, files: []string{"usr/bin/other"}},
	)
	all := map[string][]byte{"core.db": db}
	if withFiles {
		all["core.files"] = files
		all["core.links.tar.gz"] = linksDB(t, map[string][]string{"curl-8-1": {"libssl.so.3"}, "openssl-3.6-1": {"libc.so.6"}})
	}
	return kept(t, all, "core")
}

// TestTheProviderHasTheLibraryWhereProgramsLook: a copy that a program brings along is none,
// nor is an old version beside the library.
func TestTheProviderHasTheLibraryWhereProgramsLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		soname    string
		withFiles bool
		want      []string
	}{
		{"libssl.so.3", true, []string{"lib32-openssl usr/lib32/libssl.so.3", "openssl usr/lib/libssl.so.3"}},
		{"libssl.so=3-64", true, []string{"openssl usr/lib/libssl.so.3"}},
		{"lib32:libssl.so.3", true, []string{"lib32-openssl usr/lib32/libssl.so.3"}},
		{"libssl.so.1.1", true, []string{"openssl-1.1 usr/lib/libssl.so.1.1"}},
		{"libssl.so.2", true, nil},
		{"libssl.so.3", false, []string{"openssl "}}, // by its provides
		{"libssl.so.1.1", false, []string{"openssl-1.1 "}},
	} {
		soname, ok := alpm.ParseSoname(c.soname)
		if !ok {
			t.Fatalf("%s is no soname", c.soname)
		}
		var got []string
		for _, p := range providerWorld(t, c.withFiles).Providers(soname) {
			got = append(got, p.Name+" "+p.File)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s, with files %t: %q, want %q", c.soname, c.withFiles, got, c.want)
		}
	}
}

func TestDependentsAndWhoseLinksAreKnown(t *testing.T) {
	t.Parallel()
	s := providerWorld(t, true)
	list := s.Dependents(map[string]bool{"openssl": true})
	if len(list) != 1 || list[0].Entry.Name != "curl" || list[0].Name != "openssl>=3" {
		t.Errorf("on openssl depend %+v, want curl alone", list)
	}
	for pkgbase, want := range map[string]bool{"curl": true, "openssl": true, "other": false, "nothing": false} {
		if got := s.LinksKnown(pkgbase); got != want {
			t.Errorf("links of %s known: %t, want %t", pkgbase, got, want)
		}
	}
	if known, nothing := s.Packed("openssl"), s.Packed("nothing"); known <= 0 || nothing != 0 {
		t.Errorf("the file of openssl has %d bytes, of nothing %d", known, nothing)
	}
}
