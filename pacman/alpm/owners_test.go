package alpm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

// tenant reads "pkgname[:pkgbase] version directory,… dependency,…".
func tenant(line string) alpm.Tenant {
	f := strings.Fields(line)
	name, base, split := strings.Cut(f[0], ":")
	if !split {
		base = name
	}
	t := alpm.Tenant{Pkgname: name, Pkgbase: base, Version: f[1], Directories: strings.Split(f[2], ",")}
	if len(f) > 3 {
		t.Depends = strings.Split(f[3], ",")
	}
	return t
}

// Whose a directory is follows from who has its version and is named by the others,
// whatever the interpreter is called.
func TestOwnedDirectories(t *testing.T) {
	t.Parallel()
	many := func(n int, line string) (list []string) {
		for i := range n {
			list = append(list, strings.ReplaceAll(line, "#", fmt.Sprint(i)))
		}
		return list
	}
	for name, c := range map[string]struct {
		tenants []string
		want    string // "pkgname>owner directory", sorted
	}{
		"python": {[]string{
			"python 3.13.5-1 usr/lib/python3.13/", "python-six 1.17-1 usr/lib/python3.13/ python", "util-linux-libs:util-linux 2.41-1 usr/lib/python3.13/",
		}, "python-six>python usr/lib/python3.13/; util-linux-libs>python usr/lib/python3.13/"},
		"a module that happens to have the version": {[]string{
			"python 3.13.5-1 usr/lib/python3.13/", "python-odd 3.13-1 usr/lib/python3.13/ python", "python-six 1.17-1 usr/lib/python3.13/ python",
		}, "python-odd>python usr/lib/python3.13/; python-six>python usr/lib/python3.13/"},
		"two interpreters": {[]string{
			"python 3.13.5-1 usr/lib/python3.13/", "python312 3.12.9-1 usr/lib/python3.12/", "a 1-1 usr/lib/python3.12/", "b 1-1 usr/lib/python3.13/",
		}, "a>python312 usr/lib/python3.12/; b>python usr/lib/python3.13/"},
		"perl, by another kind of directory": {[]string{
			"perl 5.42.0-1 usr/lib/perl5/5.42/,usr/share/perl5/", "mod 1-1 usr/lib/perl5/5.42/,usr/share/perl5/",
		}, "mod>perl usr/lib/perl5/5.42/"},
		"ruby: the last part is that of its interface": {[]string{
			"ruby 3.4.4-1 usr/lib/ruby/gems/3.4.0/", "gem 1-1 usr/lib/ruby/gems/3.4.0/",
		}, "gem>ruby usr/lib/ruby/gems/3.4.0/"},
		"kernels": {[]string{
			"linux 6.15.1.arch1-1 usr/lib/modules/6.15.1-arch1-1/", "nvidia 570-1 usr/lib/modules/6.15.1-arch1-1/", "linux-headers:linux 6.15.1.arch1-1 usr/lib/modules/6.15.1-arch1-1/",
			"linux-lts 6.12.30-1 usr/lib/modules/6.12.30-1-lts/", "wireguard-lts 1-1 usr/lib/modules/6.12.30-1-lts/",
		}, "nvidia>linux usr/lib/modules/6.15.1-arch1-1/; wireguard-lts>linux-lts usr/lib/modules/6.12.30-1-lts/"},
		"ghc: split, with an epoch": {[]string{
			"ghc 1:9.4.8-1 usr/lib/ghc-9.4.8/", "ghc-libs:ghc 1:9.4.8-1 usr/lib/ghc-9.4.8/", "haskell-aeson 2.1-1 usr/lib/ghc-9.4.8/ ghc-libs",
		}, "haskell-aeson>ghc usr/lib/ghc-9.4.8/"},
		"without a version: the program": {[]string{
			"ocaml 5.3.0-1 usr/lib/ocaml/,usr/lib/ocaml/@5.3.0", "ocaml-re 1-1 usr/lib/ocaml/", "ocaml-seq 1-1 usr/lib/ocaml/ ocaml-re",
		}, "ocaml-re>ocaml usr/lib/ocaml/; ocaml-seq>ocaml usr/lib/ocaml/"},
		"without a version, and nobody has the program": {[]string{"ocaml-re 1-1 usr/lib/ocaml/", "ocaml-seq 1-1 usr/lib/ocaml/"}, ""},
		"nobody's: those who are named have another version": {append(many(9, "lib# 2.#-1 usr/lib/girepository-1.0/ glib2"),
			"glib2 2.84-1 usr/lib/girepository-1.0/", "odd 1.0.3-1 usr/lib/girepository-1.0/ glib2"), ""},
		"nobody's: several could be":   {[]string{"a 2.0-1 usr/lib/x/2.0/", "b 2.0-1 usr/lib/x/2.0/"}, ""},
		"nobody's: a name, no version": {[]string{"qt6-base 6.9-1 usr/lib/qt6/", "app 1-1 usr/lib/qt6/ qt6-base"}, ""},
		"modules that name each other more than the interpreter": {[]string{
			"python 3.13.5-1 usr/lib/python3.13/", "b 1-1 usr/lib/python3.13/", "a 1-1 usr/lib/python3.13/ b>=1",
		}, "b>python usr/lib/python3.13/; a>python usr/lib/python3.13/"},
		"an owner alone": {[]string{"python 3.13.5-1 usr/lib/python3.13/"}, ""},
	} {
		var list []alpm.Tenant
		for _, line := range c.tenants {
			list = append(list, tenant(line))
		}
		var got []string
		for _, n := range list {
			owned := alpm.OwnedOf(list)
			for _, dir := range owned.Users[n.Pkgname] {
				got = append(got, n.Pkgname+">"+owned.Owners[dir]+" "+dir)
			}
		}
		var want []string
		if c.want != "" {
			want = strings.Split(c.want, "; ")
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
