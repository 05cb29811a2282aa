package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// checkViews keeps what checks need of each view, as long as it is the same.
type checkViews struct {
	mu sync.Mutex
	by map[checkKey]*checkView
}

// checkKey names a view: the target whose users are meant, and their architecture. Where there are
// no targets, users have the base repositories alone, and the name is empty.
type checkKey struct{ name, arch string }

// checkView is what users of a target have, for one architecture, as checks see it.
type checkView struct {
	checkKey
	snapshot  *baserepo.Snapshot // nil: there are no base repositories
	layers    []store.TargetRow  // of kinds that have generations, in the order of pacman.conf
	state     string             // names and generations of the layers
	index     *baserepo.FileIndex
	targets   map[string]targetPackage  // by pkgname: what the layers have
	replaced  map[string]bool           // names and pkgbases of the base whose place they have taken; see nameKey
	known     map[string]alpm.Interface // by digest: of packages of the base, see lookedInto
	libraries map[string]bool           // sonames of all packages
	all       bool                      // those of all packages are known
	listed    bool                      // so are the files of all repositories
	scanned   bool                      // guarded by checkViews.mu: builds that were compared with other packages are marked
}

// targetPackage is a package of a target, with what is known of its programs.
type targetPackage struct {
	pacmanrepo.Stored
	target string
	read   alpm.Interface
}

// checkViews returns the views of the users of all targets. One whose base is not known (yet) is not
// among them, nor is one that has no packages at all.
func (c *Catalog) checkViews(ctx context.Context) ([]*checkView, error) {
	all, err := c.Store.Targets(ctx)
	if err != nil {
		return nil, err
	}
	chains := [][]store.TargetRow{nil}
	if len(all) > 0 {
		chains = nil
	}
	for _, t := range all {
		own, err := c.chainsOf(ctx, viewWish{target: t, generation: t.Generation, alone: true})
		if err != nil {
			return nil, err
		}
		chains = append(chains, own...)
	}
	architectures := slices.Sorted(maps.Keys(c.Bases))
	if len(architectures) == 0 {
		architectures = c.Architectures
	}
	var views []*checkView
	for _, layers := range chains {
		for _, arch := range architectures {
			v, err := c.checkView(ctx, layers, arch)
			if err != nil {
				return nil, err
			}
			if v != nil {
				views = append(views, v)
			}
		}
	}
	return views, nil
}

// checkView returns the view of the users of the first of these targets; nil when its base is not
// known (yet), or when there are no packages to compare with.
func (c *Catalog) checkView(ctx context.Context, layers []store.TargetRow, arch string) (*checkView, error) {
	v := &checkView{checkKey: checkKey{arch: arch}, targets: map[string]targetPackage{}, replaced: map[string]bool{}, libraries: map[string]bool{}, all: true, listed: true}
	if len(layers) > 0 {
		v.name = layers[0].Name
	}
	if base, ok := c.Bases[arch]; ok {
		v.snapshot = base.Snapshot()
	}
	if len(c.Bases) > 0 && (v.snapshot == nil || !v.snapshot.Known()) {
		return nil, nil
	}
	for _, t := range layers {
		if t.Kind != buildbtw.TargetPkgctl && t.Generation != 0 && c.Generations != nil { // what pkgctl has is in the base
			v.layers = append(v.layers, t)
			v.state += fmt.Sprintf("%s %d\n", t.Name, t.Generation)
		}
	}
	c.checked.mu.Lock()
	defer c.checked.mu.Unlock()
	if old := c.checked.by[v.checkKey]; old != nil && old.snapshot == v.snapshot && old.state == v.state {
		return old, nil
	}
	if err := c.fillCheckView(ctx, v); err != nil {
		return nil, err
	}
	if v.snapshot == nil && len(v.targets) == 0 {
		return nil, nil
	}
	if c.checked.by == nil {
		c.checked.by = map[checkKey]*checkView{}
	}
	c.checked.by[v.checkKey] = v
	return v, nil
}

