package alpm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Noticed reports whether a dependent with these dependencies can notice that
// the packages of a pkgbase were replaced, and the first reason. A soname that
// was added, removed or moved to another package is noticed by everyone,
// because the links of a dependent are not known; any other change only by a
// dependent that asks for it. Undecidable changes count as noticed.
func Noticed(deps []Dep, from, to []Interface) (reason string, changed bool) {
	from, to = dependable(from), dependable(to)
	if len(from) == 0 || len(to) == 0 {
		return "there are no packages to compare with", true
	}
	if words := slices.Concat(unknowns(from, to), sonameChanges(from, to), symbolChanges(from, to)); len(words) > 0 {
		return words[0], true
	}
	asks := false
	for _, d := range deps {
		before, after := answersTo(d, from), answersTo(d, to)
		asks = asks || before.named || after.named
		if !maps.Equal(before.by, after.by) {
			return describe(d, before, after), true
		}
	}
	if !asks {
		return "how it depends on these packages is not known", true
	}
	return "", false
}

// Asks reports whether one of the dependencies names one of the packages, or one of its
// provides, in any version.
func Asks(deps []Dep, list []Interface) bool {
	return slices.ContainsFunc(deps, func(d Dep) bool { return answersTo(d, dependable(list)).named })
}

func dependable(list []Interface) []Interface {
	return slices.DeleteFunc(slices.Clone(list), func(i Interface) bool { return i.Debug })
}

func unknowns(from, to []Interface) []string {
	var words []string
	for _, i := range slices.Concat(from, to) {
		if i.Unknown != "" {
			words = append(words, fmt.Sprintf("the interface of %s %s is not known: %s", i.Pkgname, i.Version, i.Unknown))
		}
	}
	return words
}

// sonameChanges lists removed and moved sonames, then added ones.
func sonameChanges(from, to []Interface) []string {
	var gone, come []string
	before, after := sonameOwners(from), sonameOwners(to)
	for _, s := range slices.Sorted(maps.Keys(before)) {
		switch now, found := after[s]; {
		case !found:
			gone = append(gone, s+" is gone")
		case now != before[s]:
			gone = append(gone, s+" moved from "+before[s]+" to "+now)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(after)) {
		_, found := before[s]
		if found || isDerived(from) && !isVersioned(s) {
			continue
		}
		come = append(come, s+" is new")
	}
	return append(gone, come...)
}

// symbolChanges lists versions of symbols that are gone. Of private ones, and of
// libraries whose soname has no version, that is noticed by who uses them (GoneOf),
// unless a list of files is all that is known: then the version of the package
// has to tell.
func symbolChanges(from, to []Interface) []string {
	have, older := map[string]bool{}, map[string]string{}
	for _, i := range to {
		for _, s := range i.Symbols {
			have[s] = true
		}
	}
	var words []string
	for _, i := range from {
		older[i.Pkgname] = i.Version
		for _, s := range i.Symbols {
			if !have[s] && !strings.Contains(s, "@") {
				words = append(words, s+" is gone")
			}
		}
	}
	if !isDerived(from) {
		return words
	}
	for _, i := range to {
		before, found := older[i.Pkgname]
		for _, s := range i.Symbols {
			if name, _, ok := strings.Cut(s, "@"); ok && isPrivate(name) && found && upstream(before) != upstream(i.Version) {
				words = append(words, fmt.Sprintf("%s may have changed from %s to %s", name, upstream(before), upstream(i.Version)))
			}
		}
	}
	return words
}

// sonameOwners returns the pkgnames, as text, that have each soname.
func sonameOwners(list []Interface) map[string]string {
	names := map[string][]string{}
	for _, i := range list {
		for _, s := range i.Sonames {
			names[s] = append(names[s], i.Pkgname)
		}
	}
	owners := make(map[string]string, len(names))
	for s, list := range names {
		owners[s] = strings.Join(sortUnique(list), ", ")
	}
	return owners
}

func isDerived(list []Interface) bool {
	return slices.ContainsFunc(list, func(i Interface) bool { return i.Derived })
}

// missing lists the provides of a, as written, that b has no equal to.
func missing(a, b Interface) []string {
	have := b.normalProvides()
	var list []string
	for _, p := range sortUnique(slices.Clone(a.Provides)) {
		if _, found := slices.BinarySearch(have, a.normalProvide(p)); !found {
			list = append(list, p)
		}
	}
	return list
}

// answers are the names and provides of a set of packages that satisfy one
// dependency.
type answers struct {
	named bool            // something has the name, with any version
	by    map[string]bool // the satisfying ones, without versions that follow the package's own
	words []string        // the same as people read it
}

func answersTo(d Dep, list []Interface) answers {
	a := answers{by: map[string]bool{}}
	for _, i := range list {
		if d.Name == i.Pkgname {
			a.add(d.SatisfiedBy(i.Version), i.Pkgname, i.Pkgname+" "+i.Version)
		}
		for _, p := range i.Provides {
			if named, will := offered(d, p); named {
				a.add(will, i.Pkgname+" provides "+i.normalProvide(p), i.Pkgname+" provides "+p)
			}
		}
	}
	return a
}

func (a *answers) add(will bool, key, words string) {
	a.named = true
	if will {
		a.by[key] = true
		a.words = append(a.words, words)
	}
}

// offered compares a dependency with a provide. Sonames may have any form.
func offered(d Dep, provide string) (named, will bool) {
	if wanted, soname := ParseSoname(d.Name + d.Op + d.Version); soname {
		if had, soname := ParseSoname(provide); soname && had.Library == wanted.Library {
			return true, wanted.Matches(had)
		}
	}
	p, err := ParseProvide(provide)
	if err != nil || p.Name != d.Name {
		return false, false
	}
	return true, d.SatisfiedByProvide(p)
}

func describe(d Dep, before, after answers) string {
	switch was, now := strings.Join(before.words, ", "), strings.Join(after.words, ", "); {
	case now == "":
		return fmt.Sprintf("%s was met by %s and is not any more", d, was)
	case was == "":
		return fmt.Sprintf("%s was not met and is now: %s", d, now)
	default:
		return fmt.Sprintf("%s was met by %s, now by %s", d, was, now)
	}
}
