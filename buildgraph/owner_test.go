package buildgraph_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
)

// TestOnePkgnameHasOneOwner: of two pkgbases that make it, the plan of each says
// whose package is published, also when the other is not in the set, and also of
// the debug package that makepkg makes by itself.
func TestOnePkgnameHasOneOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		source(t, "lib", "pkgname=lib"),
		source(t, "newhome", "pkgver=5", "pkgname=newhome", "depends=lib", "pkgname=moved", "depends=lib"),
		source(t, "oldhome", "pkgver=4", "pkgname=oldhome", "depends=lib", "pkgname=moved", "depends=lib"),
		source(t, "tool", "pkgname=tool", "depends=lib"),
		source(t, "symbols", "pkgname=tool-debug"),
		source(t, "parts", "arch=any", "pkgname=data"),
		source(t, "a-parts", "arch=x86_64", "pkgname=a-parts", "pkgname=data"),
	)
	w.archs = []string{"aarch64", "x86_64"}
	got := map[string]buildbtw.Owners{}
	for _, changeset := range []string{"lib", "oldhome", "parts"} {
		for arch, a := range w.plan(changeset).Architectures {
			for _, b := range a.Builds {
				if len(b.NotOwned) > 0 {
					got[b.Pkgbase+" for "+arch] = b.NotOwned
				}
			}
		}
	}
	want := map[string]buildbtw.Owners{
		"oldhome for x86_64": {"moved": "newhome"}, "tool for x86_64": {"tool-debug": "symbols"}, "parts for x86_64": {"data": "a-parts"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packages that belong to another pkgbase (-want +got):\n%s", d)
	}
}
