package buildgraph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"buildbtw/buildgraph"
)

func needs(p buildgraph.Package) string {
	var list []string
	for _, n := range p.Needs {
		list = append(list, fmt.Sprintf("%s %v %v", n.Dependency, n.Kinds.Names(), n.By))
	}
	return strings.Join(list, " · ")
}

func users(p buildgraph.Package) string {
	var list []string
	for _, u := range p.Users {
		list = append(list, fmt.Sprintf("%s %v %v", u.Pkgbase, u.Kinds.Names(), u.Dependencies))
	}
	return strings.Join(list, " · ")
}

func TestAPackageKnowsWhatItNeedsAndWhoNeedsIt(t *testing.T) {
	t.Parallel()
	ix := buildgraph.NewIndex([]buildgraph.Source{
		source(t, "curl", "pkgdesc=transfers", "makedepends=git", "checkdepends=python", "depends=glibc", "depends=libssl.so=3-64", "optdepends=brotli: smaller", "provides=libcurl.so"),
		source(t, "openssl", "provides=libssl.so=3-64", "provides=libcrypto.so=3-64"),
		source(t, "git", "depends=curl", "makedepends=curl>=7"),
		source(t, "mpv", "depends=libcurl.so=4-64"),
		source(t, "python"),
	}, buildgraph.Options{})
	p, ok := ix.Package("x86_64", "curl")
	if !ok || p.Pkgname != "curl" || p.Source != "curl" || p.Commit != "commit-curl" || p.Desc != "transfers" ||
		!slices.Equal(p.Optional, []string{"brotli: smaller"}) || !slices.Equal(p.Provides, []string{"libcurl.so"}) {
		t.Fatalf("%+v, %t", p, ok)
	}
	if got, want := needs(p), "glibc [depends] [] · libssl.so=3-64 [depends] [openssl] · git [makedepends] [git] · python [checkdepends] [python]"; got != want {
		t.Errorf("needs %s, want %s", got, want)
	}
	if got, want := users(p), "git [depends makedepends] [curl curl>=7] · mpv [depends] [libcurl.so=4-64]"; got != want {
		t.Errorf("users %s, want %s", got, want)
	}
	for _, missing := range [][2]string{{"x86_64", "glibc"}, {"x86_64", "libcurl.so"}, {"riscv64", "curl"}} {
		if p, ok := ix.Package(missing[0], missing[1]); ok {
			t.Errorf("%v: %+v", missing, p)
		}
	}
}

func TestPackagesOfOnePkgbaseHaveTheirOwnUsers(t *testing.T) {
	t.Parallel()
	ix := buildgraph.NewIndex([]buildgraph.Source{
		source(t, "gcc", "makedepends=doxygen", "pkgname=gcc-compiler", "depends=gcc-libs", "depends=binutils", "provides=cc", "pkgname=gcc-libs", "depends=glibc", "provides=libgomp.so=1-64"),
		source(t, "app", "depends=gcc-libs"),
		source(t, "linked", "depends=libgomp.so=1-64"),
		source(t, "built", "makedepends=cc"),
	}, buildgraph.Options{})
	for name, want := range map[string][2]string{
		"gcc-libs":     {"glibc [depends] [] · doxygen [makedepends] []", "app [depends] [gcc-libs] · linked [depends] [libgomp.so=1-64]"},
		"gcc-compiler": {"binutils [depends] [] · gcc-libs [depends] [gcc] · doxygen [makedepends] []", "built [makedepends] [cc]"},
		"gcc": {
			"binutils [depends] [] · gcc-libs [depends] [gcc] · glibc [depends] [] · doxygen [makedepends] []",
			"app [depends] [gcc-libs] · built [makedepends] [cc] · linked [depends] [libgomp.so=1-64]",
		},
	} {
		p, ok := ix.Package("x86_64", name)
		if !ok || p.Pkgbase != "gcc" || !slices.Equal(p.Pkgnames, []string{"gcc-compiler", "gcc-libs"}) || (p.Pkgname == "") != (name == "gcc") {
			t.Errorf("%s: %+v, %t", name, p, ok)
		}
		if got := needs(p); got != want[0] {
			t.Errorf("%s needs %s, want %s", name, got, want[0])
		}
		if got := users(p); got != want[1] {
			t.Errorf("users of %s: %s, want %s", name, got, want[1])
		}
	}
}
