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

// Publication names the staged packages of an attempt that go into a repository.
// Packages for "any" go to each of Architectures, others to their own, which
// must be one of them.
type Publication struct {
	Repository, DB string
	Architectures  []string
	Attempt        buildbtw.AttemptName
	Files          []buildbtw.Package // Filename, Pkgname, Version and SHA256 are used
}

// Publish puts all packages of an attempt into the repository: per architecture
// the files first, then one write of the databases, in which they replace all
// entries of the same pkgbases, also of pkgnames that are not made any more. When it returns nil, all of it is on disk and
// the attempt's staged files are gone. After an error or a crash the same call
// finishes the rest; a call for packages that are published already does nothing.
//
// The error is a Conflict when a file is neither staged, in a state that can be
// read, nor published with this digest, and NotFound when the repository was never created or is removed.
func (r *Repos) Publish(ctx context.Context, p Publication) error {
	if err := p.check(); err != nil {
		return err
	}
	unlock, err := r.locks.lock(ctx, p.Repository)
	if err != nil {
		return fmt.Errorf("publish attempt %s: %w", p.Attempt, err)
	}
	defer unlock()
	items, err := r.stagedItems(p)
	if err != nil {
		return err
	}
	for _, arch := range p.Architectures {
		id := ID{Repository: p.Repository, DB: p.DB, Architecture: arch}
		if err := r.publish(ctx, id, items); err != nil {
			r.cache.Delete(id) // the disk may be ahead of it
			return fmt.Errorf("publish attempt %s to %s for %s: %w", p.Attempt, p.Repository, arch, err)
		}
	}
	return r.Discard(p.Attempt)
}

func (p Publication) check() error {
	if len(p.Files) == 0 {
		return buildbtw.Invalid("there is no package to publish")
	}
	for _, arch := range p.Architectures {
		if err := (ID{p.Repository, p.DB, arch}).check(); err != nil {
			return err
		}
	}
	first, seen := p.Files[0], map[string]bool{}
	for _, f := range p.Files {
		if err := checkFile(f); err != nil {
			return err
		}
		switch {
		case f.Version != first.Version: // one run of makepkg sets one version
			return buildbtw.Invalid("%s has version %s and %s has %s; all packages of a build have the same version",
				first.Filename, first.Version, f.Filename, f.Version)
		case f.Architecture != archAny && !slices.Contains(p.Architectures, f.Architecture):
			return buildbtw.Invalid("%s is for %s, which this repository does not have", f.Filename, f.Architecture)
		case seen[f.Pkgname]:
			return buildbtw.Invalid("two of the files are package %s; a build gives each package once", f.Pkgname)
		}
		seen[f.Pkgname] = true
	}
	return nil
}

// checkFile refuses the name and the digest of a file that cannot be in a
// repository.
func checkFile(f buildbtw.Package) error {
	if err := checkName("file", f.Filename); err != nil {
		return err
	}
	return checkDigest(f.SHA256)
}

// item is one package on its way into a repository. One that is no longer staged
// has no entry and no path.
type item struct {
	pkg   buildbtw.Package
	entry *entry
	path  string // of the staged file

	damaged error // why it counts as no longer staged although something is there
}

func (r *Repos) stagedItems(p Publication) ([]item, error) {
	items := make([]item, 0, len(p.Files))
	for _, f := range p.Files {
		e, path, err := r.staged(p.Attempt, f.SHA256)
		if isDamaged(err) {
			items = append(items, item{pkg: f, damaged: err})
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read staged %s of attempt %s: %w", f.Filename, p.Attempt, err)
		}
		if e != nil && (e.filename != f.Filename || e.name != f.Pkgname || e.version != f.Version || e.arch != f.Architecture) {
			return nil, buildbtw.Conflict("what was uploaded with digest %s is %s, not %s", f.SHA256, e.filename, f.Filename)
		}
		items = append(items, item{pkg: f, entry: e, path: path})
	}
	return items, nil
}

