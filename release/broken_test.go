package release_test

import (
	"strings"
	"testing"

	"buildbtw/release"
)

func TestBrokenNamesWhatIsUnmetAndWhatFollows(t *testing.T) {
	t.Parallel()
	repo := release.Repository{Name: "core", Packages: []release.Package{
		{Name: "lib", Base: "lib", Version: "2-1", Provides: []string{"lib.so=2-64"}},
		{Name: "app", Base: "app", Version: "1-1", Depends: []string{"lib.so=1-64", "lib"}},
		{Name: "shell", Base: "shell", Version: "1-1", Depends: []string{"app"}},
		{Name: "good", Base: "good", Version: "1-1", Depends: []string{"lib>=2"}},
	}}
	base := release.NewBase([]release.View{{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{repo}}})
	var got []string
	for _, b := range base.Broken() {
		got = append(got, b.Package+" "+b.Reason())
	}
	want := "app 1-1 needs lib.so=1-64, which nothing in x86_64 has; shell 1-1 cannot be installed, because of what it depends on or conflicts with"
	if strings.Join(got, "; ") != want {
		t.Errorf("got %q", got)
	}
}
