package catalog

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/release/check"
	"buildbtw/store"
)

// checkViews keeps what checks need of the base of each architecture, as long as it is the same.
type checkViews struct {
	mu sync.Mutex
	by map[string]*checkView
}

// checkView is the base of one architecture as checks see it.
type checkView struct {
	snapshot  *baserepo.Snapshot
	index     *baserepo.FileIndex
	known     map[string]alpm.Interface // see lookedInto
	libraries map[string]bool           // sonames of all packages
	all       bool                      // those of all packages are known
	listed    bool                      // so are the files of all repositories
}

// checkView returns the view of an architecture; nil when its base is not known (yet).
func (c *Catalog) checkView(ctx context.Context, arch string) (*checkView, error) {
	base, ok := c.Bases[arch]
	if !ok || !base.Snapshot().Known() {
		return nil, nil
	}
	c.checked.mu.Lock()
	defer c.checked.mu.Unlock()
	s := base.Snapshot()
	if v := c.checked.by[arch]; v != nil && v.snapshot == s {
		return v, nil
	}
	v := &checkView{snapshot: s, libraries: map[string]bool{}, all: true, listed: true}
	var err error
	if v.known, err = c.lookedInto(ctx, s); err != nil {
		return nil, err
	}
	if v.index, err = base.FileIndex(ctx, s, c.paths.begin().seed); err != nil {
		return nil, err
	}
	for e, i := range s.Installed() {
		if read, ok := v.known[e.SHA256]; ok {
			i = read
		}
		v.all, v.listed = v.all && i.Unknown == "", v.listed && s.ListsFiles(e.Repo)
		for _, soname := range librariesOf(e.Provides, i.Sonames) {
			v.libraries[soname] = true
		}
	}
	if c.checked.by == nil {
		c.checked.by = map[string]*checkView{}
	}
	c.checked.by[arch] = v
	return v, nil
}

// librariesOf returns the sonames of a package of the base: those of its libraries, as far as
// anybody has looked into it, and those that its provides name.
func librariesOf(provides, sonames []string) []string {
	all := slices.Clone(sonames)
	for _, text := range provides {
		if _, ok := alpm.ParseSoname(text); ok {
			all = append(all, text)
		}
	}
	return all
}

// before returns the package of a name that the view has.
func (v *checkView) before(pkgname string) (check.Package, bool, error) {
	e, ok := v.snapshot.Package(pkgname)
	if !ok {
		return check.Package{}, false, nil
	}
	p := check.Package{
		Name: e.Name, Version: e.Version, Depends: e.Depends, Provides: e.Provides, Conflicts: e.Conflicts, Size: e.Size,
		Interface: alpm.Interface{Unknown: "nobody has looked into it"},
	}
	if read, ok := v.known[e.SHA256]; ok {
		p.Interface = read
	} else {
		list, _ := v.snapshot.Interfaces(e.Base)
		for _, i := range list {
			if i.Pkgname == e.Name {
				p.Interface = i
			}
		}
	}
	var err error
	p.Files, err = v.index.Files(e.Name)
	return p, true, err
}

// CheckBuilds runs the checks of at most so many builds that have no results: of one iteration, or
// of all when it is 0. It returns how many it has looked at. Builds of an architecture whose
// base is not known are left.
func (c *Catalog) CheckBuilds(ctx context.Context, iteration int64, limit int) (int, error) {
	views := map[string]*checkView{}
	for arch := range c.Bases {
		v, err := c.checkView(ctx, arch)
		if err != nil {
			return 0, err
		}
		if v != nil {
			views[arch] = v
		}
	}
	if len(views) == 0 {
		return 0, nil
	}
	builds, err := c.Store.UncheckedBuilds(ctx, iteration, slices.Sorted(maps.Keys(views)), limit)
	if err != nil {
		return 0, err
	}
	groups := map[pacmanrepo.ID][]store.BuildRow{}
	for _, b := range builds {
		id := pacmanrepo.ID{Repository: buildbtw.RepositoryName(b.Buildspace, b.Iteration), DB: b.Buildspace, Architecture: b.Architecture}
		groups[id] = append(groups[id], b)
	}
	var failures []error
	for id, group := range groups {
		failures = append(failures, c.checkGroup(ctx, id, views[id.Architecture], group))
	}
	return len(builds), errors.Join(failures...)
}

// checkGroup checks builds whose packages are in one repository.
func (c *Catalog) checkGroup(ctx context.Context, id pacmanrepo.ID, view *checkView, builds []store.BuildRow) error {
	g, err := c.newCheckGroup(ctx, id, view, builds)
	if err != nil {
		return err
	}
	for _, b := range builds {
		one, err := g.build(b)
		if err != nil {
			return err
		}
		if err := c.Store.SaveChecks(ctx, b, check.All(one)); err != nil {
			return err
		}
	}
	return nil
}