// change is a write of one repository's databases.
type change struct {
	dir   string
	now   *database // as it is
	added []item    // packages whose entries it lacks, or has differently
	late  []item    // of those, the files that cannot be in place before the switch

	dropped []*entry // of the same pkgbases, of which no package has the name any more
}

func (r *Repos) publish(ctx context.Context, id ID, items []item) error {
	dir := r.archDir(id.Repository, id.Architecture)
	now, err := r.loadExisting(id)
	if err != nil {
		return err
	}
	c := change{dir: dir, now: now}
	names, bases := map[string]bool{}, map[string]bool{}
	for _, i := range items {
		if i.pkg.Architecture != archAny && i.pkg.Architecture != id.Architecture {
			continue
		}
		if i.entry == nil {
			if err := r.checkPublished(dir, now, i); err != nil {
				return err
			}
			i.entry = now.entries[i.pkg.Pkgname]
			names[i.entry.name], bases[i.entry.base] = true, true
			continue
		}
		names[i.entry.name], bases[i.entry.base] = true, true
		if err := r.place(&c, i); err != nil {
			return fmt.Errorf("place %s: %w", i.pkg.Filename, err)
		}
	}
	for _, e := range now.sorted() {
		if e.base != "" && bases[e.base] && !names[e.name] {
			c.dropped = append(c.dropped, e)
		}
	}
	if len(c.added)+len(c.dropped) == 0 && !now.dirty {
		return r.disk.syncDir(dir) // an earlier call may not have come this far
	}
	return r.write(ctx, c)
}

// loadExisting is like load; a repository that was not created is NotFound.
func (r *Repos) loadExisting(id ID) (*database, error) {
	if _, err := r.disk.stat(r.archDir(id.Repository, id.Architecture)); errors.Is(err, fs.ErrNotExist) {
		return nil, buildbtw.NotFound("there is no repository %s for %s", id.Repository, id.Architecture)
	}
	return r.load(id)
}

// checkPublished accepts a package that is no longer staged because an earlier
// call published it.
func (r *Repos) checkPublished(dir string, d *database, i item) error {
	p := i.pkg
	if e := d.entries[p.Pkgname]; e != nil && e.filename == p.Filename && e.sha256 == p.SHA256 {
		info, err := r.disk.stat(filepath.Join(dir, p.Filename))
		if err == nil && info.Size() == e.size {
			return nil
		}
	}
	if i.damaged != nil {
		return buildbtw.Conflict("what was stored of the uploaded %s cannot be read any more (%w); it has to be built again", p.Filename, i.damaged)
	}
	return buildbtw.Conflict("%s with digest %s was not uploaded by this attempt; upload it again", p.Filename, p.SHA256)
}

// place links a package file into the repository, under its own name when no
// client can be harmed by that, and records in the change which entries the
// database lacks.
func (r *Repos) place(c *change, i item) error {
	old := c.now.entries[i.entry.name]
	if !i.entry.same(old) {
		c.added = append(c.added, i)
	}
	target := filepath.Join(c.dir, i.entry.filename)
	if r.disk.sameFile(i.path, target) {
		return nil
	}
	if err := r.disk.remove(waitingName(target)); err != nil {
		return err
	}
	if err := r.disk.link(i.path, waitingName(target)); err != nil {
		return err
	}
	if old != nil && old.filename == i.entry.filename && old.sha256 != i.entry.sha256 {
		c.late = append(c.late, i)
		return nil
	}
	return r.disk.rename(waitingName(target), target)
}

// waitingName returns the hidden name of a file before it gets its own.
func waitingName(target string) string {
	return filepath.Join(filepath.Dir(target), ".new."+filepath.Base(target))
}

func (d disk) sameFile(a, b string) bool {
	x, err := d.stat(a)
	if err != nil {
		return false
	}
	y, err := d.stat(b)
	return err == nil && os.SameFile(x, y)
}
