package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
)

// targetView is what the users of a target see, and those of the targets before it: its own
// packages, those of the targets behind it, and the base repositories.
type targetView struct {
	base     *release.Base
	state    string                       // digest of the base repositories
	has      map[string]map[string]string // by architecture and file name: digest, of its own packages
	own      map[string]bool              // pkgnames of its own packages
	provided map[string]bool              // names that packages of targets have or provide, and their sonames
	sonames  map[string]bool
	names    map[string]int // by architecture: packages
	chains   []targetChain  // the first for each architecture is that of its own users

	snapshots map[string]*baserepo.Snapshot // by architecture
	key       string                        // names and generations of all targets in it
}

// targetChain is one view: targets in the order of pacman.conf, with the base repositories
// behind them.
type targetChain struct {
	name, arch string // of the view, and its architecture
	layers     []store.TargetRow
	main       bool            // it is that of the target's own users
	replaced   map[string]bool // names and pkgbases of the base whose place targets have taken
	files      []ownedPath     // of the packages of targets, sorted by path
}

// ownedPath is a path, as a digest, and the name of a package that has it.
type ownedPath struct {
	path    uint64
	pkgname string
}

// targetViews are the views that were asked for last, by target. To index 13,000 packages
// takes longer than all the rest.
type targetViews struct {
	mu  sync.Mutex
	all map[string]*targetView
}

// ReleaseTarget returns the target of that name; an empty one means the first of the settings.
func (c *Catalog) ReleaseTarget(ctx context.Context, name string) (store.TargetRow, error) {
	if name != "" {
		t, err := c.Store.Target(ctx, name)
		return c.withSettings(t), err
	}
	all, err := c.Store.Targets(ctx)
	if err != nil || len(all) == 0 {
		return store.TargetRow{}, err
	}
	return c.withSettings(all[0]), nil
}

// viewWish says which view of a target is wanted.
type viewWish struct {
	target        store.TargetRow
	generation    int
	architectures []string
	alone         bool     // without the users of targets that stand before it
	givers        []string // targets whose users see the same before and after: what changes in the target, these have already
}

// chainsOf returns the orders of targets in which users have the target: that of its own
// users first.
func (c *Catalog) chainsOf(ctx context.Context, w viewWish) ([][]store.TargetRow, error) {
	all, err := c.Store.Targets(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]store.TargetRow{}
	for _, t := range all {
		byName[t.Name] = t
	}
	w.target.Generation = w.generation
	byName[w.target.Name] = w.target
	chain := func(t store.TargetRow) []store.TargetRow {
		list := []store.TargetRow{t}
		for after := t.After; after != ""; after = list[len(list)-1].After {
			list = append(list, byName[after]) // the settings name each after those behind it
		}
		return list
	}
	chains := [][]store.TargetRow{chain(w.target)}
	for _, t := range all {
		list := chain(t)
		at := slices.IndexFunc(list, func(l store.TargetRow) bool { return l.Name == w.target.Name })
		given := at > 0 && slices.ContainsFunc(list[:at], func(l store.TargetRow) bool { return slices.Contains(w.givers, l.Name) })
		if at > 0 && !given && !w.alone {
			chains = append(chains, list)
		}
	}
	return chains, nil
}

// viewOfTarget returns the view of a target with one of its generations, of these
// architectures.
func (c *Catalog) viewOfTarget(ctx context.Context, w viewWish) (*targetView, error) {
	v := &targetView{snapshots: map[string]*baserepo.Snapshot{}}
	for _, arch := range w.architectures {
		base, ok := c.Bases[arch]
		switch {
		case !ok && len(c.Bases) == 0:
			v.snapshots[arch] = nil
			continue
		case !ok:
			return nil, buildbtw.Conflict("this server has no base repositories for %s, so that it cannot know what a release would break; start it with --base-repo", arch)
		}
		v.snapshots[arch] = base.Snapshot()
		if !v.snapshots[arch].Known() {
			return nil, buildbtw.Unavailable("the base repositories of %s have not been read yet; try again in a minute", arch)
		}
	}
	chains, err := c.chainsOf(ctx, w)
	if err != nil {
		return nil, err
	}
	var key strings.Builder
	for _, layers := range chains {
		for _, t := range layers {
			fmt.Fprintf(&key, "%s %d ", t.Name, t.Generation)
		}
		key.WriteByte('\n')
	}
	v.key = key.String()
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	if old := c.views.all[v.key]; old != nil && maps.Equal(old.snapshots, v.snapshots) {
		return old, nil
	}
	if err := c.fillView(ctx, v, chains, w.architectures); err != nil {
		return nil, err
	}
	if c.views.all == nil || len(c.views.all) >= keptViews {
		c.views.all = map[string]*targetView{}
	}
	c.views.all[v.key] = v
	return v, nil
}

// keptViews bounds the memory: one of 13,000 packages takes some 30 MB.
const keptViews = 4

// nameKey tells pkgnames from pkgbases in one set.
const nameKey = "name "

