package buildgraph_test

import (
	"testing"

	"buildbtw/buildgraph"

	"github.com/google/go-cmp/cmp"
)

// What makepkg would refuse is not planned, and said of changesets and of what would
// follow them.
func TestArchitecturesThatMakepkgRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "lib", "arch=x86_64", "arch=aarch64"),
		source(t, "foo", "arch=x86_64", "pkgname=foo", "pkgname=foo-docs", "arch=any", "depends=lib"),
		source(t, "bar", "arch=x86_64", "arch=aarch64", "pkgname=bar", "depends=lib>=1", "pkgname=bar-bin", "arch=x86_64"),
		source(t, "other", "arch=x86_64", "pkgname=other", "pkgname=other-docs", "arch=any"),
		source(t, "theirs", "depends=lib"),
	)
	w.archs = []string{"x86_64", "aarch64"}
	const (
		foo = "foo is not built for aarch64 though some of its packages are for it: makepkg refuses, as foo has arch=(x86_64)"
		bar = "bar is not built for aarch64 though some of its packages are for it: makepkg refuses, as bar-bin has arch=(x86_64)"
	)
	p := w.plan("lib")
	if diff := cmp.Diff([]string{"lib"}, keys(p.Architectures["aarch64"])); diff != "" {
		t.Errorf("aarch64 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bar", "foo", "lib", "theirs"}, keys(p.Architectures["x86_64"])); diff != "" {
		t.Errorf("x86_64 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{bar, foo}, messages(p, buildgraph.WarnArchitecture)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if p := w.plan("foo"); p.Architectures["aarch64"] != nil {
		t.Errorf("foo is planned for aarch64: %v", keys(p.Architectures["aarch64"]))
	} else if diff := cmp.Diff([]string{foo}, messages(p, buildgraph.WarnArchitecture)); diff != "" {
		t.Errorf("warnings of foo (-want +got):\n%s", diff)
	}

	w.options.IgnoreArch = true // as ports do that build everything
	p = w.plan("lib")
	if diff := cmp.Diff([]string{"bar", "foo", "lib", "theirs"}, keys(p.Architectures["aarch64"])); diff != "" {
		t.Errorf("aarch64 with --ignore-arch (-want +got):\n%s", diff)
	}
	if got := messages(p, buildgraph.WarnArchitecture); len(got) > 0 {
		t.Errorf("warnings %q", got)
	}
}
