package buildbtw

import (
	"slices"
	"strconv"
	"strings"
)

// IterationName names an iteration of any buildspace, or the base repositories.
type IterationName struct {
	Buildspace string
	Number     int  // 0: the latest
	Base       bool // the base repositories; the other fields are empty
}

// baseName is the IterationName of the base repositories in a text.
const baseName = "base"

// ParseIterationName reads demo#3 or, for addresses, demo/3; demo, which is the latest
// iteration of that buildspace; or base.
func ParseIterationName(s string) (IterationName, error) {
	if s == baseName {
		return IterationName{Base: true}, nil
	}
	name, digits, numbered := strings.Cut(strings.Replace(s, "#", "/", 1), "/")
	n := IterationName{Buildspace: name}
	if numbered {
		number, err := strconv.Atoi(digits)
		if err != nil || number < 1 {
			return n, Invalid("%.80q names no iteration: %.20q is no number from 1 on", s, digits)
		}
		n.Number = number
	}
	if err := CheckBuildspaceName(name); err != nil {
		return n, Invalid("%.80q names no iteration; write demo#3, demo for the latest of a buildspace, or base for the base repositories", s)
	}
	return n, nil
}

// String returns the name as people write it: demo#3, demo, base.
func (n IterationName) String() string { return n.join("#") }

// InAddress returns the name for an address, in which # begins the fragment: demo/3.
func (n IterationName) InAddress() string { return n.join("/") }

func (n IterationName) join(separator string) string {
	switch {
	case n.Base:
		return baseName
	case n.Number == 0:
		return n.Buildspace
	}
	return n.Buildspace + separator + strconv.Itoa(n.Number)
}

// CompareList is the name of one list of a comparison of A and B, two iterations or one and
// the base repositories.
type CompareList string

// The lists of a comparison. The first eight are about builds, the others about packages
// that both sides have.
const (
	CompareNewlyFailing CompareList = "newly-failing" // fails in B and did not in A
	CompareStillFailing CompareList = "still-failing" // fails in both
	CompareFixed        CompareList = "fixed"         // failed in A and does not need to be built any more in B
	CompareNewlyBlocked CompareList = "newly-blocked" // blocked in B by something that failed, and not in A
	CompareAdded        CompareList = "added"         // only in B
	CompareRemoved      CompareList = "removed"       // only in A
	CompareOtherCommit  CompareList = "commits"       // built from another commit
	CompareSlower       CompareList = "slower"        // took longer by half
	CompareVersions     CompareList = "versions"
	CompareSonames      CompareList = "sonames"  // of its libraries
	CompareNeeded       CompareList = "needed"   // sonames that it links with
	CompareProvides     CompareList = "provides" // without those that follow its version
	CompareDepends      CompareList = "depends"  // the same
	CompareSizes        CompareList = "sizes"    // installed: a fifth and 1 MiB more or less
)

// CompareLists returns all lists, in the order in which people read them.
func CompareLists() []CompareList {
	return []CompareList{
		CompareNewlyFailing, CompareStillFailing, CompareFixed, CompareNewlyBlocked, CompareAdded, CompareRemoved, CompareOtherCommit, CompareSlower,
		CompareVersions, CompareSonames, CompareNeeded, CompareProvides, CompareDepends, CompareSizes,
	}
}

// OfPackages reports whether the list has packages, by pkgname, and not builds.
func (l CompareList) OfPackages() bool {
	return slices.Index(CompareLists(), l) >= slices.Index(CompareLists(), CompareVersions)
}

// Title returns the heading of the list.
func (l CompareList) Title() string {
	switch l {
	case CompareOtherCommit:
		return "Other commit"
	case CompareSlower:
		return "Slower by half"
	case CompareNeeded:
		return "Needed sonames"
	case CompareSizes:
		return "Installed sizes"
	}
	words := strings.ReplaceAll(string(l), "-", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// ParseCompareList returns the list of this name. Its error names all lists.
func ParseCompareList(name string) (CompareList, error) {
	if l := CompareList(name); slices.Contains(CompareLists(), l) {
		return l, nil
	}
	names := make([]string, 0, len(CompareLists()))
	for _, l := range CompareLists() {
		names = append(names, string(l))
	}
	return "", NotFound("a comparison has no list %.40q; choose one of %s", name, strings.Join(names, ", "))
}
