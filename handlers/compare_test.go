package handlers_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store/storetest"
)

func TestAnyIterationsAreCompared(t *testing.T) {
	t.Parallel()
	s := newSite(t, withBase(t))
	s.failing(t) // app failed, which blocks tool
	other := s.db.NewBuildspace(t, "other")
	s.db.Iterate(t, other, storetest.Plan("lib", "app: lib", "extra: lib"))
	s.db.Finish(t, s.db.Claim(t, "w9"))
	s.db.Finish(t, s.db.Claim(t, "w9"))

	page := s.get(t, "/compare?a=lib/1&b=other")
	page.wants(t, "h1", "lib#1 with other#1")
	page.wants(t, "[aria-labelledby=h-fixed]", "app", "failed", "built")
	page.wants(t, "[aria-labelledby=h-added]", "extra")
	page.wants(t, "[aria-labelledby=h-removed]", "tool")
	if page.Find("#compare-names option[value='lib#1']").Length() != 1 || page.Find("#compare-names option[value=base]").Length() != 1 {
		t.Error("the form does not suggest what there is")
	}
	if href, _ := page.Find(".tabs a[aria-current=page]").Attr("href"); href != "/compare?a=base&b=other/1" {
		t.Errorf("the tab leads to %s", href)
	}
	s.get(t, "/compare?a=other%231&b=lib").wants(t, "[aria-labelledby=h-newly-failing]", "app", "built", "failed")
	s.get(t, "/compare?a=base&b=lib").wants(t, "[aria-labelledby=h-newly-failing]", "app", "in the base", "failed")
	s.get(t, "/compare?a=other&b=other").wants(t, ".empty", "The same came out of both")
	s.get(t, "/compare?a=base&b=other").wants(t, "[aria-labelledby=h-versions]", "lib", "0.9-1 → 1.0-1")

	names := s.get(t, "/compare/names?a=lib/1&b=other&list=removed")
	names.wantsStatus(t, http.StatusOK)
	if got := strings.TrimSpace(names.Text()); got != "tool" {
		t.Errorf("names: %q", got)
	}
	list := s.get(t, "/compare?a=lib/1&b=other&list=removed")
	list.wants(t, "[aria-labelledby=h-removed]", "tool")
	list.wantsNone(t, "[aria-labelledby=h-added]")
	s.get(t, "/compare?a=lib/1&b=other&list=sizes").wants(t, ".empty", "Nothing is in this list")
	s.get(t, "/compare?a=lib/1&b=other&list=nothing").wantsStatus(t, http.StatusNotFound)

	form := s.get(t, "/compare")
	form.wantsStatus(t, http.StatusOK)
	form.wants(t, ".empty", "Name two iterations")
	for query, want := range map[string]int{
		"a=lib/7&b=lib": http.StatusNotFound, "a=none&b=lib": http.StatusNotFound,
		"a=lib/x&b=lib": buildbtw.KindInvalid.HTTPStatus(), "a=base&b=base": buildbtw.KindInvalid.HTTPStatus(),
	} {
		wrong := s.get(t, "/compare?"+query)
		wrong.wantsStatus(t, want)
		if wrong.Find("form .field input[name=a]").Length() != 1 || wrong.Find("main .alert").Text() == "" {
			t.Errorf("%s: no form with a reason", query)
		}
	}
	s.get(t, "/compare/files?a=base&b=lib&package=lib").wantsStatus(t, http.StatusNotFound) // lib has not built it
}

