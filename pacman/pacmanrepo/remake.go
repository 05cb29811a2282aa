package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"buildbtw"
)

// Remake writes the databases of a repository so that they list these packages
// and no others, from the databases as far as they can be read and else from the
// package files. It returns the names of files that are not there, or are others;
// those are not listed. Of several packages of one name the last that is there is
// listed.
func (r *Repos) Remake(ctx context.Context, id ID, packages []buildbtw.Package) (lost []string, err error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r.cache.Delete(id) // only the disk counts
	before, err := r.loadExisting(id)
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		before, err = &database{id: id, dirty: true}, nil
	}
	if err != nil {
		return nil, err
	}
	next := &database{id: id, entries: map[string]*entry{}, modified: before.modified, dirty: true}
	missing := map[string]string{} // by pkgname
	for _, p := range packages {
		e := before.entries[p.Pkgname]
		is := e != nil && e.filename == p.Filename && e.sha256 == p.SHA256
		if is {
			if is, err = r.isThere(filepath.Join(r.archDir(id.Repository, id.Architecture), p.Filename), e.size); err != nil {
				return nil, err
			}
		}
		if !is {
			if e, err = r.readEntry(ctx, id, p); err != nil {
				return nil, err
			}
		}
		if e == nil {
			missing[p.Pkgname] = p.Filename
			continue
		}
		next.entries[p.Pkgname] = e
	}
	for name, file := range missing {
		if next.entries[name] == nil {
			lost = append(lost, file)
		}
	}
	if !before.dirty && sameDescs(before.entries, next.entries) {
		return lost, nil
	}
	if err := r.write(ctx, change{dir: r.archDir(id.Repository, id.Architecture), now: next}); err != nil {
		return lost, fmt.Errorf("remake repository %s for %s: %w", id.Repository, id.Architecture, err)
	}
	return lost, nil
}

// readEntry makes the entry of a package file of a repository, or none when the
// file is not there or is another.
func (r *Repos) readEntry(ctx context.Context, id ID, p buildbtw.Package) (*entry, error) {
	if err := checkFile(p); err != nil {
		return nil, err
	}
	path := filepath.Join(r.archDir(id.Repository, id.Architecture), p.Filename)
	f, err := r.digest(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && f.sha256 != p.SHA256 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, _, err := r.readInterface(ctx, path)
	if buildbtw.KindOf(err) == buildbtw.KindInvalid { // cannot be: it was read when it was uploaded
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return newEntry(f, content), nil
}
