package release_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/release"
)

func TestPairsThatConflictNewly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		views []release.View
		units []release.Unit
		want  []release.Apart
	}{
		{"the new one says so", view("a 1-1", "b 1-1"), units("a 2-1 c:b"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 1-1"}}},
		{"they did before", view("a 1-1 c:b", "b 1-1"), units("a 2-1 c:b"), nil},
		{"the other one did before", view("a 1-1", "b 1-1 c:a"), units("a 2-1 c:b"), nil},
		{"an old one says so of the new version", view("a 1-1", "b 1-1 c:a>=2"), units("a 2-1"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 1-1"}}},
		{"an old one says so of what is provided newly", view("a 1-1", "b 1-1 c:mta"), units("a 2-1 p:mta"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 1-1"}}},
		{"both are new", view("a 1-1", "b 1-1"), units("a 2-1 c:b", "b 2-1 c:a"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 2-1"}}},
		{"only with the old version", view("a 1-1", "b 1-1"), units("a 2-1 c:b<2", "b 2-1"), nil},
		{"one was not there before", view("b 1-1"), units("a 2-1 c:b"), nil},
		{"one could not be installed before", view("a 1-1 d:none", "b 1-1"), units("a 2-1 c:b"), nil},
		{"one replaces the other", view("a 1-1", "b 1-1"), units("a 2-1 c:b p:b r:b"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 1-1", Replaces: true}}},
		{"one replaces another version", view("a 1-1", "b 1-1"), units("a 2-1 c:b p:b r:b>1-1"), []release.Apart{{View: "x86_64", One: "a 2-1", Other: "b 1-1"}}},
		{"it leaves", view("a 1-1", "s 1-1", "b 1-1 b:s"), units("a 2-1 c:b", "s 2-1"), nil},
		{"for users of testing", twoTargets(pkgs("b 2-1"), "a 1-1", "b 1-1"), toStable("a 2-1 c:b>=2"), []release.Apart{{View: "testing", One: "a 2-1", Other: "b 2-1"}}},
		{"what is held does not count", view("a 1-1", "b 1-1", "u 1-1 d:a<2"), units("a 2-1 c:b"), nil},
	} {
		r := release.NewBase(c.views).Largest(release.Problem{Units: c.units})
		if d := cmp.Diff(c.want, r.Apart); d != "" || r.AllApart != len(c.want) {
			t.Errorf("%s: %d pairs (-want +got):\n%s", c.name, r.AllApart, d)
		}
	}
}

func TestPairsAreCountedAndNotAllListed(t *testing.T) {
	t.Parallel()
	all := []string{"a 1-1"}
	for i := range 150 {
		all = append(all, fmt.Sprintf("b%d 1-1 p:mta", i))
	}
	r := release.NewBase(view(all...)).Largest(release.Problem{Units: units("a 2-1 c:mta")})
	if len(r.Goes) != 1 || r.AllApart != 150 || len(r.Apart) != 100 {
		t.Errorf("%v go, %d of %d pairs are listed", r.Goes, len(r.Apart), r.AllApart)
	}
}
