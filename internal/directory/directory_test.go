package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"buildbtw/internal/directory"
	"buildbtw/internal/distribution"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// source makes one from lines of a .SRCINFO after its head; packages are those
// of the lines "pkgname = …", else one called like the pkgbase.
func source(tb testing.TB, slug, pkgbase string, lines ...string) directory.Source {
	tb.Helper()
	text := fmt.Sprintf("pkgbase = %s\npkgver = 1.0\npkgrel = 1\narch = x86_64\n", pkgbase) + strings.Join(lines, "\n")
	if !strings.Contains(text, "pkgname =") {
		text += "\npkgname = " + pkgbase + "\n"
	}
	info, err := srcinfo.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return directory.Source{Slug: slug, Commit: fmt.Sprintf("%x", slug) + strings.Repeat("0", 40-2*len(slug)), Info: info}
}

func sample(tb testing.TB) *directory.Directory {
	tb.Helper()
	return directory.New([]directory.Source{
		source(tb, "curl", "curl", "provides = libcurl.so"),
		source(tb, "libcurl-gnutls", "libcurl-gnutls", "depends = curl", "provides = libcurl-gnutls.so=4-64"),
		source(tb, "git", "git", "depends = libcurl.so=4-64", "makedepends = libcurl.so"),
		source(tb, "old", "old", "depends = libcurl.so=3-64"),
		source(tb, "jdk", "java", "pkgname = jdk-openjdk", "provides = java-environment=25", "pkgname = jre-openjdk", "provides = java-runtime=25"),
		{Slug: "broken-curl"},
	})
}

// words names the hits, and behind each its further names.
func words(hits []directory.Hit) []string {
	var list []string
	for _, h := range hits {
		names := []string{h.Name}
		for _, e := range h.Also {
			names = append(names, e.Name)
		}
		list = append(list, string(h.Kind)+" "+strings.Join(names, " + "))
	}
	return list
}

func TestExactNamesComeBeforePrefixesBeforeParts(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for query, want := range map[string][]string{
		"curl":     {"package curl + libcurl.so", "source broken-curl", "package libcurl-gnutls + libcurl-gnutls.so"},
		" CURL ":   {"package curl + libcurl.so", "source broken-curl", "package libcurl-gnutls + libcurl-gnutls.so"},
		"java":     {"pkgbase java + java-environment + java-runtime"},
		"jdk":      {"source jdk + jdk-openjdk + jre-openjdk"},
		"openjdk":  {"package jdk-openjdk + jre-openjdk"},
		"nothing":  nil,
		"":         nil,
		"git\nold": nil,
	} {
		found, more := d.Find(query, 10)
		if got := words(found); !slices.Equal(got, want) || more {
			t.Errorf("%q: %q, more %t; want %q", query, got, more, want)
		}
	}
	if found, more := d.Find("curl", 2); len(found) != 2 || !more {
		t.Errorf("bounded: %q, more %t", words(found), more)
	}
	e := d.Named("java-runtime")
	if len(e) != 1 || e[0].Pkgname != "jre-openjdk" || e[0].Pkgbase != "java" || e[0].Source != "jdk" || e[0].Version != "1.0-1" {
		t.Errorf("java-runtime: %+v", e)
	}
	if e := d.Named("Git"); e != nil {
		t.Errorf("names have a case: %+v", e)
	}
}

// TestWhatMuchDependsOnComesFirst: who types ssl means openssl, though ten names begin so.
func TestWhatMuchDependsOnComesFirst(t *testing.T) {
	t.Parallel()
	d := directory.New([]directory.Source{
		source(t, "sslscan", "sslscan", "depends = openssl>=3"), source(t, "ssl-cert-check", "ssl-cert-check", "depends = openssl", "checkdepends = openssl"),
		source(t, "openssl-1.1", "openssl-1.1", "provides = libssl.so=1.1-64"), source(t, "openssl", "openssl", "provides = libssl.so=3-64"),
		source(t, "curl", "curl", "depends = openssl", "makedepends = openssl-1.1"),
	})
	found, _ := d.Find("ssl", 3)
	if got := words(found); !slices.Equal(got, []string{"package openssl + libssl.so", "package openssl-1.1 + libssl.so", "package ssl-cert-check"}) {
		t.Errorf("got %q", got)
	}
	if n := d.Dependents(found[0].Entry); n != 3 {
		t.Errorf("%d sources depend on openssl, want 3: one that says so twice counts once", n)
	}
}

