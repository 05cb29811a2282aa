package pacmanrepo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"buildbtw/internal/proc"
)

// runRepoAdd lets the program repo-add write the databases. It works on links
// in a directory of its own, because by itself it removes X.db for a moment at
// every call, and a killed one leaves a lock that stops all later ones. Only
// packages that Stage accepted come here: repo-add takes .PKGINFO lines for
// shell variables.
func (r *Repos) runRepoAdd(ctx context.Context, c change) (*database, error) {
	work := filepath.Join(c.dir, ".repo-add")
	// Also takes the lock and the halves of a call that was killed.
	if err := os.RemoveAll(work); err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := os.MkdirAll(filepath.Join(work, "tmp"), 0o755); err != nil {
		return nil, err
	}
	packages, err := r.layOut(c, work)
	if err != nil {
		return nil, err
	}
	db := archiveName(c.now.id.DB, "db")
	if err := recheck(ctx, work, packages); err != nil {
		return nil, err
	}
	if err := callRepoAdd(ctx, work, db, packages); err != nil {
		return nil, err
	}
	next, err := checkRepoAdd(c, work)
	if err != nil {
		return nil, err
	}
	return next, r.fetch(c, work)
}

// recheck looks once more for what repo-add must not see: Stage may have taken
// the packages in while the other tool was set.
func recheck(ctx context.Context, work string, packages []string) error {
	for _, name := range packages {
		p, err := readPackage(ctx, filepath.Join(work, name))
		if err != nil {
			return err
		}
		if err := acceptKeys(name, &p.Info); err != nil {
			return err
		}
	}
	return nil
}

// layOut links into work what repo-add reads, and names the packages to add. A
// database that is not whole is made anew from all packages.
func (r *Repos) layOut(c change, work string) ([]string, error) {
	if c.now.dirty {
		return r.layOutAll(c, work)
	}
	for _, kind := range kinds() {
		name := archiveName(c.now.id.DB, kind)
		if err := r.disk.link(filepath.Join(c.dir, name), filepath.Join(work, name)); err != nil {
			return nil, err
		}
	}
	return r.linkAdded(c, work)
}

func (r *Repos) layOutAll(c change, work string) ([]string, error) {
	packages, err := r.linkAdded(c, work)
	if err != nil {
		return nil, err
	}
	added := c.now.with(c.entries())
	for _, e := range added.sorted() {
		if slices.Contains(packages, e.filename) {
			continue
		}
		if err := r.disk.link(filepath.Join(c.dir, e.filename), filepath.Join(work, e.filename)); err != nil {
			return nil, err
		}
		packages = append(packages, e.filename)
	}
	return packages, nil
}

func (r *Repos) linkAdded(c change, work string) ([]string, error) {
	var packages []string
	for _, i := range c.added {
		if err := r.disk.link(i.path, filepath.Join(work, i.entry.filename)); err != nil {
			return nil, err
		}
		packages = append(packages, i.entry.filename)
	}
	return packages, nil
}

// callRepoAdd waits until the program has ended; when ctx is done it is asked to
// clean up, and killed if it does not.
func callRepoAdd(ctx context.Context, work, db string, packages []string) error {
	const patience = 10 * time.Second
	cmd := exec.CommandContext(ctx, "repo-add", append([]string{"--nocolor", db}, packages...)...)
	cmd.Dir = work
	cmd.Env = append(cmd.Environ(), "TMPDIR="+filepath.Join(work, "tmp"), "LC_ALL=C.UTF-8")
	out := proc.NewTail(2000)
	cmd.Stdout, cmd.Stderr = out, out
	// bash answers a signal only when its present child has ended.
	if err := proc.Run(ctx, cmd, patience); err != nil {
		return fmt.Errorf("run repo-add: %w: %s", err, out)
	}
	return nil
}

// checkRepoAdd reads what repo-add wrote. Its exit status says little: it lists
// truncated packages and ends with 0.
func checkRepoAdd(c change, work string) (*database, error) {
	main, err := readArchive(filepath.Join(work, archiveName(c.now.id.DB, "db")))
	if err != nil {
		return nil, err
	}
	files, err := readArchive(filepath.Join(work, archiveName(c.now.id.DB, "files")))
	if err != nil {
		return nil, err
	}
	want := c.now.with(c.entries())
	if !sameDescs(main, files) || len(files) != len(want.entries) {
		return nil, fmt.Errorf("repo-add listed %d and %d packages instead of %d", len(main), len(files), len(want.entries))
	}
	for name, e := range want.entries {
		if got := files[name]; got == nil || got.filename != e.filename || got.version != e.version || got.sha256 != e.sha256 {
			return nil, fmt.Errorf("repo-add did not list %s with digest %s", e.filename, e.sha256)
		}
	}
	return &database{id: c.now.id, entries: files}, nil
}

// fetch moves the databases to where the switch expects them.
func (r *Repos) fetch(c change, work string) error {
	for _, kind := range kinds() {
		from := filepath.Join(work, archiveName(c.now.id.DB, kind))
		if err := syncFile(from); err != nil {
			return err
		}
		if err := r.disk.rename(from, c.hiddenArchive(kind)); err != nil {
			return err
		}
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
