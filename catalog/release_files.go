package catalog

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sort"
	"sync"

	"buildbtw/internal/lru"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
)

// pathDigests keeps the digests of the paths of packages, sorted, by the digests of their files. Of
// most packages nobody else has any path, so the paths themselves are not needed.
type pathDigests struct {
	once  sync.Once
	seed  maphash.Seed
	known *lru.Cache[string, []uint64]
}

const keptPaths = 8 << 20 // of all packages together, 8 bytes each

// begin makes what is empty at first.
func (d *pathDigests) begin() *pathDigests {
	d.once.Do(func() {
		d.seed = maphash.MakeSeed()
		d.known = lru.NewWeighted[string](keptPaths, func(list []uint64) int64 { return int64(len(list)) + 8 })
	})
	return d
}

func (d *pathDigests) of(l pacmanrepo.FileList) []uint64 {
	return d.known.GetOrPut(l.SHA256, func() []uint64 {
		var list []uint64
		for name := range l.Names() {
			if name[len(name)-1] != '/' {
				list = append(list, baserepo.PathDigest(d.seed, name))
			}
		}
		slices.Sort(list)
		return slices.Clip(list)
	})
}

// compareFiles sets the Files of the packages of units to the paths that other packages have,
// too, and returns those of packages of the views among them, by view and pkgname. lists
// returns the files of the units' packages for an architecture.
func (c *Catalog) compareFiles(ctx context.Context, view *targetView, units []release.Unit, lists func(arch string) ([]pacmanrepo.FileList, error)) (map[string]map[string][]string, error) {
	paths := c.paths.begin()
	owned := map[string]map[string][]string{}
	for _, chain := range view.chains {
		ours, err := lists(chain.arch)
		if err != nil {
			return nil, err
		}
		snapshot := view.snapshots[chain.arch]
		var index *baserepo.FileIndex
		if snapshot != nil {
			if index, err = c.Bases[chain.arch].FileIndex(ctx, snapshot, paths.seed); err != nil {
				return nil, err
			}
		}
		v := fileView{paths: paths, packages: map[string]*release.Package{}, released: chain.files}
		v.there = func(e *baserepo.Entry) bool { return !chain.replaced[nameKey+e.Name] && !chain.replaced[e.Base] }
		for u := range units {
			for i := range units[u].Packages {
				if p := &units[u].Packages[i]; p.Architecture == chain.arch || p.Architecture == "any" {
					v.packages[p.Name] = p
				}
			}
		}
		if owned[chain.name], err = v.compare(ours, index); err != nil {
			return nil, err
		}
	}
	return owned, nil
}

// fileView compares the files of packages for one architecture.
type fileView struct {
	paths    *pathDigests
	packages map[string]*release.Package // of units, by pkgname
	owners   []pathOwner                 // sorted by path
	released []ownedPath                 // of packages of targets, sorted by path
	there    func(*baserepo.Entry) bool  // whether users have this package of the base; nil: all
}

// pathOwner is a package that has a path.
type pathOwner struct {
	path uint64
	*release.Package
}

func (v *fileView) compare(lists []pacmanrepo.FileList, index *baserepo.FileIndex) (map[string][]string, error) {
	for _, l := range lists {
		if p := v.packages[l.Pkgname]; p != nil {
			if p.Files == nil {
				p.Files = []string{}
			}
			for _, path := range v.paths.of(l) {
				v.owners = append(v.owners, pathOwner{path, p})
			}
		}
	}
	slices.SortFunc(v.owners, func(a, b pathOwner) int { return cmp.Compare(a.path, b.path) })
	contested, err := v.contested(index)
	if err != nil || len(contested) == 0 {
		return nil, err
	}
	owned := map[string][]string{}
	for _, l := range lists {
		p := v.packages[l.Pkgname]
		if p == nil {
			continue
		}
		for name := range l.Names() {
			inBase, ok := contested[baserepo.PathDigest(v.paths.seed, name)]
			if !ok || name[len(name)-1] == '/' {
				continue
			}
			path := string(name)
			p.Files = append(p.Files, path)
			for _, owner := range inBase {
				owned[owner] = append(owned[owner], path)
			}
		}
		slices.Sort(p.Files) // that of an `any` package has those of each architecture
		p.Files = slices.Compact(p.Files)
	}
	for owner, paths := range owned {
		slices.Sort(paths)
		owned[owner] = slices.Compact(paths)
	}
	return owned, nil
}

// contested returns the paths that packages with two names have, at least one of them of a unit,
// each with those that are not of units.
func (v *fileView) contested(index *baserepo.FileIndex) (map[uint64][]string, error) {
	contested := map[uint64][]string{}
	others := map[uint64][]string{}
	var paths []uint64
	for i, o := range v.owners {
		if i == 0 || v.owners[i-1].path != o.path {
			paths = append(paths, o.path)
		} else {
			contested[o.path] = nil
		}
	}
	for i, at := 0, 0; i < len(v.released) && at < len(paths); {
		switch path := v.released[i].path; {
		case path < paths[at]:
			i++
		case path > paths[at]:
			at++
		default:
			others[path] = append(others[path], v.released[i].pkgname)
			i++
		}
	}
	if index != nil {
		err := index.Owners(paths, func(path uint64, owner *baserepo.Entry) {
			if v.there == nil || v.there(owner) {
				others[path] = append(others[path], owner.Name)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for path, names := range others {
		i := sort.Search(len(v.owners), func(i int) bool { return v.owners[i].path >= path })
		_, twice := contested[path]
		if twice || slices.ContainsFunc(names, func(name string) bool { return name != v.owners[i].Name }) {
			contested[path] = names
		}
	}
	return contested, nil
}
