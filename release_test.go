package buildbtw_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"buildbtw"
)

// releaseGrid is the table of transitions, written a second time.
const releaseGrid = `
              checked signing handing-over waiting released failed withdrawn
(new)         yes     -       yes          -       -        -      -
checked       -       -       yes          -       -        -      yes
signing       -       -       yes          -       -        -      yes
handing-over  yes     yes     -            yes     yes      yes    -
waiting       yes     -       -            -       yes      yes    yes
released      -       -       -            -       -        -      yes
failed        -       -       -            -       -        -      -
withdrawn     -       -       -            -       -        -      -`

func TestReleaseStatesFollowTheTable(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(releaseGrid), "\n")
	to := strings.Fields(lines[0])
	if len(to) != len(buildbtw.ReleaseStates()) || len(lines) != len(to)+2 {
		t.Fatal("the grid lacks a state")
	}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		from := buildbtw.ReleaseState(cells[0])
		if cells[0] == "(new)" {
			from = buildbtw.ReleaseNew
		}
		for i, cell := range cells[1:] {
			next := buildbtw.ReleaseState(to[i])
			if got := from.MayBecome(next); got != (cell == "yes") {
				t.Errorf("%s to %s: %v", cells[0], next, got)
			}
			if got := slices.Contains(next.From(), from); from != buildbtw.ReleaseNew && got != (cell == "yes") {
				t.Errorf("%s is among those before %s: %v", from, next, got)
			}
		}
		if ends := !strings.Contains(line, "yes") || from == buildbtw.ReleaseReleased; from != buildbtw.ReleaseNew && from.Over() != ends {
			t.Errorf("%s is over: %v", from, from.Over())
		}
	}
}

func TestTargetsAreReadFromSettings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]buildbtw.Target{
		"stable":                                   {Name: "stable", Kind: buildbtw.TargetServed},
		"stable=served":                            {Name: "stable", Kind: buildbtw.TargetServed},
		"testing,after=stable":                     {Name: "testing", Kind: buildbtw.TargetServed, After: "stable"},
		"mirror=directory:/srv/repo/,after=a.b":    {Name: "mirror", Kind: buildbtw.TargetDirectory, Path: "/srv/repo", After: "a.b"},
		"stable,sign=required,keys=/etc/k.asc":     {Name: "stable", Kind: buildbtw.TargetServed, Keys: "/etc/k.asc"},
		"a,keys=/k,after=b,sign=required":          {Name: "a", Kind: buildbtw.TargetServed, After: "b", Keys: "/k"},
		"a,databases=signed,sign=required,keys=/k": {Name: "a", Kind: buildbtw.TargetServed, Keys: "/k", SignedDatabases: true},

		"out=pkgctl:repos.example.org,sign=required,keys=/k": {Name: "out", Kind: buildbtw.TargetPkgctl, Keys: "/k", Pkgctl: buildbtw.Pkgctl{Host: "repos.example.org"}},
		"out=pkgctl:ann@repos,sign=required,keys=/k,suffix=staging,new=extra,packagers=Example.org+bob@example.net": {
			Name: "out", Kind: buildbtw.TargetPkgctl, Keys: "/k",
			Pkgctl: buildbtw.Pkgctl{Host: "ann@repos", Suffix: "-staging", New: "extra", Packagers: []string{"example.org", "bob@example.net"}},
		},
	} {
		want.Configured = true
		if got, err := buildbtw.ParseTarget(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v), want %+v", text, got, err, want)
		}
	}
	for text, words := range map[string]string{
		"": "missing", "a b": "no target name", ".hidden": "no target name", "options": "pacman keeps", "x=ftp": "choose served",
		"x=directory": "absolute path", "x=directory:here": "absolute path", "x=served:/srv": "no path", "x,before=y": "after=OTHER",
		"x,sign=required": "go together", "x,keys=/k": "go together", "x,sign=required,keys=k": "absolute path", "x,sign=perhaps": "cannot read",
		"x,databases=signed": "needs sign=required and keys=FILE", "x,databases=maybe": "databases=signed", "x=pkgctl:repos,sign=required,keys=/k,databases=signed": "leave databases=signed out",
		"x=pkgctl": "with the host", "x=pkgctl:-oProxyCommand=id,sign=required,keys=/k": "with the host", "x=pkgctl:a b,sign=required,keys=/k": "with the host",
		"x=pkgctl:repos": "signed packages only", "x=pkgctl:repos,after=y,sign=required,keys=/k": "leave ,after= away", "x,suffix=testing": "cannot read",
		"x=pkgctl:repos,suffix=best,sign=required,keys=/k": "cannot read", "x=pkgctl:repos,new=extra-testing,sign=required,keys=/k": "cannot read", "x=pkgctl:repos,packagers=,sign=required,keys=/k": "cannot read",
	} {
		if _, err := buildbtw.ParseTarget(text); buildbtw.KindOf(err) != buildbtw.KindInvalid || err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want one about %q", text, err, words)
		}
	}
	a, b := buildbtw.Target{Name: "a"}, buildbtw.Target{Name: "b", After: "a"}
	if err := buildbtw.CheckTargets([]buildbtw.Target{a, b}); err != nil {
		t.Error(err)
	}
	out := buildbtw.Target{Name: "a", Kind: buildbtw.TargetPkgctl}
	signedA, signedB := buildbtw.Target{Name: "a", Keys: "/k", SignedDatabases: true}, buildbtw.Target{Name: "b", After: "a", Keys: "/k", SignedDatabases: true}
	if err := errors.Join(buildbtw.CheckTargets([]buildbtw.Target{signedA, signedB}), buildbtw.CheckTargets([]buildbtw.Target{signedA, b})); err != nil {
		t.Error(err)
	}
	otherKeys := signedB
	otherKeys.Keys = "/other"
	for _, wrong := range [][]buildbtw.Target{{a, a}, {b, a}, {out, b}, {a, signedB}, {signedA, otherKeys}} {
		if buildbtw.CheckTargets(wrong) == nil {
			t.Errorf("%v were taken", wrong)
		}
	}
}

func TestWhoMayRelease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user buildbtw.User
		may  bool
	}{
		{buildbtw.User{Name: "ann", Role: buildbtw.RolePackager}, true},
		{buildbtw.User{Name: "bob", Role: buildbtw.RolePackager, OwnOnly: true}, false},
		{buildbtw.User{Name: "ann", Role: buildbtw.RolePackager, OwnOnly: true}, true},
		{buildbtw.User{Name: "root", Role: buildbtw.RoleAdmin, OwnOnly: true}, true},
		{buildbtw.User{Name: "eve", Role: buildbtw.RoleReader}, false},
		{buildbtw.User{Name: "w1", Role: buildbtw.RoleWorker}, false},
		{buildbtw.Anonymous(true), false},
	} {
		if err := c.user.MayRelease("ann"); (err == nil) != c.may {
			t.Errorf("%+v: %v", c.user, err)
		}
	}
}
