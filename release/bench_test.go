package release_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw/release"
)

// distribution is a made-up distribution of the size of Arch's: packages with a dozen
// dependencies on earlier ones, a third of them libraries that the others link with, and
// some conflicts, and units that rebuild those above changed libraries. Of failed ones
// nothing was built.
func distribution(packages, rebuilt, failed int) ([]release.View, []release.Unit) {
	r := rand.New(rand.NewPCG(15, 2))
	type made struct {
		release.Package
		libs []int // that it links with
	}
	all := make([]made, packages)
	soname := func(i, version int) string { return fmt.Sprintf("lib%d.so=%d-64", i, version) }
	library := func(i int) bool { return i%3 == 0 }
	for i := range all {
		p := release.Package{Name: fmt.Sprintf("p%05d", i), Version: "1-1", Architecture: "x86_64", Sonames: []string{}, Links: []string{}}
		p.Base = p.Name
		if i%20 == 1 && i > 1 {
			p.Base = all[i-1].Base
		}
		if library(i) {
			p.Provides, p.Sonames = []string{soname(i, 1)}, []string{soname(i, 1)}
		}
		var libs []int
		seen := map[int]bool{}
		for range min(i, 3+r.IntN(8)) {
			on := min(i-1, int(float64(i)*r.Float64()*r.Float64()))
			if seen[on] {
				continue
			}
			seen[on] = true
			if library(on) {
				libs = append(libs, on)
				p.Links = append(p.Links, soname(on, 1))
				if on%2 == 0 {
					p.Depends = append(p.Depends, soname(on, 1))
					continue
				}
			}
			p.Depends = append(p.Depends, fmt.Sprintf("p%05d", on))
		}
		if i%25 == 0 && i > packages/2 { // alternatives that little depends on, as distributions have them
			p.Conflicts = append(p.Conflicts, fmt.Sprintf("p%05d", i-7))
		}
		all[i] = made{p, libs}
	}
	changed, units := map[int]bool{}, map[string]*release.Unit{}
	var order []string
	for i := packages / 50; len(order) < rebuilt && i < packages; i++ {
		uses := false
		for _, l := range all[i].libs {
			uses = uses || changed[l]
		}
		if library(i) && i%7 == 0 || uses || i > packages/2 {
			if units[all[i].Base] == nil {
				units[all[i].Base] = &release.Unit{Pkgbase: all[i].Base, Changeset: i%70 == 0}
				order = append(order, all[i].Base)
			}
			changed[i] = library(i) && i%7 == 0
		}
	}
	for i, p := range all {
		u := units[p.Base]
		if u == nil {
			continue
		}
		q := p.Package
		q.Version = "1-2"
		after := func(list []string) (out []string) {
			out = []string{}
			for _, s := range list {
				for _, l := range append(p.libs, i) {
					if changed[l] {
						s = strings.Replace(s, soname(l, 1), soname(l, 2), 1)
					}
				}
				out = append(out, s)
			}
			return out
		}
		q.Depends, q.Links, q.Sonames, q.Provides = after(q.Depends), after(q.Links), after(q.Sonames), after(q.Provides)
		u.Packages = append(u.Packages, q)
	}
	var list []release.Unit
	for n, pkgbase := range order {
		u := *units[pkgbase]
		if failed > 0 && n%(len(order)/failed) == len(order)/failed-1 {
			u = release.Unit{Pkgbase: pkgbase, NotReady: release.Failed}
		}
		list = append(list, u)
	}
	v := release.View{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{{Name: "extra"}}}
	for _, p := range all {
		v.Repositories[0].Packages = append(v.Repositories[0].Packages, p.Package)
	}
	return []release.View{v}, list
}

// What docs/benchmarks.md reports: 13,182 packages and 3,002 units.
const benchPackages, benchUnits, benchFailed = 13182, 3002, 37

// measure runs a benchmark and reports processor time, garbage collection included: of the clock
// other work on the machine takes a part.
func measure(b *testing.B, f func(n int)) {
	b.Helper()
	used := func() time.Duration {
		var use syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
			b.Fatal(err)
		}
		return time.Duration(use.Utime.Nano() + use.Stime.Nano())
	}
	before, n := used(), 0
	for b.Loop() {
		f(n)
		n++
	}
	b.ReportMetric((used()-before).Seconds()*1e3/float64(n), "cpu-ms")
}

func BenchmarkIndex(b *testing.B) {
	views, _ := distribution(benchPackages, benchUnits, benchFailed)
	measure(b, func(int) { release.NewBase(views) })
}

// BenchmarkAgain computes again after one more build, as a page does that reads all packages anew:
// in turn one of the failed units is built after all, and is not.
func BenchmarkAgain(b *testing.B) {
	views, built := distribution(benchPackages, benchUnits, 0)
	_, units := distribution(benchPackages, benchUnits, benchFailed)
	var failed []int
	for k, u := range units {
		if u.NotReady != "" {
			failed = append(failed, k)
		}
	}
	base := release.NewBase(views)
	base.Largest(release.Problem{Units: units})
	now := slices.Clone(units)
	measure(b, func(n int) {
		k := failed[n/2%len(failed)]
		now[k] = units[k]
		if n%2 == 0 {
			now[k] = built[k]
		}
		read := slices.Clone(now)
		for k := range read {
			read[k].Packages = slices.Clone(read[k].Packages)
		}
		base.Largest(release.Problem{Units: read})
	})
}

// BenchmarkLargestWithFiles has three files of each new package in one of the base, and half of
// the rebuilt libraries export what they exported before.
func BenchmarkLargestWithFiles(b *testing.B) {
	views, units := distribution(benchPackages, benchUnits, benchFailed)
	owned := map[string]map[string][]string{"x86_64": {}}
	same := func(p *release.Package) {
		for i, soname := range p.Sonames {
			if i%2 == 0 {
				p.Exports = map[string]string{soname: "same"}
			}
		}
	}
	for i := range views[0].Repositories[0].Packages {
		p := &views[0].Repositories[0].Packages[i]
		p.Files = []string{}
		same(p)
	}
	for u := range units {
		for i := range units[u].Packages {
			p := &units[u].Packages[i]
			same(p)
			for f := range 3 {
				p.Files = append(p.Files, fmt.Sprintf("usr/share/%s/%d", p.Name, f))
			}
			owned["x86_64"][p.Name] = p.Files // its own, as most are
		}
	}
	base := release.NewBase(views)
	measure(b, func(int) {
		r := base.Largest(release.Problem{Units: units, Owned: owned})
		b.ReportMetric(float64(len(r.Goes)), "units-go")
	})
}

func BenchmarkLargest(b *testing.B) {
	for _, failed := range []int{0, benchFailed} {
		b.Run(fmt.Sprintf("failed=%d", failed), func(b *testing.B) {
			views, units := distribution(benchPackages, benchUnits, failed)
			measure(b, func(int) { // the index with it
				r := release.NewBase(views).Largest(release.Problem{Units: units})
				b.ReportMetric(float64(len(r.Goes)), "units-go")
				b.ReportMetric(float64(len(units)), "units")
			})
		})
	}
}
