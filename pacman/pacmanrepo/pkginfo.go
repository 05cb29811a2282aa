package pacmanrepo

import (
	"fmt"
	"os"

	"buildbtw/pacman/alpm"
)

// PkgInfo reads what a package file of a repository says of itself. It is
// NotFound when the file is not there (any more).
func (r *Repos) PkgInfo(repository, architecture, file string) (*alpm.PkgInfo, error) {
	path, err := r.Path(repository, architecture, file)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s of repository %s: %w", file, repository, err)
	}
	defer f.Close()
	info, err := alpm.ReadPkgInfo(f)
	if err != nil {
		return nil, fmt.Errorf("%s of repository %s: %w", file, repository, err)
	}
	return info, nil
}
