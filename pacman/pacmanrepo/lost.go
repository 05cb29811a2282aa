package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"buildbtw"
)

// Lost returns those of the packages whose files are not in a repository, or have another size,
// and takes what is lost out of the databases, which then list nothing that a client cannot
// download. Contents are not read. With the repository all packages are lost.
func (r *Repos) Lost(ctx context.Context, id ID, packages []buildbtw.Package) ([]buildbtw.Package, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir := r.archDir(id.Repository, id.Architecture)
	var lost []buildbtw.Package
	for _, p := range packages {
		if err := checkFile(p); err != nil {
			return nil, err
		}
		is, err := r.isThere(filepath.Join(dir, p.Filename), p.Size)
		if err != nil {
			return nil, fmt.Errorf("look for lost packages of repository %s for %s: %w", id.Repository, id.Architecture, err)
		}
		if !is {
			lost = append(lost, p)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	d, err := r.loadExisting(id)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return lost, nil
	}
	if err != nil {
		return nil, err
	}
	next := &database{id: id, entries: map[string]*entry{}, modified: d.modified, dirty: true}
	for name, e := range d.entries {
		is, err := r.isThere(filepath.Join(dir, e.filename), e.size)
		if err != nil {
			return nil, err
		}
		if is {
			next.entries[name] = e
		}
	}
	if len(next.entries) == len(d.entries) {
		return lost, nil
	}
	r.cache.Delete(id)
	if err := r.write(ctx, change{dir: dir, now: next}); err != nil {
		return nil, fmt.Errorf("take lost packages out of repository %s for %s: %w", id.Repository, id.Architecture, err)
	}
	return lost, nil
}

// isThere reports whether there is a file of this size.
func (r *Repos) isThere(path string, size int64) (bool, error) {
	info, err := r.disk.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == size, err
}

// RemoveDamaged reads the files of packages and removes those whose content is not what was
// published, so that Lost finds them: nobody can install them. It returns their names.
func (r *Repos) RemoveDamaged(ctx context.Context, id ID, packages []buildbtw.Package) (removed []string, err error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := r.loadExisting(id)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		e := d.entries[p.Pkgname]
		if e == nil || e.filename != p.Filename || e.sha256 != p.SHA256 {
			continue // replaced meanwhile
		}
		path := filepath.Join(r.archDir(id.Repository, id.Architecture), e.filename)
		f, err := r.digest(ctx, path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && f.sha256 == e.sha256 {
			continue
		}
		if err == nil {
			err = r.disk.remove(path)
		}
		if err != nil {
			return removed, fmt.Errorf("check %s of repository %s: %w", e.filename, id.Repository, err)
		}
		removed = append(removed, e.filename)
	}
	return removed, nil
}

// Lost returns the names of files that a generation lists and that are not there, or have
// another size, each with its architecture.
func (g *Generations) Lost(target string, number int) ([]string, error) {
	architectures, err := g.Architectures(target, number)
	if err != nil {
		return nil, err
	}
	var lost []string
	for _, arch := range architectures {
		d, err := g.read(ID{target, target, arch}, number)
		if err != nil {
			return lost, err
		}
		for _, e := range d.sorted() {
			info, err := g.disk.stat(filepath.Join(archDirOf(g.generationDir(target, number), arch), e.filename))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return lost, err
			}
			if err != nil || info.Size() != e.size {
				lost = append(lost, arch+"/"+e.filename)
			}
		}
	}
	return lost, nil
}

// Hide takes away the pointer of a target: it shows nothing.
func (g *Generations) Hide(target string) error {
	if err := checkName("target", target); err != nil {
		return err
	}
	if err := g.disk.remove(filepath.Join(g.targetDir(target), pointer)); err != nil {
		return fmt.Errorf("hide target %s: %w", target, err)
	}
	return g.disk.syncDir(g.targetDir(target))
}
