package pacmanrepo

// BeforeStep lets a test fail the change of the disk that comes next: op is
// mkdir, link, rename, remove, remove all, symlink or sync.
func (r *Repos) BeforeStep(f func(op, path string) error) { r.disk.before = f }
