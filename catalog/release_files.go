package catalog

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sort"
	"sync"

	"buildbtw"
	"buildbtw/internal/lru"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
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
// too, and returns those of packages of the base among them, by architecture and pkgname.
func (c *Catalog) compareFiles(ctx context.Context, it store.IterationRow, view *targetView, units []release.Unit) (map[string]map[string][]string, error) {
	paths := c.paths.begin()
	owned := map[string]map[string][]string{}
	for arch, snapshot := range view.snapshots {
		lists, err := c.Repos.FileLists(ctx, pacmanrepo.ID{Repository: buildbtw.RepositoryName(it.Buildspace, it.Number), DB: it.Buildspace, Architecture: arch})
		if err != nil {
			return nil, err
		}
		var index *baserepo.FileIndex
		if snapshot != nil {
			if index, err = c.Bases[arch].FileIndex(ctx, snapshot, paths.seed); err != nil {
				return nil, err
			}
		}
		v := fileView{paths: paths, packages: map[string]*release.Package{}}
		for u := range units {
			for i := range units[u].Packages {
				if p := &units[u].Packages[i]; p.Architecture == arch || p.Architecture == "any" {
					v.packages[p.Name] = p
				}
			}
		}
		if owned[arch], err = v.compare(lists, index); err != nil {
			return nil, err
		}
		maps.DeleteFunc(owned[arch], func(name string, _ []string) bool {
			e, ok := snapshot.Package(name)
			return !ok || view.replaced[arch][nameKey+name] || view.replaced[arch][e.Base]
		})
	}
	return owned, nil
}

// fileView compares the files of packages for one architecture.
type fileView struct {
	paths    *pathDigests
	packages map[string]*release.Package // of units, by pkgname
	owners   []pathOwner                 // sorted by path
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
// each with those of the base.
func (v *fileView) contested(index *baserepo.FileIndex) (map[uint64][]string, error) {
	contested := map[uint64][]string{}
	var paths []uint64
	for i, o := range v.owners {
		if i == 0 || v.owners[i-1].path != o.path {
			paths = append(paths, o.path)
		} else {
			contested[o.path] = nil
		}
	}
	var path uint64
	var group []string // the owners of path in the base
	keep := func() {
		i := sort.Search(len(v.owners), func(i int) bool { return v.owners[i].path >= path })
		_, twice := contested[path]
		if twice || slices.ContainsFunc(group, func(name string) bool { return name != v.owners[i].Name }) {
			contested[path] = group
		}
	}
	if index == nil {
		return contested, nil
	}
	err := index.Owners(paths, func(at uint64, owner *baserepo.Entry) {
		if at != path && group != nil {
			keep()
			group = nil
		}
		path, group = at, append(group, owner.Name)
	})
	if group != nil {
		keep()
	}
	return contested, err
}
