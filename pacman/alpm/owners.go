package alpm

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Tenant is a package with files in versioned directories.
type Tenant struct {
	Pkgname, Pkgbase, Version string
	Directories               []string // as Interface.Directories has them
	Depends                   []string // as written; empty when not known
}

// Owned is whose versioned directories are: an interpreter's, a kernel's, those of a
// program with plugins. Directories are written as usr/lib/python3.13/.
type Owned struct {
	Owners map[string]string   // by directory: the pkgname of the interpreter
	Users  map[string][]string // by pkgname: the directories of others in which it has files, sorted
}

// OwnedOf finds whose the versioned directories of packages are.
//
// Each package with modules has the directory just as the interpreter has it. The
// owner is told by two signs together: the directory has its version, and none of the
// directory's packages is named by far more of the others as a dependency. So
// usr/lib/python3.13/ is that of python 3.13.5, while usr/lib/girepository-1.0/ is
// that of nobody, whoever may be at 1.0 just now: glib2, which most name, never moves
// it. Where the directory has no version, the owner is the package with the
// interpreter's program.
func OwnedOf(tenants []Tenant) Owned {
	rooms := map[string][]*Tenant{}
	for i := range tenants {
		for _, name := range tenants[i].Directories {
			dir, _, _ := strings.Cut(name, "@")
			if list := rooms[dir]; len(list) == 0 || list[len(list)-1] != &tenants[i] {
				rooms[dir] = append(list, &tenants[i])
			}
		}
	}
	o := Owned{Owners: map[string]string{}, Users: map[string][]string{}}
	for dir, list := range rooms {
		owner := ownerOf(dir, list)
		if owner == nil {
			continue
		}
		o.Owners[dir] = owner.Pkgname
		for _, t := range list {
			if t.Pkgbase != owner.Pkgbase {
				o.Users[t.Pkgname] = append(o.Users[t.Pkgname], dir)
			}
		}
	}
	for name, list := range o.Users {
		slices.Sort(list)
		o.Users[name] = slices.Compact(list)
	}
	return o
}

// Equal reports whether two say the same.
func (o Owned) Equal(with Owned) bool {
	return maps.Equal(o.Owners, with.Owners) && maps.EqualFunc(o.Users, with.Users, slices.Equal[[]string])
}

// ownerOf returns the tenant whose directory it is; nil when nobody can be told.
func ownerOf(dir string, list []*Tenant) *Tenant {
	if len(list) < 2 {
		return nil
	}
	if !isVersion(path.Base(dir)) {
		return programOf(dir, list)
	}
	named, most := namedBy(list), 0
	for _, n := range named {
		most = max(most, n)
	}
	var owner *Tenant
	several := false // and nothing tells them apart
	for _, t := range list {
		n := named[t.Pkgbase]
		if !hasVersion(dir, t.Version) || most > 2*n+few {
			continue
		}
		switch {
		case owner == nil || n > named[owner.Pkgbase]:
			owner, several = t, false
		case n < named[owner.Pkgbase]:
		case t.Pkgbase != owner.Pkgbase && n == 0:
			several = true
		case t.less(owner):
			owner = t
		}
	}
	if several {
		return nil
	}
	return owner
}

// few packages that name another one tell nothing.
const few = 2

// namedBy counts by how many of the tenants each pkgbase is named.
func namedBy(list []*Tenant) map[string]int {
	named, bases := map[string]int{}, map[string]string{}
	for _, t := range list {
		bases[t.Pkgname] = t.Pkgbase
	}
	for _, t := range list {
		once := map[string]bool{t.Pkgbase: true}
		for _, text := range t.Depends {
			if base, found := bases[dependencyName(text)]; found && !once[base] {
				once[base] = true
				named[base]++
			}
		}
	}
	return named
}

// less puts packages that are called like their pkgbase first, then by name.
func (t *Tenant) less(o *Tenant) bool {
	if own := t.Pkgname == t.Pkgbase; own != (o.Pkgname == o.Pkgbase) {
		return own
	}
	return t.Pkgname < o.Pkgname
}

// programOf returns the tenant that has the interpreter's program.
func programOf(dir string, list []*Tenant) (owner *Tenant) {
	for _, t := range list {
		has := slices.ContainsFunc(t.Directories, func(name string) bool { return strings.HasPrefix(name, dir+"@") })
		if has && (owner == nil || t.less(owner)) {
			owner = t
		}
	}
	return owner
}

func dependencyName(text string) string {
	if at := strings.IndexAny(text, "<>="); at >= 0 {
		return text[:at]
	}
	return text
}

// hasVersion reports whether the version in a directory's name is that of a package:
// its first parts (python3.13 of 3.13.5, gems/3.4.0 of 3.4.4), or all of them with
// more behind (modules/6.12.30-1-lts of 6.12.30-1).
func hasVersion(dir, version string) bool {
	in := versionParts(path.Base(dir))
	for len(in) > 2 && in[len(in)-1] == "0" {
		in = in[:len(in)-1]
	}
	if _, rest, found := strings.Cut(version, ":"); found {
		version = rest
	}
	of := versionParts(version)
	n := min(len(in), len(of))
	return n > 0 && slices.Equal(in[:n], of[:n])
}

// versionParts returns the parts of the version in a name: 9, 4 and 8 of ghc-9.4.8.
func versionParts(name string) []string {
	start := 0
	for i := 1; !digit(name[0:min(1, len(name))]) && i+1 < len(name); i++ {
		if digit(name[i-1:i]) && name[i] == '.' && digit(name[i+1:i+2]) {
			start = i - 1
			break
		}
	}
	for start > 0 && digit(name[start-1:start]) {
		start--
	}
	return strings.FieldsFunc(name[start:], func(r rune) bool { return strings.ContainsRune(".-_+~", r) })
}