// fillCheckView reads what the targets and the base repositories have.
func (c *Catalog) fillCheckView(ctx context.Context, v *checkView) error {
	for _, t := range v.layers {
		list, err := c.Generations.Packages(t.Name, t.Generation, v.arch)
		if err != nil {
			return err
		}
		digests := make([]string, len(list))
		for i, p := range list {
			digests[i] = p.SHA256
		}
		interfaces, err := c.Store.InterfacesOfFiles(ctx, digests)
		if err != nil {
			return err
		}
		for _, p := range list {
			if v.replaced[nameKey+p.Name] || v.replaced[p.Base] {
				continue
			}
			q := targetPackage{Stored: p, target: t.Name, read: alpm.Interface{Unknown: "nobody has looked into it"}}
			if i, ok := interfaces[p.SHA256]; ok {
				q.read = i
			}
			v.targets[p.Name] = q
			v.have(p.Provides, q.read)
		}
		for _, p := range list {
			v.replaced[nameKey+p.Name], v.replaced[p.Base] = true, true
		}
	}
	if v.snapshot == nil {
		v.all, v.listed = false, false
		return nil
	}
	var err error
	if v.known, err = c.lookedInto(ctx, v.snapshot); err != nil {
		return err
	}
	if v.index, err = c.Bases[v.arch].FileIndex(ctx, v.snapshot, c.paths.begin().seed); err != nil {
		return err
	}
	for e, i := range v.snapshot.Installed() {
		if !v.there(&e) {
			continue
		}
		if read, ok := v.known[e.SHA256]; ok {
			i = read
		}
		v.listed = v.listed && v.snapshot.ListsFiles(e.Repo)
		v.have(e.Provides, i)
	}
	return nil
}

// there reports whether users have this package of the base: no target has taken its place.
func (v *checkView) there(e *baserepo.Entry) bool {
	return !v.replaced[nameKey+e.Name] && !v.replaced[e.Base]
}

// have notes the libraries of a package.
func (v *checkView) have(provides []string, i alpm.Interface) {
	v.all = v.all && i.Unknown == ""
	for _, soname := range librariesOf(provides, i.Sonames) {
		v.libraries[soname] = true
	}
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

// inBase returns the package of a name that users have from the base.
func (v *checkView) inBase(pkgname string) (baserepo.Entry, bool) {
	if v.snapshot == nil {
		return baserepo.Entry{}, false
	}
	e, ok := v.snapshot.Package(pkgname)
	return e, ok && v.there(&e)
}

// predecessor returns the package of a name that users have; an empty one when there is none.
func (v *checkView) predecessor(pkgname string) check.Predecessor {
	if p, ok := v.targets[pkgname]; ok {
		return check.Predecessor{Version: p.Version, Digest: p.SHA256, Target: p.target}
	}
	if e, ok := v.inBase(pkgname); ok {
		return check.Predecessor{Version: e.Version, Digest: e.SHA256}
	}
	return check.Predecessor{}
}

// current reports whether users have the packages that a build was compared with.
func (v *checkView) current(before check.Predecessors) bool {
	for pkgname, p := range before {
		if !p.Same(v.predecessor(pkgname)) {
			return false
		}
	}
	return before != nil
}

// before returns the package of a name that users have. files are those of packages of targets.
func (v *checkView) before(pkgname string, files map[string]pacmanrepo.FileList) (check.Package, bool, error) {
	if t, ok := v.targets[pkgname]; ok {
		p := packageToCheck(t.PkgInfo)
		p.Interface, p.Files = t.read, namesOf(files[pkgname])
		return p, true, nil
	}
	e, ok := v.inBase(pkgname)
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

// packageToCheck returns a package as its .PKGINFO describes it.
func packageToCheck(info alpm.PkgInfo) check.Package {
	return check.Package{
		Name: info.Name, Version: info.Version, Depends: info.Depends, Provides: info.Provides, Conflicts: info.Conflicts, Size: info.Size,
		Interface: alpm.Interface{Unknown: "nobody has looked into it"},
	}
}

// namesOf returns the names of a package's files; never nil.
func namesOf(l pacmanrepo.FileList) []string {
	names := []string{}
	for name := range l.Names() {
		names = append(names, string(name))
	}
	return names
}

// CheckBuilds compares builds with what the users of each target have: at most so many that were not
// compared with what these have now, of one iteration, or of all when it is 0. It returns how
// many it has looked at, those of each view on its own. A view whose base is not known is left.
func (c *Catalog) CheckBuilds(ctx context.Context, iteration int64, limit int) (int, error) {
	views, err := c.checkViews(ctx)
	if err != nil {
		return 0, err
	}
	looked := 0
	var failures []error
	for _, v := range views {
		if err := c.markStale(ctx, v); err != nil {
			return looked, err
		}
		builds, err := c.Store.UncheckedBuilds(ctx, v.name, iteration, v.arch, limit-looked)
		if err != nil {
			return looked, err
		}
		looked += len(builds)
		groups := map[pacmanrepo.ID][]store.BuildRow{}
		for _, b := range builds {
			id := pacmanrepo.ID{Repository: buildbtw.RepositoryName(b.Buildspace, b.Iteration), DB: b.Buildspace, Architecture: b.Architecture}
			groups[id] = append(groups[id], b)
		}
		for id, group := range groups {
			g, err := c.iterationGroup(ctx, id, v, group)
			if err == nil {
				err = c.checkGroup(ctx, g, group)
			}
			failures = append(failures, err)
		}
		if looked == limit {
			break
		}
	}
	return looked, errors.Join(failures...)
}

// markStale marks the builds that were compared with other packages than users have now, once
// for each state of a view.
func (c *Catalog) markStale(ctx context.Context, v *checkView) error {
	c.checked.mu.Lock()
	scanned := v.scanned
	v.scanned = true
	c.checked.mu.Unlock()
	if scanned {
		return nil
	}
	err := func() error {
		list, err := c.Store.CheckedInView(ctx, v.name, v.arch)
		if err != nil {
			return err
		}
		var stale []int64
		for _, l := range list {
			if !v.current(l.Before) {
				stale = append(stale, l.BuildID)
			}
		}
		if len(stale) == 0 {
			return nil
		}
		return c.Store.ChecksAreStale(ctx, v.name, stale)
	}()
	if err != nil {
		c.checked.again(v)
	}
	return err
}

// again has builds looked for whose results are of another state of a view than the present one.
func (s *checkViews) again(v *checkView) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.by[v.checkKey]; now != nil {
		now.scanned = false
	}
}

// replaced reports whether a view has another state by now than this one.
func (s *checkViews) replaced(v *checkView) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[v.checkKey] != v
}

