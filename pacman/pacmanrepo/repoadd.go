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

// runRepoAdd has the program repo-add write the databases. It works on links in
// a directory of its own, because by itself it removes X.db for a moment at every
// call, and a killed one leaves a lock that stops all later ones. Only packages
// that Stage accepted come here: repo-add takes .PKGINFO lines for shell
// variables.
func (r *Repos) runRepoAdd(ctx context.Context, c change) (*database, error) {
	work := filepath.Join(c.dir, ".repo-add")
	// Also removes the lock and the incomplete files of a call that was killed.
	if err := r.disk.removeAll(work); err != nil {
		return nil, err
	}
	defer func() { _ = r.disk.within(work, (*os.Root).RemoveAll) }() // the next call removes it, too
	if err := r.disk.mkdirAll(filepath.Join(work, "tmp")); err != nil {
		return nil, err
	}
	packages, err := r.linkInputs(c, work)
	if err != nil {
		return nil, err
	}
	for _, name := range packages { // Stage may have accepted them while the other tool was set
		p, _, err := r.readInterface(ctx, filepath.Join(work, name))
		if err != nil {
			return nil, err
		}
		if err := acceptKeys(name, &p.Info); err != nil {
			return nil, err
		}
	}
	db := archiveName(c.now.id.DB, "db")
	if len(c.dropped) > 0 && !c.now.dirty {
		var names []string
		for _, e := range c.dropped {
			names = append(names, e.name)
		}
		if err := callTool(ctx, "repo-remove", work, db, names); err != nil {
			return nil, err
		}
	}
	if len(packages) > 0 || c.now.dirty {
		if err := callTool(ctx, "repo-add", work, db, packages); err != nil {
			return nil, err
		}
	}
	next, err := r.checkRepoAdd(c, work)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds() { // to where the switch expects them
		from := filepath.Join(work, archiveName(c.now.id.DB, kind))
		f, err := r.disk.open(from)
		if err != nil {
			return nil, err
		}
		err = f.Sync()
		f.Close()
		if err != nil {
			return nil, err
		}
		if err := r.disk.rename(from, c.hiddenArchive(kind)); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// linkInputs links the files that repo-add reads into work, and returns the names
// of the packages to add. Databases that are not whole are made anew from all
// packages.
func (r *Repos) linkInputs(c change, work string) ([]string, error) {
	var packages []string
	for _, i := range c.added {
		if err := r.disk.link(i.path, filepath.Join(work, i.entry.filename)); err != nil {
			return nil, err
		}
		packages = append(packages, i.entry.filename)
	}
	var others []string
	if c.now.dirty {
		for _, e := range c.next().sorted() {
			if !slices.Contains(packages, e.filename) {
				others = append(others, e.filename)
			}
		}
		packages = append(packages, others...)
	} else {
		for _, kind := range kinds() {
			others = append(others, archiveName(c.now.id.DB, kind))
		}
	}
	for _, name := range others {
		if err := r.disk.link(filepath.Join(c.dir, name), filepath.Join(work, name)); err != nil {
			return nil, err
		}
	}
	return packages, nil
}

// callTool runs repo-add or repo-remove to its end; when ctx is done it is asked to
// clean up, and killed if it does not.
func callTool(ctx context.Context, tool, work, db string, packages []string) error {
	const patience = 10 * time.Second // bash answers a signal only when its present child has ended
	cmd := exec.CommandContext(ctx, tool, append([]string{"--nocolor", db}, packages...)...)
	cmd.Dir = work
	cmd.Env = append(cmd.Environ(), "TMPDIR="+filepath.Join(work, "tmp"), "LC_ALL=C.UTF-8")
	out := proc.NewTail(2000)
	cmd.Stdout, cmd.Stderr = out, out
	if err := proc.Run(ctx, cmd, patience); err != nil {
		return fmt.Errorf("run %s: %w: %s", tool, err, out)
	}
	return nil
}

// checkRepoAdd reads the databases that repo-add wrote. Its exit status does not
// suffice: it lists truncated packages and ends with 0.
func (r *Repos) checkRepoAdd(c change, work string) (*database, error) {
	main, err := r.disk.readArchive(filepath.Join(work, archiveName(c.now.id.DB, "db")))
	if err != nil {
		return nil, err
	}
	files, err := r.disk.readArchive(filepath.Join(work, archiveName(c.now.id.DB, "files")))
	if err != nil {
		return nil, err
	}
	want := c.next()
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