func (c *Catalog) fillView(ctx context.Context, v *targetView, chains [][]store.TargetRow, architectures []string) error {
	v.has, v.provided, v.sonames, v.names = map[string]map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]int{}
	v.own = map[string]bool{}
	var states strings.Builder
	var views []release.View
	for i, layers := range chains {
		for _, arch := range architectures {
			chain := targetChain{name: arch, arch: arch, layers: layers, main: i == 0, replaced: map[string]bool{}}
			if !chain.main {
				chain.name = layers[0].Name + ", " + arch
			}
			view, err := c.fillChain(ctx, v, &chain)
			if err != nil {
				return err
			}
			views, v.chains = append(views, view), append(v.chains, chain)
			if s := v.snapshots[arch]; s != nil && chain.main {
				states.WriteString(arch + " " + s.State() + "\n")
			}
		}
	}
	if len(c.Bases) == 0 {
		for i := range views {
			for r := range views[i].Repositories {
				for j := range views[i].Repositories[r].Packages {
					v.forgetUnknown(&views[i].Repositories[r].Packages[j])
				}
			}
		}
	}
	v.state = textDigest(states.String())
	v.base = release.NewBase(views)
	return nil
}

// fillChain returns the packages of one chain.
func (c *Catalog) fillChain(ctx context.Context, v *targetView, chain *targetChain) (release.View, error) {
	view := release.View{Name: chain.name, Architecture: chain.arch}
	if chain.main {
		v.has[chain.arch] = map[string]string{}
	}
	for depth, t := range chain.layers {
		if t.Kind == buildbtw.TargetPkgctl {
			continue // what it has is in the base
		}
		repository := release.Repository{Name: t.Name}
		if c.Generations != nil && t.Generation != 0 {
			var err error
			if repository, err = c.layer(ctx, v, t, chain, chain.main && depth == 0); err != nil {
				return view, err
			}
		}
		view.Repositories = append(view.Repositories, repository)
	}
	slices.SortFunc(chain.files, func(a, b ownedPath) int { return cmp.Compare(a.path, b.path) })
	if s := v.snapshots[chain.arch]; s != nil {
		known, err := c.lookedInto(ctx, s)
		if err != nil {
			return view, err
		}
		addBase(&view, s, known, chain.replaced)
		if chain.main && chain.layers[0].Kind == buildbtw.TargetPkgctl {
			v.addBaseFiles(chain.arch, s)
		}
	}
	if chain.main {
		for _, r := range view.Repositories {
			v.names[chain.arch] += len(r.Packages)
		}
	}
	return view, nil
}

// layer returns the packages that a target has for an architecture, without those that the
// targets before it have taken the place of.
func (c *Catalog) layer(ctx context.Context, v *targetView, t store.TargetRow, chain *targetChain, own bool) (release.Repository, error) {
	repository := release.Repository{Name: t.Name}
	list, err := c.Generations.Packages(t.Name, t.Generation, chain.arch)
	if err != nil {
		return repository, err
	}
	digests := make([]string, len(list))
	for i, p := range list {
		digests[i] = p.SHA256
		if own {
			v.has[chain.arch][p.Filename] = p.SHA256
			v.own[p.Name] = true
		}
	}
	interfaces, err := c.Store.InterfacesOfFiles(ctx, digests)
	if err != nil {
		return repository, err
	}
	seen := map[string]bool{}
	for _, p := range list {
		if chain.replaced[nameKey+p.Name] || chain.replaced[p.Base] {
			continue
		}
		q := releasedPackage(p, interfaces)
		q.Files = []string{} // those that matter are in Problem.Owned
		v.note(q)
		seen[p.Name] = true
		repository.Packages = append(repository.Packages, q)
	}
	files, err := c.Generations.FileLists(t.Name, t.Generation, chain.arch)
	if err != nil {
		return repository, err
	}
	paths := c.paths.begin()
	for _, l := range files {
		if seen[l.Pkgname] {
			for _, path := range paths.of(l) {
				chain.files = append(chain.files, ownedPath{path, l.Pkgname})
			}
		}
	}
	for _, p := range list {
		chain.replaced[nameKey+p.Name], chain.replaced[p.Base] = true, true
	}
	return repository, nil
}

// releasedPackage returns a package that a target has, with what is known of its programs.
func releasedPackage(p pacmanrepo.Stored, interfaces map[string]alpm.Interface) release.Package {
	q := packageOf(p)
	if i, known := interfaces[p.SHA256]; known && i.Unknown == "" {
		q.Exports = i.Exports
		q.Sonames, q.Links = append([]string{}, i.Sonames...), append([]string{}, linksOf(i)...) // known, even when there are none
	}
	return q
}

// note remembers what a package has.
func (v *targetView) note(p release.Package) {
	v.provided[p.Name] = true
	for _, text := range p.Provides {
		v.provided[provideName(text)] = true
	}
	for _, soname := range p.Sonames {
		v.sonames[soname] = true
	}
}

func provideName(text string) string {
	if p, err := alpm.ParseProvide(text); err == nil {
		return p.Name
	}
	return text
}

