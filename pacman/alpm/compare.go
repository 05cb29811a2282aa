package alpm

import (
	"slices"
	"strings"
)

// Comparison is the sonames and provides of a package, compared with those of
// the package that it replaces.
type Comparison struct {
	Sonames  []Difference // sorted
	Provides []Difference // as written, sorted; those that went are as they were written
}

// Difference is one thing that a package offers or offered.
type Difference struct {
	Text   string
	Change Change
}

// Change is how a soname or provide differs from before.
type Change string

// The changes. ChangeUnknown: the older package does not tell.
const (
	ChangeUnknown Change = ""
	ChangeNone    Change = "same"
	ChangeAdded   Change = "added"
	ChangeRemoved Change = "removed"
)

// Offers returns the sonames and provides of a package that has none before it
// to compare with.
func Offers(i Interface) Comparison {
	return Comparison{
		Sonames:  differences(sortUnique(slices.Clone(i.Sonames)), ChangeUnknown),
		Provides: differences(sortUnique(slices.Clone(i.Provides)), ChangeUnknown),
	}
}

// Compare sets a package beside the one that it replaces. Provides that follow
// the package's own version are the same when only that changed. Of libraries
// without a version an interface concluded from a list of files does not tell
// whether it had them.
func Compare(was, now Interface) Comparison {
	if was.Unknown != "" || now.Unknown != "" {
		return Offers(now)
	}
	return Comparison{Sonames: compareSonames(was, now), Provides: compareProvides(was, now)}
}

func compareSonames(was, now Interface) []Difference {
	before, after := sortUnique(slices.Clone(was.Sonames)), sortUnique(slices.Clone(now.Sonames))
	var list []Difference
	for _, s := range after {
		_, had := slices.BinarySearch(before, s)
		switch {
		case had:
			list = append(list, Difference{s, ChangeNone})
		case was.Derived && !isVersioned(s):
			list = append(list, Difference{s, ChangeUnknown})
		default:
			list = append(list, Difference{s, ChangeAdded})
		}
	}
	for _, s := range before {
		if _, has := slices.BinarySearch(after, s); !has {
			list = append(list, Difference{s, ChangeRemoved})
		}
	}
	slices.SortStableFunc(list, byText)
	return list
}

// differences returns texts as differences of one kind.
func differences(texts []string, change Change) []Difference {
	list := make([]Difference, 0, len(texts))
	for _, text := range texts {
		list = append(list, Difference{text, change})
	}
	return list
}

// compareProvides compares as Canonical does: provides with the package's own
// version are equal in both.
func compareProvides(was, now Interface) []Difference {
	added := missing(now, was)
	var list []Difference
	for _, p := range sortUnique(slices.Clone(now.Provides)) {
		change := ChangeNone
		if slices.Contains(added, p) {
			change = ChangeAdded
		}
		list = append(list, Difference{p, change})
	}
	list = append(list, differences(missing(was, now), ChangeRemoved)...)
	slices.SortStableFunc(list, byText)
	return list
}

func byText(a, b Difference) int { return strings.Compare(a.Text, b.Text) }

// CompareLinks compares the sonames that a package links with. It is empty when those of
// one package are not known. An interface concluded from lists does not tell the versions
// of symbols, nor which libraries are the package's own.
func CompareLinks(was, now Interface) []Difference {
	if was.Links == nil || now.Links == nil {
		return nil
	}
	links := func(i Interface) []string {
		if !was.Derived && !now.Derived {
			return i.Links
		}
		return slices.DeleteFunc(slices.Clone(i.Links), func(link string) bool {
			return strings.Contains(link, ":") || slices.Contains(was.Sonames, link) || slices.Contains(now.Sonames, link)
		})
	}
	return compareTexts(links(was), links(now), func(s string) string { return s }, func(s string) string { return s })
}

// CompareDepends compares the dependencies of two versions of a package. Those that follow
// its own version, as between packages of one pkgbase, are the same when only that changed.
func CompareDepends(wasVersion string, was []string, nowVersion string, now []string) []Difference {
	normal := func(version string) func(string) string { return Interface{Version: version}.normalProvide }
	return compareTexts(was, now, normal(wasVersion), normal(nowVersion))
}

// compareTexts returns the added and removed texts; two are the same when their normal
// forms are equal.
func compareTexts(was, now []string, normalWas, normalNow func(string) string) []Difference {
	before, after := map[string]bool{}, map[string]bool{}
	for _, s := range was {
		before[normalWas(s)] = true
	}
	for _, s := range now {
		after[normalNow(s)] = true
	}
	var list []Difference
	for _, s := range sortUnique(slices.Clone(now)) {
		if !before[normalNow(s)] {
			list = append(list, Difference{s, ChangeAdded})
		}
	}
	for _, s := range sortUnique(slices.Clone(was)) {
		if !after[normalWas(s)] {
			list = append(list, Difference{s, ChangeRemoved})
		}
	}
	slices.SortStableFunc(list, byText)
	return list
}
