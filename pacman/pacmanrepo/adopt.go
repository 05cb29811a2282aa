package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"buildbtw"
)

// Adoption names packages of other repositories that are to be in this one too.
type Adoption struct {
	Repository, DB string
	Builds         []Adopted
}

// Adopted are the packages of one build, in the repository where they are.
type Adopted struct {
	From          ID
	Generation    int                // of the target that From names; 0: From is a repository of Repos
	Files         []buildbtw.Package // Filename, Pkgname, Version, Architecture and SHA256 are used
	Architectures []string           // where they go: "any" to each of them, others to their own
}

// Adopt puts packages of other repositories into this one: the files are linked,
// not copied, and however many there are, each architecture's databases are
// written once. It may be repeated after an error or a crash.
//
// A build is missing when one of its files is no longer in its repository under
// its digest. Then nothing is adopted, and missing lists indexes of a.Builds.
func (r *Repos) Adopt(ctx context.Context, a Adoption) (missing []int, err error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	items, missing, err := r.adoptedItems(ctx, a.Builds)
	if err != nil || len(missing) > 0 {
		return missing, err
	}
	byArch := map[string][]item{}
	for i, b := range a.Builds {
		for _, arch := range b.Architectures {
			byArch[arch] = append(byArch[arch], items[i]...)
		}
	}
	unlock, err := r.locks.lock(ctx, a.Repository)
	if err != nil {
		return nil, fmt.Errorf("adopt packages into %s: %w", a.Repository, err)
	}
	defer unlock()
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		id := ID{Repository: a.Repository, DB: a.DB, Architecture: arch}
		if err := r.publish(ctx, id, byArch[arch]); err != nil {
			r.cache.Delete(id) // the disk may be ahead of it
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
			if err := checkFile(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// adoptedItems finds the packages of each build. A repository's lock is held
// while its database is read, and never together with another one's: entries do
// not change, and a file that is removed meanwhile is an error when it is linked.
func (r *Repos) adoptedItems(ctx context.Context, builds []Adopted) (items [][]item, missing []int, err error) {
	databases := map[ID]*database{} // nil: there is no such repository
	items = make([][]item, len(builds))
	for i, b := range builds {
		d, known := databases[b.From]
		if !known {
			if d, err = r.loadLocked(ctx, b.From); err != nil {
				return nil, nil, fmt.Errorf("look into repository %s for %s: %w", b.From.Repository, b.From.Architecture, err)
			}
			databases[b.From] = d
		}
		if d != nil {
			if items[i], err = r.disk.listed(d, r.archDir(d.id.Repository, d.id.Architecture), b.Files); err != nil {
				return nil, nil, fmt.Errorf("look into repository %s for %s: %w", b.From.Repository, b.From.Architecture, err)
			}
		}
		if items[i] == nil {
			missing = append(missing, i)
		}
	}
	return items, missing, nil
}

// loadLocked returns the database of a repository, or nil when there is none.
func (r *Repos) loadLocked(ctx context.Context, id ID) (*database, error) {
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := r.loadExisting(id)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil, nil
	}
	return d, err
}

// listed returns the items of a build's files in a directory, or none when one is not
// listed with its digest or not there.
func (d disk) listed(has *database, dir string, files []buildbtw.Package) ([]item, error) {
	var items []item
	for _, f := range files {
		e := has.entries[f.Pkgname]
		if e == nil || e.filename != f.Filename || e.sha256 != f.SHA256 {
			return nil, nil
		}
		path := filepath.Join(dir, f.Filename)
		info, err := d.stat(path)
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