// checkGroup checks builds, and stores the results.
func (c *Catalog) checkGroup(ctx context.Context, g *checkGroup, builds []store.BuildRow) error {
	for _, b := range builds {
		one, before, err := g.build(b)
		if err != nil {
			return err
		}
		if err := c.Store.SaveChecks(ctx, b, store.Comparison{BuildID: b.ID, View: g.view.name, Before: before, Findings: check.All(one)}); err != nil {
			return err
		}
	}
	if c.checked.replaced(g.view) {
		c.checked.again(g.view)
	}
	return nil
}

// checkGroup is packages that were built, as the checks of their builds see them.
type checkGroup struct {
	view       *checkView
	packages   map[string][]pacmanrepo.Stored // by pkgbase
	lists      map[string]pacmanrepo.FileList
	before     map[string]pacmanrepo.FileList // of packages of targets that the builds would replace
	interfaces map[int64][]alpm.Interface
	namcap     map[int64][]string // by build; see check.Build
	libraries  map[string]bool
	all        bool
	owned      map[string][]string // by pkgname: see check.Build
}

// iterationGroup returns the packages of an iteration with the builds that are to be checked.
func (c *Catalog) iterationGroup(ctx context.Context, id pacmanrepo.ID, view *checkView, builds []store.BuildRow) (*checkGroup, error) {
	infos, err := c.Repos.Packages(ctx, id)
	if err != nil {
		return nil, err
	}
	lists, err := c.Repos.FileLists(ctx, id)
	if err != nil {
		return nil, err
	}
	row, err := c.Store.Iteration(ctx, builds[0].Buildspace, builds[0].Iteration)
	if err != nil {
		return nil, err
	}
	last, err := c.lastStages(ctx, row)
	if err != nil {
		return nil, err
	}
	var others []int64
	for _, by := range last {
		if b, ok := by[id.Architecture]; ok && b.Status == buildbtw.StatusBuilt {
			others = append(others, b.ID)
		}
	}
	return c.newCheckGroup(ctx, view, infos, lists, builds, others)
}

// targetGroup returns the packages of a target, which came from builds that are to be checked.
func (c *Catalog) targetGroup(ctx context.Context, from store.TargetRow, view *checkView, builds []store.BuildRow) (*checkGroup, error) {
	infos, err := c.Generations.Packages(from.Name, from.Generation, view.arch)
	if err != nil {
		return nil, err
	}
	lists, err := c.Generations.FileLists(from.Name, from.Generation, view.arch)
	if err != nil {
		return nil, err
	}
	return c.newCheckGroup(ctx, view, infos, lists, builds, nil)
}

