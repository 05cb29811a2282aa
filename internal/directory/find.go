package directory

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// Hit is what a search found of one pkgbase, or of a source that cannot be read: the name
// that fits best, and the others.
type Hit struct {
	Entry
	Also []Entry // further names of the same pkgbase that fit, best first
}

// maxAlso bounds Hit.Also: some sources make a hundred packages.
const maxAlso = 100

// Find returns at most limit pkgbases with names that contain the query, ignoring case: the
// exact name first, then those on which most sources depend, then those that begin with the
// query, each by name. more reports whether there are further ones.
func (d *Directory) Find(query string, limit int) (found []Hit, more bool) {
	query = strings.ToLower(strings.TrimSpace(query))
	if query == "" || strings.Contains(query, "\n") {
		return nil, false
	}
	var hits []hit
	for at := 0; ; {
		i := strings.Index(d.text[at:], query)
		if i < 0 {
			break
		}
		entry := d.entryAt(at + i)
		at = d.after(entry)
		hits = append(hits, hit{
			entry: entry, dependents: d.Dependents(d.entries[entry]),
			exact: d.folded[entry] == query, begins: strings.HasPrefix(d.folded[entry], query),
		})
	}
	slices.SortFunc(hits, func(x, y hit) int {
		return cmp.Or(after(x.exact, y.exact), cmp.Compare(y.dependents, x.dependents), after(x.begins, y.begins), cmp.Compare(x.entry, y.entry))
	})
	entries := make([]Entry, len(hits))
	for i, h := range hits {
		entries[i] = d.entries[h.entry]
	}
	found = Group(entries)
	for i := range found {
		found[i].nameWell(query)
	}
	return found[:min(len(found), limit)], len(found) > limit
}

// nameWell lets the hit have the name of the package instead of one that it provides,
// unless the query is that name.
func (h *Hit) nameWell(query string) {
	if h.Kind != KindProvides || strings.EqualFold(h.Name, query) {
		return
	}
	if i := slices.IndexFunc(h.Also, func(e Entry) bool { return e.Kind != KindProvides }); i >= 0 {
		h.Entry, h.Also[i] = h.Also[i], h.Entry
	}
}

// Group makes one hit of the names of each pkgbase, in the order of the first of them. Of
// two sources that make the same package the first counts.
func Group(entries []Entry) []Hit {
	var hits []Hit
	places := map[string]int{}
	for _, e := range entries {
		key := e.Pkgbase
		if key == "" {
			key = "source " + e.Source
		}
		i, known := places[key]
		if !known {
			places[key] = len(hits)
			hits = append(hits, Hit{Entry: e})
			continue
		}
		same := func(o Entry) bool { return o.Name == e.Name && o.Pkgname == e.Pkgname }
		if h := &hits[i]; !same(h.Entry) && !slices.ContainsFunc(h.Also, same) && len(h.Also) < maxAlso {
			h.Also = append(h.Also, e)
		}
	}
	return hits
}

// hit is an entry whose name contains a query.
type hit struct {
	entry, dependents int
	exact, begins     bool
}

// after compares two booleans for sorting: true comes first.
func after(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// entryAt returns the entry whose name a place of the text lies in.
func (d *Directory) entryAt(place int) int {
	i, exact := slices.BinarySearch(d.starts, place)
	if exact {
		return i
	}
	return i - 1
}

// after returns where the next entry's name begins in the text.
func (d *Directory) after(entry int) int {
	if entry+1 < len(d.starts) {
		return d.starts[entry+1]
	}
	return len(d.text)
}

// Named returns the entries with exactly this name.
func (d *Directory) Named(name string) []Entry {
	folded := strings.ToLower(name)
	i, _ := slices.BinarySearch(d.folded, folded)
	var list []Entry
	for ; i < len(d.folded) && d.folded[i] == folded; i++ {
		if d.entries[i].Name == name {
			list = append(list, d.entries[i])
		}
	}
	return list
}

// Commits lists the sources whose commit at the base ref begins with a prefix,
// at most limit of them. The commit is the entry's name.
func (d *Directory) Commits(prefix string, limit int) []Entry {
	prefix = strings.ToLower(prefix)
	i, _ := slices.BinarySearchFunc(d.commits, prefix, func(e Entry, p string) int { return strings.Compare(e.Name, p) })
	var list []Entry
	for ; i < len(d.commits) && strings.HasPrefix(d.commits[i].Name, prefix) && len(list) < limit; i++ {
		list = append(list, d.commits[i])
	}
	return list
}

// Users lists the packages that depend on a library in a form that can mean
// this one, by name.
func (d *Directory) Users(soname alpm.Soname) []User {
	var list []User
	for _, u := range d.users[soname.Library] {
		if u.soname.Matches(soname) {
			list = append(list, u.User)
		}
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Pkgbase+"\n"+a.Dependency, b.Pkgbase+"\n"+b.Dependency) })
	return list
}
