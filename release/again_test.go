package release_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"buildbtw/release"
)

// TestAgainIsAsFromScratch changes random problems a little, again and again, and wants the base
// that has answered all of them before to answer as a new one does.
func TestAgainIsAsFromScratch(t *testing.T) {
	t.Parallel()
	worlds := min(*moreWorlds, 600)
	if testing.Short() {
		worlds = min(worlds, 200)
	}
	other := 0
	for seed := range worlds {
		r := rand.New(rand.NewPCG(uint64(seed), 17))
		views, units := randomWorld(r.IntN)
		if seed%3 == 0 {
			views, units = chained(r)
		}
		base, last := release.NewBase(views), 0
		for step := range 8 {
			units = changeOne(r, units)
			p := release.Problem{Units: units}
			if len(units) > 0 && r.IntN(4) == 0 {
				p.Waivers = release.Waivers{Hold: []string{units[r.IntN(len(units))].Pkgbase}}
			}
			again, scratch := base.Largest(p), release.NewBase(views).Largest(p)
			if !reflect.DeepEqual(again, scratch) {
				t.Fatalf("world %d, step %d: again\n%+v\nfrom scratch\n%+v\n%s", seed, step, again, scratch, describe(views, units))
			}
			if len(again.Goes) != last {
				other++
			}
			last = len(again.Goes)
		}
	}
	t.Logf("%d of %d answers had another size than the one before", other, worlds*8)
	if other < worlds {
		t.Error("the changes change too little")
	}
}

// changeOne returns units of which one was built, failed, left or came back, or has one package
// that was built anew, with or without another version.
func changeOne(r *rand.Rand, units []release.Unit) []release.Unit {
	units = slices.Clone(units)
	if len(units) == 0 {
		return units
	}
	k := r.IntN(len(units))
	u := &units[k]
	u.Packages = slices.Clone(u.Packages)
	switch r.IntN(5) {
	case 0:
		if u.NotReady == "" {
			u.NotReady = release.Failed
		} else {
			u.NotReady = ""
		}
	case 1:
		if len(units) > 2 {
			return slices.Delete(units, k, k+1)
		}
	case 2:
		u.Changeset = !u.Changeset
	default:
		if len(u.Packages) == 0 {
			break
		}
		_, others := randomWorld(r.IntN)
		if len(others) == 0 || len(others[0].Packages) == 0 {
			break
		}
		p, from := &u.Packages[r.IntN(len(u.Packages))], others[0].Packages[0]
		p.Depends, p.Provides, p.Conflicts, p.Sonames, p.Links, p.Files = from.Depends, from.Provides, from.Conflicts, from.Sonames, from.Links, from.Files
		if r.IntN(3) == 0 {
			p.Version = "3-1"
		}
	}
	return units
}
