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

func TestConflictsOfARepository(t *testing.T) {
	t.Parallel()
	stable := release.Repository{Name: "stable", Packages: []release.Package{
		{Name: "mta", Base: "mta", Version: "2-1", Provides: []string{"smtp"}, Conflicts: []string{"smtp"}},
		{Name: "old", Base: "old", Version: "1-1"},
		{Name: "new", Base: "new", Version: "1-1", Conflicts: []string{"old<2", "other>1"}, Replaces: []string{"old"}},
		{Name: "lost", Base: "lost", Version: "1-1", Depends: []string{"nothing"}, Conflicts: []string{"old"}},
	}}
	core := release.Repository{Name: "core", Packages: []release.Package{
		{Name: "other", Base: "other", Version: "1-1", Provides: []string{"smtp"}},
		{Name: "third", Base: "third", Version: "1-1", Conflicts: []string{"smtp"}},
		{Name: "mta", Base: "mta", Version: "1-1", Conflicts: []string{"old"}}, // is hidden
	}}
	base := release.NewBase([]release.View{{Name: "x86_64", Repositories: []release.Repository{stable, core}}, {Name: "aarch64", Repositories: []release.Repository{stable, core}}})
	for repository, want := range map[string]string{
		"stable": "mta 2-1 and other 1-1; mta 2-1 and third 1-1; old 1-1 and new 1-1 replaces",
		"core":   "other 1-1 and mta 2-1; other 1-1 and third 1-1; third 1-1 and mta 2-1",
		"":       "mta 2-1 and other 1-1; mta 2-1 and third 1-1; old 1-1 and new 1-1 replaces; other 1-1 and third 1-1",
	} {
		var got []string
		pairs, all := base.Conflicts(repository)
		for _, p := range pairs {
			text := p.One + " and " + p.Other
			if p.Replaces {
				text += " replaces"
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != want || all != len(pairs) {
			t.Errorf("of %q: %q (%d), want %q", repository, strings.Join(got, "; "), all, want)
		}
	}
}