func packageOf(p pacmanrepo.Stored) release.Package {
	return release.Package{
		Name: p.Name, Base: p.Base, Version: p.Version, Architecture: p.Arch,
		Depends: p.Depends, Provides: p.Provides, Conflicts: p.Conflicts, Replaces: p.Replaces,
	}
}

func fileOf(p pacmanrepo.Stored) buildbtw.Package {
	return buildbtw.Package{Pkgname: p.Name, Version: p.Version, Architecture: p.Arch, Filename: p.Filename, SHA256: p.SHA256, Size: p.FileSize}
}

// plan notes the names that a build makes.
func (r *Release) plan(b store.BuildRow) {
	r.planned[b.Pkgbase] = true
	for _, name := range b.Pkgnames {
		r.planned[name] = true
	}
}

// addFile notes a package that was built.
func (r *Release) addFile(arch string, p pacmanrepo.Stored) {
	if r.Files[p.Base] == nil {
		r.Files[p.Base] = map[string][]buildbtw.Package{}
	}
	r.Files[p.Base][arch] = append(r.Files[p.Base][arch], fileOf(p))
}

// withoutPresent returns the units of which the target has not all files already. It depends
// on those as on all that it has.
func (r *Release) withoutPresent(units []release.Unit, v *targetView) []release.Unit {
	return slices.DeleteFunc(units, func(u release.Unit) bool {
		if u.NotReady != "" || len(u.Packages) == 0 {
			return false
		}
		for arch, files := range r.Files[u.Pkgbase] {
			for _, f := range files {
				if v.has[arch][f.Filename] != f.SHA256 && f.Pkgname != alpm.DebugName(u.Pkgbase) {
					return false
				}
			}
		}
		r.Present = append(r.Present, u.Pkgbase)
		return true
	})
}

// forgetUnknown takes away the dependencies of units on what was never built here, where there is no
// base to look them up in.
func (r *Release) forgetUnknown(units []release.Unit, v *targetView) {
	known := &targetView{provided: maps.Clone(v.provided), sonames: maps.Clone(v.sonames)}
	maps.Copy(known.provided, r.planned)
	for _, u := range units {
		for _, p := range u.Packages {
			known.note(p)
		}
	}
	for _, u := range units {
		for i := range u.Packages {
			known.forgetUnknown(&u.Packages[i])
		}
	}
}

// forgetUnknown takes away the dependencies of a package on what nothing has or provides.
func (v *targetView) forgetUnknown(p *release.Package) {
	p.Depends = slices.DeleteFunc(slices.Clone(p.Depends), func(text string) bool {
		d, err := alpm.ParseDep(text)
		return err == nil && !v.provided[d.Name]
	})
	p.Links = slices.DeleteFunc(slices.Clone(p.Links), func(soname string) bool { return !v.sonames[soname] })
}

// digest identifies the set that can go.
func (r *Release) digest() string {
	var b strings.Builder
	for _, pkgbase := range r.Goes {
		fmt.Fprintf(&b, "%s %s\n", pkgbase, r.Versions[pkgbase])
		for _, arch := range slices.Sorted(maps.Keys(r.Files[pkgbase])) {
			for _, f := range r.Files[pkgbase][arch] {
				fmt.Fprintf(&b, "\t%s %s %s\n", arch, f.Filename, f.SHA256)
			}
		}
	}
	for _, name := range r.Dropped {
		fmt.Fprintf(&b, "without %s\n", name)
	}
	return textDigest(b.String())
}

func textDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Broken lists what is broken for the users of a target as it is with one of its generations,
// and, unless alone, for those who have other targets before it. givers are left out of those.
func (c *Catalog) Broken(ctx context.Context, t store.TargetRow, generation int, alone bool, givers ...string) ([]release.Broken, error) {
	v, err := c.viewOfTarget(ctx, viewWish{target: t, generation: generation, architectures: c.Architectures, alone: alone, givers: givers})
	if err != nil {
		return nil, err
	}
	return v.base.Broken(), nil
}

// TargetCheck is what is wrong with what the users of a target have.
type TargetCheck struct {
	Broken []release.Broken
	// Conflicts are pairs of packages of which at least one is the target's own, and that cannot
	// be installed together: the first hundred of AllConflicts. They are often meant.
	Conflicts    []release.Apart
	AllConflicts int
	NoBase       bool // see Release
}

// CheckTarget returns what is wrong with what the users of a target have as it is.
func (c *Catalog) CheckTarget(ctx context.Context, t store.TargetRow) (TargetCheck, error) {
	v, err := c.viewOfTarget(ctx, viewWish{target: t, generation: t.Generation, architectures: c.Architectures, alone: true})
	if err != nil {
		return TargetCheck{}, err
	}
	own := t.Name
	if t.Kind == buildbtw.TargetPkgctl {
		own = "" // the base repositories are the target
	}
	check := TargetCheck{Broken: v.base.Broken(), NoBase: len(c.Bases) == 0}
	check.Conflicts, check.AllConflicts = v.base.Conflicts(own)
	return check, nil
}
