package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"buildbtw"
)

// Adoption says which packages of other repositories are to be in this one too.
type Adoption struct {
	Repository, DB string
	Builds         []Adopted
}

// Adopted are the packages of one build, in the repository where they are.
type Adopted struct {
	From          ID
	Files         []buildbtw.Package // Filename, Pkgname, Version, Architecture and SHA256 are used
	Architectures []string           // where they go: "any" to each of them, others to their own
}

// Adopt puts packages of other repositories into this one: the files are linked,
// not copied, and however many there are, each architecture's databases are
// written once. It may be repeated after an error or a crash.
//
// A build counts as missing, and no package of it is adopted, when one of its
// files is not in its repository any more under its digest. Then nothing at all
// has been done: missing holds places in a.Builds.
func (r *Repos) Adopt(ctx context.Context, a Adoption) (missing []int, err error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	items, missing, err := r.adoptedItems(ctx, a.Builds)
	if err != nil || len(missing) > 0 {
		return missing, err
	}
	unlock, err := r.locks.lock(ctx, a.Repository)
	if err != nil {
		return nil, fmt.Errorf("adopt packages into %s: %w", a.Repository, err)
	}
	defer unlock()
	for _, arch := range a.architectures() {
		id := ID{Repository: a.Repository, DB: a.DB, Architecture: arch}
		if err := r.publish(ctx, id, itemsFor(arch, a.Builds, items)); err != nil {
			r.cache.Delete(id) // what is on disk may be ahead of it
			return nil, fmt.Errorf("adopt packages into %s for %s: %w", a.Repository, arch, err)
		}
	}
	return nil, nil
}

func (a Adoption) check() error {
	for _, b := range a.Builds {
		if err := b.From.check(); err != nil {
			return err
		}
		for _, arch := range b.Architectures {
			if err := (ID{a.Repository, a.DB, arch}).check(); err != nil {
				return err
			}
		}
		for _, f := range b.Files {
			if err := checkName("file", f.Filename); err != nil {
				return err
			}
			if err := checkDigest(f.SHA256); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a Adoption) architectures() []string {
	var list []string
	for _, b := range a.Builds {
		list = append(list, b.Architectures...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// adoptedItems finds the packages of each build. A repository's lock is held
// while it is looked into and never together with another one's; entries do not
// change, and a file that goes away meanwhile is an error when it is linked.
func (r *Repos) adoptedItems(ctx context.Context, builds []Adopted) (items [][]item, missing []int, err error) {
	places := map[ID][]int{}
	for i, b := range builds {
		places[b.From] = append(places[b.From], i)
	}
	items = make([][]item, len(builds))
	for from, of := range places {
		if err := r.lookInto(ctx, from, builds, of, items); err != nil {
			return nil, nil, fmt.Errorf("look into repository %s for %s: %w", from.Repository, from.Architecture, err)
		}
	}
	for i := range items {
		if items[i] == nil {
			missing = append(missing, i)
		}
	}
	return items, missing, nil
}

// lookInto fills items at the places of the builds that are there.
func (r *Repos) lookInto(ctx context.Context, from ID, builds []Adopted, places []int, items [][]item) error {
	unlock, err := r.locks.lock(ctx, from.Repository)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := r.loadExisting(from)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, i := range places {
		if items[i], err = r.listed(d, builds[i].Files); err != nil {
			return err
		}
	}
	return nil
}

// listed returns the items of a build's files, or none when one is not listed
// with its digest or not there.
func (r *Repos) listed(d *database, files []buildbtw.Package) ([]item, error) {
	var items []item
	for _, f := range files {
		e := d.entries[f.Pkgname]
		if e == nil || e.filename != f.Filename || e.sha256 != f.SHA256 {
			return nil, nil
		}
		path := filepath.Join(r.archDir(d.id.Repository, d.id.Architecture), f.Filename)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != e.size {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item{pkg: f, entry: e, path: path})
	}
	return items, nil
}

// itemsFor collects what goes into one architecture's repository.
func itemsFor(arch string, builds []Adopted, items [][]item) []item {
	var list []item
	for i, b := range builds {
		if slices.Contains(b.Architectures, arch) {
			list = append(list, items[i]...)
		}
	}
	return list
}
