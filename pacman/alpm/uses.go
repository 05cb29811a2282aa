package alpm

import (
	"fmt"
	"slices"
	"strings"
)

// Gone is something that packages offered and do not offer any more: a versioned
// directory, a soname, a private version of symbols.
type Gone struct {
	Name string // as those that use it have it in Directories or Links
	Next string // its successor: usr/lib/python3.14/ for usr/lib/python3.13/
}

// String returns a sentence's end: "moved from /usr/lib/python3.13/ to …".
func (g Gone) String() string {
	name, version, versioned := strings.Cut(g.Next, "@")
	switch {
	case isDirectory(g.Name) && versioned:
		return fmt.Sprintf("is version %s now, and /%s has what was built for another", version, g.Name)
	case isDirectory(g.Name):
		return fmt.Sprintf("moved from /%s to /%s", g.Name, name)
	case versioned:
		return fmt.Sprintf("has another %s under the same name", g.Name)
	}
	return fmt.Sprintf("has %s instead of %s", name, g.Name)
}

// IsDirectory reports whether it is a versioned directory.
func (g Gone) IsDirectory() bool { return isDirectory(g.Name) }

func isDirectory(name string) bool { return strings.HasSuffix(name, "/") }

// GoneOf returns the versioned directories and sonames that the packages of a pkgbase had
// and now have in another version only. Those without a successor are left out: a package
// that lost its modules does not break others that have some.
func GoneOf(from, to []Interface) []Gone {
	now := offers(to)
	have := map[string]bool{}
	next := map[string]string{}
	for _, name := range now {
		have[name] = true
		next[NameFamily(name)] = name
	}
	var list []Gone
	for _, name := range offers(from) {
		if instead, found := next[NameFamily(name)]; found && !have[name] {
			use, _, _ := strings.Cut(name, "@")
			list = append(list, Gone{Name: use, Next: instead})
		}
	}
	return list
}

// offers returns the versioned directories and sonames that packages have for others,
// sorted.
func offers(list []Interface) []string {
	var names []string
	for _, i := range dependable(list) {
		names = slices.Concat(names, i.Sonames, i.Directories, i.Symbols)
	}
	return sortUnique(names)
}

// Uses returns the parts of others that packages use without depending on them by name:
// the versioned directories in which they have files and the sonames that they link with.
// whole is false when some of them are not known.
func Uses(list []Interface) (names []string, whole bool) {
	whole = len(list) > 0
	for _, i := range dependable(list) {
		names = slices.Concat(names, i.Directories, i.Links)
		known := i.Unknown == ""
		if i.Derived {
			known = i.Directories != nil
		}
		whole = whole && known
	}
	return sortUnique(names), whole
}
