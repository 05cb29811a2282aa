package alpm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

func TestAPackageIsComparedWithTheOneItReplaces(t *testing.T) {
	t.Parallel()
	was := alpm.Interface{
		Pkgname: "foo", Version: "1.0-1", Provides: []string{"libfoo=1.0", "bar=3", "baz"},
		Sonames: []string{"libfoo.so=1-64", "libsame.so=2-64"},
	}
	now := alpm.Interface{
		Pkgname: "foo", Version: "2.0-1", Provides: []string{"libfoo=2.0", "bar=4", "baz"},
		Sonames: []string{"libfoo.so=2-64", "libplugin.so=libplugin.so-64", "libsame.so=2-64"},
	}
	want := alpm.Comparison{
		Sonames: []alpm.Difference{
			{Text: "libfoo.so=1-64", Change: alpm.ChangeRemoved},
			{Text: "libfoo.so=2-64", Change: alpm.ChangeAdded},
			{Text: "libplugin.so=libplugin.so-64", Change: alpm.ChangeAdded},
			{Text: "libsame.so=2-64", Change: alpm.ChangeNone},
		},
		Provides: []alpm.Difference{
			{Text: "bar=3", Change: alpm.ChangeRemoved},
			{Text: "bar=4", Change: alpm.ChangeAdded},
			{Text: "baz", Change: alpm.ChangeNone},
			{Text: "libfoo=2.0", Change: alpm.ChangeNone},
		},
	}
	if diff := cmp.Diff(want, alpm.Compare(was, now)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAnOlderPackageDoesNotTellIsNoChange(t *testing.T) {
	t.Parallel()
	now := alpm.Interface{Pkgname: "foo", Sonames: []string{"libfoo.so=2-64", "libplugin.so=libplugin.so-64"}}
	derived := alpm.Compare(alpm.Interface{Pkgname: "foo", Derived: true}, now)
	if got := derived.Sonames; got[0].Change != alpm.ChangeAdded || got[1].Change != alpm.ChangeUnknown {
		t.Errorf("compared with a list of files: %v", got)
	}
	for _, c := range []alpm.Comparison{alpm.Compare(alpm.Interface{Unknown: "unreadable"}, now), alpm.Offers(now)} {
		for _, d := range c.Sonames {
			if d.Change != alpm.ChangeUnknown {
				t.Errorf("compared with nothing: %v", c.Sonames)
			}
		}
	}
}
