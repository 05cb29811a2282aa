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
