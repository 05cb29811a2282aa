package catalog

import (
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

// targetView is what the users of a target see: its own packages, those of the targets behind
// it, and the base repositories.
type targetView struct {
	base     *release.Base
	state    string                       // digest of the base repositories
	has      map[string]map[string]string // by architecture and file name: digest, of its own packages
	own      map[string]bool              // pkgnames of its own packages
	provided map[string]bool              // names that packages of targets have or provide, and their sonames
	sonames  map[string]bool
	names    map[string]int             // by architecture: packages
	replaced map[string]map[string]bool // by architecture: names and pkgbases of the base whose place targets have taken

	generation int
	snapshots  map[string]*baserepo.Snapshot // by architecture
	behind     string                        // names and generations of the targets behind it
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

// viewOfTarget returns the view of a target with one of its generations, of these
// architectures.
func (c *Catalog) viewOfTarget(ctx context.Context, t store.TargetRow, generation int, architectures []string) (*targetView, error) {
	v := &targetView{generation: generation, snapshots: map[string]*baserepo.Snapshot{}}
	for _, arch := range architectures {
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
	layers := []store.TargetRow{t}
	layers[0].Generation = generation
	if t.Kind == buildbtw.TargetPkgctl {
		layers = nil
	}
	for after := t.After; after != ""; {
		next, err := c.Store.Target(ctx, after)
		if err != nil {
			return nil, err
		}
		layers, after = append(layers, next), next.After
		v.behind += fmt.Sprintf("%s %d ", next.Name, next.Generation)
	}
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	key := fmt.Sprintf("%s %d", t.Name, generation)
	if old := c.views.all[key]; old != nil && old.behind == v.behind && maps.Equal(old.snapshots, v.snapshots) {
		return old, nil
	}
	if err := c.fillView(ctx, v, layers, architectures); err != nil {
		return nil, err
	}
	if c.views.all == nil || len(c.views.all) >= keptViews {
		c.views.all = map[string]*targetView{}
	}
	c.views.all[key] = v
	return v, nil
}

// keptViews bounds the memory: one of 13,000 packages takes some 30 MB.
const keptViews = 4

// nameKey tells pkgnames from pkgbases in one set.
const nameKey = "name "

func (c *Catalog) fillView(ctx context.Context, v *targetView, layers []store.TargetRow, architectures []string) error {
	v.has, v.provided, v.sonames, v.names = map[string]map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]int{}
	v.replaced, v.own = map[string]map[string]bool{}, map[string]bool{}
	views := make([]release.View, len(architectures))
	var states strings.Builder
	for i, arch := range architectures {
		views[i] = release.View{Name: arch, Architecture: arch}
		v.has[arch] = map[string]string{}
		replaced := map[string]bool{}
		v.replaced[arch] = replaced
		for depth, t := range layers {
			if c.Generations == nil || t.Generation == 0 {
				views[i].Repositories = append(views[i].Repositories, release.Repository{Name: t.Name})
				continue
			}
			repository, err := c.layer(ctx, v, t, arch, replaced, depth == 0)
			if err != nil {
				return err
			}
			views[i].Repositories = append(views[i].Repositories, repository)
		}
		if s := v.snapshots[arch]; s != nil {
			known, err := c.lookedInto(ctx, s)
			if err != nil {
				return err
			}
			addBase(&views[i], s, known, replaced)
			if len(layers) == 0 {
				v.addBaseFiles(arch, s)
			}
			states.WriteString(arch + " " + s.State() + "\n")
		}
		for _, r := range views[i].Repositories {
			v.names[arch] += len(r.Packages)
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

// layer returns the packages that a target has for an architecture, without those that the
// targets before it have taken the place of.
func (c *Catalog) layer(ctx context.Context, v *targetView, t store.TargetRow, arch string, replaced map[string]bool, own bool) (release.Repository, error) {
	repository := release.Repository{Name: t.Name}
	list, err := c.Generations.Packages(t.Name, t.Generation, arch)
	if err != nil {
		return repository, err
	}
	digests := make([]string, len(list))
	for i, p := range list {
		digests[i] = p.SHA256
		if own {
			v.has[arch][p.Filename] = p.SHA256
			v.own[p.Name] = true
		}
	}
	interfaces, err := c.Store.InterfacesOfFiles(ctx, digests)
	if err != nil {
		return repository, err
	}
	for _, p := range list {
		if replaced[nameKey+p.Name] || replaced[p.Base] {
			continue
		}
		q := packageOf(p)
		if i, known := interfaces[p.SHA256]; known && i.Unknown == "" {
			q.Exports = i.Exports
			q.Sonames, q.Links = append([]string{}, i.Sonames...), append([]string{}, linksOf(i)...) // known, even when there are none
		}
		v.note(q)
		repository.Packages = append(repository.Packages, q)
	}
	for _, p := range list {
		replaced[nameKey+p.Name], replaced[p.Base] = true, true
	}
	return repository, nil
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

// Broken lists what is broken for the users of a target as it is with one of its generations.
func (c *Catalog) Broken(ctx context.Context, t store.TargetRow, generation int) ([]release.Broken, error) {
	v, err := c.viewOfTarget(ctx, t, generation, c.Architectures)
	if err != nil {
		return nil, err
	}
	return v.base.Broken(), nil
}