// TestALongListHasPages: every name is on one page of it.
func TestALongListHasPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "few"), storetest.Plan("build-0"))
	s.db.Iterate(t, s.db.NewBuildspace(t, "many"), storetest.Fan(250))
	all := s.get(t, "/compare?a=few&b=many")
	if n := all.Find("[aria-labelledby=h-added] .compare-rows > li").Length(); n != 10 {
		t.Errorf("%d lines of a long list stand on the page of all", n)
	}
	seen := map[string]bool{}
	next, pages := "/compare?a=few&b=many&list=added", 0
	for next != "" && pages < 10 {
		page := s.get(t, next)
		for _, name := range strings.Fields(page.Find(".compare-name").Text()) {
			seen[name] = true
		}
		pages++
		next, _ = page.Find(".pager a[rel=next]").Attr("href")
	}
	whole := strings.Fields(s.get(t, "/compare/names?a=few&b=many&list=added").Text())
	if pages != 3 || len(seen) != len(whole) || len(whole) < 250 {
		t.Errorf("%d names on %d pages, %d names in all", len(seen), pages, len(whole))
	}
}

// BenchmarkComparePage compares two iterations of 6,878 built packages each, no two of
// which are the same file: versions, sonames and links of all have changed.
func BenchmarkComparePage(b *testing.B) {
	const builds = 6878
	s := newSite(b)
	row := s.db.NewBuildspace(b, "bench")
	for n := range 2 {
		it := s.db.Iterate(b, row, storetest.Fan(builds-1))
		id := pacmanrepo.ID{Repository: buildbtw.RepositoryName("bench", it.Number), DB: "bench", Architecture: "x86_64"}
		must(b, os.MkdirAll(filepath.Join(s.dir, id.Repository, "os", "x86_64"), 0o755)) // an open server would keep the empty one that it made
		faces := map[string]alpm.Interface{}
		var file bytes.Buffer
		z, err := zstd.NewWriter(&file)
		must(b, err)
		w := tar.NewWriter(z)
		for {
			c := s.db.Claim(b, "w1")
			if c == nil {
				break
			}
			s.db.Finish(b, c)
			p := storetest.Package(c, c.Build.Pkgbase)
			faces[p.SHA256] = alpm.Interface{
				Pkgname: p.Pkgname, Version: fmt.Sprintf("%d-1", n), Provides: []string{"api=" + p.Version},
				Sonames: []string{fmt.Sprintf("lib%s.so=%d-64", p.Pkgname, n)}, Symbols: []string{fmt.Sprintf("lib%s.so=%d-64:V_%d", p.Pkgname, n, n)},
				Links: []string{"libc.so=6-64", "libm.so=6-64", fmt.Sprintf("libz.so=%d-64", n)}, Directories: []string{},
			}
			text := fmt.Sprintf("%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%VERSION%%\n%s\n\n%%CSIZE%%\n1000\n\n%%ISIZE%%\n%d\n\n%%SHA256SUM%%\n%s\n\n%%DEPENDS%%\nglibc\ndep-%d\n\n",
				p.Filename, p.Pkgname, p.Version, (n+1)*10<<20, p.SHA256, n)
			must(b, w.WriteHeader(&tar.Header{Name: p.Pkgname + "-" + p.Version + "/desc", Mode: 0o644, Size: int64(len(text))}))
			_, err := w.Write([]byte(text))
			must(b, err)
		}
		must(b, errors.Join(w.Close(), z.Close(), s.db.SaveInterfaces(b.Context(), faces)))
		must(b, os.WriteFile(filepath.Join(s.dir, id.Repository, "os", "x86_64", "bench.db.tar.zst"), file.Bytes(), 0o600))
	}
	answer, err := http.Get(s.url + "/compare?a=bench/1&b=bench/2")
	must(b, err)
	body, err := io.ReadAll(answer.Body)
	must(b, errors.Join(err, answer.Body.Close()))
	for _, list := range []string{"sonames", "needed sonames", "depends", "installed sizes"} {
		if !strings.Contains(string(body), "<b>6,878</b> "+list) {
			b.Fatalf("not all packages are in the list of %s", list)
		}
	}
	b.Run("all", func(b *testing.B) { s.benchWhole(b, "/compare?a=bench/1&b=bench/2") })
	b.Run("list", func(b *testing.B) { s.benchWhole(b, "/compare?a=bench/1&b=bench/2&list=sonames&from=3000") })
}
