package pacmanrepo

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Contents lists the packages of one repository of one architecture.
type Contents struct {
	ID
	Listed   []string // file names that the database lists, sorted
	Unlisted []string // package files beside them: replaced and not pruned yet
}

// Verify reads a whole repository, files included, and compares it with its
// databases. Every difference is in the error.
func (r *Repos) Verify(ctx context.Context, repository string) ([]Contents, error) {
	if err := checkName("repository", repository); err != nil {
		return nil, err
	}
	unlock, err := r.locks.lock(ctx, repository)
	if err != nil {
		return nil, fmt.Errorf("verify repository %s: %w", repository, err)
	}
	defer unlock()
	ids, err := r.ids(repository)
	if err != nil {
		return nil, fmt.Errorf("verify repository %s: %w", repository, err)
	}
	var all []Contents
	var faults []error
	for _, id := range ids {
		c, err := r.verify(ctx, id)
		if err != nil {
			faults = append(faults, fmt.Errorf("repository %s for %s: %w", repository, id.Architecture, err))
		}
		all = append(all, c)
	}
	return all, errors.Join(faults...)
}

// ids returns the databases of a repository.
func (r *Repos) ids(repository string) ([]ID, error) {
	links, err := r.disk.glob(r.dir, repository+"/os/*/*.db")
	if err != nil {
		return nil, err
	}
	var ids []ID
	for _, link := range links {
		ids = append(ids, ID{
			Repository:   repository,
			DB:           strings.TrimSuffix(filepath.Base(link), ".db"),
			Architecture: filepath.Base(filepath.Dir(link)),
		})
	}
	return ids, nil
}

func (r *Repos) verify(ctx context.Context, id ID) (Contents, error) {
	c := Contents{ID: id}
	r.cache.Delete(id) // only the disk counts
	d, err := r.load(id)
	if err != nil {
		return c, err
	}
	var faults []error
	if d.dirty {
		faults = append(faults, fmt.Errorf("%s.db and %s.files do not list the same", id.DB, id.DB))
	}
	dir := r.archDir(id.Repository, id.Architecture)
	for _, e := range d.sorted() {
		c.Listed = append(c.Listed, e.filename)
		if err := r.verifyFile(ctx, filepath.Join(dir, e.filename), e); err != nil {
			faults = append(faults, err)
		}
	}
	slices.Sort(c.Listed)
	c.Unlisted, err = r.unlisted(dir, d)
	return c, errors.Join(append(faults, err)...)
}

// digest reads a package file and describes it.
func (r *Repos) digest(ctx context.Context, path string) (file, error) {
	f, err := r.disk.open(path)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	s := sums{md5: md5.New(), sha256: sha256.New()}
	size, err := io.Copy(io.MultiWriter(s.md5, s.sha256), &incoming{ctx: ctx, r: f})
	return file{name: filepath.Base(path), size: size, md5: hexSum(s.md5), sha256: hexSum(s.sha256)}, err
}

func (r *Repos) verifyFile(ctx context.Context, path string, e *entry) error {
	f, err := r.digest(ctx, path)
	switch {
	case err != nil:
		return fmt.Errorf("%s is listed but cannot be read: %w", e.filename, err)
	case f.size != e.size || f.sha256 != e.sha256 || f.md5 != e.md5:
		return fmt.Errorf("%s is not the file that the database lists", e.filename)
	}
	return nil
}

// unlisted returns the package files, by name, that the database does not list.
func (r *Repos) unlisted(dir string, d *database) ([]string, error) {
	listed := map[string]bool{}
	for _, e := range d.entries {
		listed[e.filename] = true
	}
	files, err := r.disk.readDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if strings.Contains(f.Name(), ".pkg.tar") && f.Name()[0] != '.' && !listed[f.Name()] {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// Prune removes the files of a repository that were replaced by a rebuild longer
// ago than the given age, by when clients have a newer database than the one
// that listed them. It returns the number of files. The error of a repository that is
// to be made anew is a *DamagedError.
func (r *Repos) Prune(ctx context.Context, repository string, age time.Duration) (int, error) {
	if err := checkName("repository", repository); err != nil {
		return 0, err
	}
	unlock, err := r.locks.lock(ctx, repository)
	if err != nil {
		return 0, fmt.Errorf("prune repository %s: %w", repository, err)
	}
	defer unlock()
	ids, err := r.ids(repository)
	if err != nil {
		return 0, fmt.Errorf("prune repository %s: %w", repository, err)
	}
	pruned := 0
	for _, id := range ids {
		n, err := r.prune(id, r.opts.Now().Add(-age))
		pruned += n
		if err != nil {
			return pruned, fmt.Errorf("prune repository %s for %s: %w", repository, id.Architecture, err)
		}
	}
	return pruned, nil
}

func (r *Repos) prune(id ID, before time.Time) (int, error) {
	d, err := r.load(id)
	switch {
	case err != nil:
		return 0, err
	case d.dirty: // a crash, or damage: its list may be wrong
		return 0, &DamagedError{id, fmt.Errorf("%s.db and %s.files do not list the same", id.DB, id.DB)}
	}
	dir := r.archDir(id.Repository, id.Architecture)
	names, err := r.unlisted(dir, d)
	if err != nil {
		return 0, err
	}
	pruned := 0
	for _, name := range names {
		info, err := r.disk.stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
			continue
		}
		if err != nil {
			return pruned, err
		}
		if err := r.disk.remove(filepath.Join(dir, name)); err != nil {
			return pruned, err
		}
		pruned++
	}
	return pruned, nil
}