// checkGroup is a repository of an iteration as the checks of its builds see it.
type checkGroup struct {
	view       *checkView
	packages   map[string][]alpm.PkgInfo // by pkgbase
	lists      map[string]pacmanrepo.FileList
	interfaces map[int64][]alpm.Interface
	libraries  map[string]bool
	all        bool
	owned      map[string][]string // by pkgname: see check.Build
}

func (c *Catalog) newCheckGroup(ctx context.Context, id pacmanrepo.ID, view *checkView, builds []store.BuildRow) (*checkGroup, error) {
	g := &checkGroup{view: view, packages: map[string][]alpm.PkgInfo{}, lists: map[string]pacmanrepo.FileList{}, libraries: maps.Clone(view.libraries), all: view.all}
	infos, err := c.Repos.Packages(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range infos {
		g.packages[p.Base] = append(g.packages[p.Base], p.PkgInfo)
	}
	lists, err := c.Repos.FileLists(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		g.lists[l.Pkgname] = l
	}
	row, err := c.Store.Iteration(ctx, builds[0].Buildspace, builds[0].Iteration)
	if err != nil {
		return nil, err
	}
	last, err := c.lastStages(ctx, row)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, b := range builds {
		ids = append(ids, b.ID)
	}
	for _, by := range last {
		if b, ok := by[id.Architecture]; ok && b.Status == buildbtw.StatusBuilt {
			ids = append(ids, b.ID)
		}
	}
	if g.interfaces, err = c.Store.InterfacesOf(ctx, ids); err != nil {
		return nil, err
	}
	for _, interfaces := range g.interfaces {
		for _, i := range interfaces {
			g.all = g.all && i.Unknown == ""
			for _, soname := range i.Sonames {
				g.libraries[soname] = true
			}
		}
	}
	if view.listed {
		g.owned, err = g.owners(c.paths.begin(), lists, builds)
	}
	return g, err
}

// build returns what the checks of a build look at.
func (g *checkGroup) build(b store.BuildRow) (check.Build, error) {
	one := check.Build{Before: map[string]check.Package{}, Libraries: g.libraries, AllLibraries: g.all, Owned: g.owned}
	for _, info := range g.packages[b.Pkgbase] {
		p := check.Package{
			Name: info.Name, Version: info.Version, Depends: info.Depends, Provides: info.Provides, Conflicts: info.Conflicts, Size: info.Size,
			Files: []string{}, Interface: alpm.Interface{Unknown: "nobody has looked into it"},
		}
		for name := range g.lists[p.Name].Names() {
			p.Files = append(p.Files, string(name))
		}
		for _, i := range g.interfaces[b.ID] {
			if i.Pkgname == p.Name {
				p.Interface = i
			}
		}
		if p.Name == alpm.DebugName(b.Pkgbase) {
			one.Debug = &p
			continue
		}
		before, ok, err := g.view.before(p.Name)
		if err != nil {
			return one, err
		}
		if ok {
			one.Before[p.Name] = before
		}
		one.Packages = append(one.Packages, p)
	}
	return one, nil
}

// owners returns, by pkgname, the files of the packages of builds that packages of the view have
// under another name. Those that belong to the same pkgbase, that cannot be installed beside
// it, or whose own new packages have given the file up, are left out.
func (g *checkGroup) owners(paths *pathDigests, lists []pacmanrepo.FileList, builds []store.BuildRow) (map[string][]string, error) {
	v := fileView{paths: paths, packages: map[string]*release.Package{}}
	infos := map[string]alpm.PkgInfo{}
	for _, b := range builds {
		for _, p := range g.packages[b.Pkgbase] {
			v.packages[p.Name], infos[p.Name] = &release.Package{Name: p.Name, Base: p.Base}, p
		}
	}
	inBase, err := v.compare(lists, g.view.index)
	if err != nil {
		return nil, err
	}
	owned := map[string][]string{}
	for _, owner := range slices.Sorted(maps.Keys(inBase)) {
		e, _ := g.view.snapshot.Package(owner)
		for pkgname, p := range v.packages {
			if owner == pkgname || e.Base == p.Base || apart(infos[pkgname], e) {
				continue
			}
			for _, file := range inBase[owner] {
				if _, has := slices.BinarySearch(p.Files, file); has && !g.givenUp(owner, file) {
					owned[pkgname] = append(owned[pkgname], file+" of "+e.Name+" "+e.Version)
				}
			}
		}
	}
	return owned, nil
}

// givenUp reports whether the iteration has a package of this name that has not the file.
func (g *checkGroup) givenUp(pkgname, file string) bool {
	l, built := g.lists[pkgname]
	if !built {
		return false
	}
	for name := range l.Names() {
		if string(name) == file {
			return false
		}
	}
	return true
}

// apart reports whether two packages say that they are not installed together.
func apart(p alpm.PkgInfo, e baserepo.Entry) bool {
	names := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(text string) bool {
			d, err := alpm.ParseDep(text)
			return err == nil && d.Name == name
		})
	}
	return names(p.Conflicts, e.Name) || names(p.Replaces, e.Name) || names(e.Conflicts, p.Name)
}
