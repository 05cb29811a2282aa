package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Prune removes the files of a repository that were replaced by a rebuild longer
// ago than the given age: long enough for clients to have let go of the
// database that listed them. It returns the number of files.
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
	if err != nil || d.dirty {
		return 0, err // what a half written database lists is not sure
	}
	dir := r.archDir(id.Repository, id.Architecture)
	names, err := unlisted(dir, d)
	if err != nil {
		return 0, err
	}
	pruned := 0
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
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