func TestALibraryNamesWhoLinksIt(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for text, want := range map[string]string{
		"libcurl.so=4-64":  "[{git libcurl.so} {git libcurl.so=4-64}]",
		"libcurl.so":       "[{git libcurl.so} {git libcurl.so=4-64} {old libcurl.so=3-64}]",
		"lib:libcurl.so.3": "[{git libcurl.so} {old libcurl.so=3-64}]",
		"libnone.so":       "[]",
	} {
		n, ok := alpm.ParseSoname(text)
		if !ok {
			t.Fatalf("%s is no soname", text)
		}
		if got := fmt.Sprint(d.Users(n)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	n, _ := alpm.ParseSoname("libcurl.so=4-64")
	if p := d.Providers(n); len(p) != 1 || p[0].Pkgname != "curl" {
		t.Errorf("providers: %+v", p)
	}
}

// TestTheProviderIsNoOldCopy: sources do not say which version of a library they make, and
// an old copy is told by its name. "libssl.so.3" was answered with openssl-1.1.
func TestTheProviderIsNoOldCopy(t *testing.T) {
	t.Parallel()
	d := directory.New([]directory.Source{
		source(t, "openssl-1.1", "openssl-1.1", "provides = libssl.so"), source(t, "openssl", "openssl", "provides = libssl.so"),
		source(t, "other/openssl", "openssl", "provides = libssl.so"), source(t, "lib32-openssl", "lib32-openssl", "provides = libssl.so"),
		source(t, "lua54", "lua54", "provides = liblua.so"), source(t, "lua", "lua", "provides = liblua.so"),
		source(t, "said", "said", "provides = libsaid.so=2-64"), source(t, "said-devel", "said-devel", "provides = libsaid.so=3-64"),
	})
	for text, want := range map[string][]string{
		"libssl.so.3":    {"lib32-openssl", "openssl"},
		"libssl.so=3-64": {"openssl"},
		"libssl.so.1.1":  {"lib32-openssl", "openssl-1.1"},
		"libssl.so":      {"lib32-openssl", "openssl", "openssl-1.1"},
		"liblua.so.5.4":  {"lua54"},
		"liblua.so.5.5":  {"lua"},
		"libsaid.so.3":   {"said-devel"},
		"libnone.so.1":   nil,
	} {
		n, _ := alpm.ParseSoname(text)
		var got []string
		for _, e := range d.Providers(n) {
			got = append(got, e.Pkgname)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestTheWholeDistributionIsFound: what people type, asked of all sources of a distribution.
func TestTheWholeDistributionIsFound(t *testing.T) {
	t.Parallel()
	var sources []directory.Source
	for _, f := range distribution.Whole(t) {
		info, err := srcinfo.Parse(f.Text)
		if err != nil {
			t.Fatalf("%s: %v", f.Source, err)
		}
		sources = append(sources, directory.Source{Slug: f.Source, Info: info})
	}
	d := directory.New(sources)
	for query, want := range map[string]string{"ssl": "openssl", "python": "python", "curl": "curl", "jpeg": "libjpeg-turbo"} {
		found, _ := d.Find(query, 50)
		if len(found) == 0 || found[0].Pkgbase != want {
			t.Errorf("%q finds %.5q first, want %s", query, words(found), want)
		}
		seen := map[string]bool{}
		for _, h := range found {
			if seen[h.Pkgbase] {
				t.Errorf("%q finds %s twice", query, h.Pkgbase)
			}
			seen[h.Pkgbase] = h.Pkgbase != ""
		}
	}
	if near := directory.Group(d.Near("crul", 5)); len(near) == 0 || near[0].Name != "curl" {
		t.Errorf("crul may mean %q, want curl first", words(near))
	}
	for text, want := range map[string]string{"libssl.so=3-64": "[openssl]", "libssl.so=1.1-64": "[openssl-1.1]"} {
		n, _ := alpm.ParseSoname(text)
		var got []string
		for _, e := range d.Providers(n) {
			got = append(got, e.Pkgname)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s is provided by %q, want %s", text, got, want)
		}
	}
}

func TestCommitsAreFoundByTheirBeginning(t *testing.T) {
	t.Parallel()
	d := sample(t)
	if found := d.Commits("6769", 5); len(found) != 1 || found[0].Source != "git" {
		t.Errorf("%+v", found)
	}
	if found := d.Commits("6", 2); len(found) != 2 {
		t.Errorf("bounded: %+v", found)
	}
	if found := d.Commits("ffff", 5); found != nil {
		t.Errorf("none begins with ffff: %+v", found)
	}
}

// Whatever is asked, the answer is what a look at every name gives.
func TestFindMissesNothing(t *testing.T) {
	t.Parallel()
	d := large(t, 300)
	rapid.Check(t, func(t *rapid.T) {
		query := rapid.StringOfN(rapid.SampledFrom([]rune("abceghilnoprst-0123")), 1, 4, -1).Draw(t, "query")
		found, more := d.Find(query, 1000)
		if more {
			t.Fatal("there cannot be more")
		}
		for i, e := range found {
			if !strings.Contains(e.Name, query) || len(e.Also) > 0 {
				t.Fatalf("%q does not have %q, or is several", e.Name, query)
			}
			if i > 0 && strings.HasPrefix(e.Name, query) && !strings.HasPrefix(found[i-1].Name, query) {
				t.Fatalf("%q comes after %q", e.Name, found[i-1].Name)
			}
		}
		n := 0
		for i := range 300 {
			if strings.Contains(name(i), query) {
				n++
			}
		}
		if len(found) != n {
			t.Fatalf("%d found, %d there", len(found), n)
		}
	})
}

func name(i int) string {
	return []string{"python", "lib", "perl", "haskell", "gtk"}[i%5] + "-" + []string{"http", "crypto", "color", "test"}[i/5%4] + fmt.Sprint(i)
}

func large(tb testing.TB, n int) *directory.Directory {
	tb.Helper()
	var sources []directory.Source
	for i := range n {
		sources = append(sources, source(tb, name(i), name(i)))
	}
	return directory.New(sources)
}

// The bar: 10 ms for 10,000 names.
func BenchmarkFind(b *testing.B) {
	d := large(b, 10_000)
	for _, query := range []string{"python-http1000", "python", "o", "9999", "nothing-at-all"} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				d.Find(query, 50)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	var sources []directory.Source
	for i := range 10_000 {
		sources = append(sources, source(b, name(i), name(i), "depends = glibc", "depends = libz.so=1-64", "provides = virtual"))
	}
	for b.Loop() {
		directory.New(sources)
	}
}