// newCheckGroup returns packages with the builds that are to be checked, and others whose
// libraries they may use.
func (c *Catalog) newCheckGroup(ctx context.Context, view *checkView, infos []pacmanrepo.Stored, lists []pacmanrepo.FileList, builds []store.BuildRow, others []int64) (*checkGroup, error) {
	g := &checkGroup{
		view: view, packages: map[string][]pacmanrepo.Stored{}, lists: map[string]pacmanrepo.FileList{}, before: map[string]pacmanrepo.FileList{},
		libraries: maps.Clone(view.libraries), all: view.all,
	}
	for _, p := range infos {
		g.packages[p.Base] = append(g.packages[p.Base], p)
	}
	for _, l := range lists {
		g.lists[l.Pkgname] = l
	}
	ids, wanted := slices.Clone(others), map[string]bool{}
	for _, b := range builds {
		ids = append(ids, b.ID)
		for _, p := range g.packages[b.Pkgbase] {
			wanted[p.Name] = true
		}
	}
	var err error
	if g.namcap, err = c.Store.NamcapReports(ctx, ids); err != nil {
		return nil, err
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
	released, err := c.releasedFiles(view, wanted, g.before)
	if err != nil {
		return nil, err
	}
	if view.listed {
		g.owned, err = g.owners(c.paths.begin(), lists, released, builds)
	}
	return g, err
}

// releasedFiles returns the files of the packages that users have from targets, sorted by path, and
// adds the lists of those of the wanted names to before.
func (c *Catalog) releasedFiles(view *checkView, wanted map[string]bool, before map[string]pacmanrepo.FileList) ([]ownedPath, error) {
	var released []ownedPath
	paths := c.paths.begin()
	for _, t := range view.layers {
		lists, err := c.Generations.FileLists(t.Name, t.Generation, view.arch)
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			if view.targets[l.Pkgname].target != t.Name {
				continue // users have another package of that name
			}
			if wanted[l.Pkgname] {
				before[l.Pkgname] = l
			}
			for _, path := range paths.of(l) {
				released = append(released, ownedPath{path, l.Pkgname})
			}
		}
	}
	slices.SortFunc(released, func(a, b ownedPath) int { return cmp.Compare(a.path, b.path) })
	return released, nil
}

// build returns what the checks of a build look at, and what it is compared with.
func (g *checkGroup) build(b store.BuildRow) (check.Build, check.Predecessors, error) {
	one := check.Build{Before: map[string]check.Package{}, Libraries: g.libraries, AllLibraries: g.all, Owned: g.owned, Namcap: g.namcap[b.ID]}
	predecessors := check.Predecessors{}
	for _, info := range g.packages[b.Pkgbase] {
		p := packageToCheck(info.PkgInfo)
		p.Files = namesOf(g.lists[p.Name])
		for _, i := range g.interfaces[b.ID] {
			if i.Pkgname == p.Name {
				p.Interface = i
			}
		}
		if p.Name == alpm.DebugName(b.Pkgbase) {
			one.Debug = &p
			continue
		}
		predecessor := g.view.predecessor(p.Name)
		predecessor.Now = info.SHA256
		predecessors[p.Name] = predecessor
		before, ok, err := g.view.before(p.Name, g.before)
		if err != nil {
			return one, nil, err
		}
		if ok {
			one.Before[p.Name] = before
		}
		one.Packages = append(one.Packages, p)
	}
	return one, predecessors, nil
}

// owners returns, by pkgname, the files of the packages of builds that packages of the view have
// under another name. Those that belong to the same pkgbase, that cannot be installed beside
// it, or whose own new packages have given the file up, are left out.
func (g *checkGroup) owners(paths *pathDigests, lists []pacmanrepo.FileList, released []ownedPath, builds []store.BuildRow) (map[string][]string, error) {
	v := fileView{paths: paths, packages: map[string]*release.Package{}, released: released, there: g.view.there}
	infos := map[string]alpm.PkgInfo{}
	for _, b := range builds {
		for _, p := range g.packages[b.Pkgbase] {
			v.packages[p.Name], infos[p.Name] = &release.Package{Name: p.Name, Base: p.Base}, p.PkgInfo
		}
	}
	there, err := v.compare(lists, g.view.index)
	if err != nil {
		return nil, err
	}
	owned := map[string][]string{}
	for _, owner := range slices.Sorted(maps.Keys(there)) {
		e := g.view.entry(owner)
		for pkgname, p := range v.packages {
			if owner == pkgname || e.Base == p.Base || apart(infos[pkgname], e) {
				continue
			}
			for _, file := range there[owner] {
				if _, has := slices.BinarySearch(p.Files, file); has && !g.givenUp(owner, file) {
					owned[pkgname] = append(owned[pkgname], file+" of "+e.Name+" "+e.Version)
				}
			}
		}
	}
	return owned, nil
}

// entry returns the package of a name that users have, from a target or from the base.
func (v *checkView) entry(pkgname string) baserepo.Entry {
	if p, ok := v.targets[pkgname]; ok {
		return baserepo.Entry{Name: p.Name, Base: p.Base, Version: p.Version, Conflicts: p.Conflicts, Replaces: p.Replaces}
	}
	e, _ := v.inBase(pkgname)
	return e
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
