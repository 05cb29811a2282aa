package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw/internal/guard"
)

// write makes the databases of a change durable and visible. The order keeps
// every promise of the package comment: new files are on disk before a database
// names them; both databases are on disk, under hidden names, before the switch.
func (r *Repos) write(ctx context.Context, c change) error {
	if err := r.markReplaced(c); err != nil {
		return err
	}
	if err := r.disk.syncDir(c.dir); err != nil {
		return err
	}
	next, err := r.writeDB(ctx, c)
	if err != nil {
		return fmt.Errorf("write database: %w", err)
	}
	if err := r.stamp(c, next); err != nil {
		return err
	}
	if err := r.switchTo(c); err != nil {
		return err
	}
	r.cache.Put(next.id, next)
	return nil
}

// hiddenArchive returns the path of a new database before the switch; repo-add
// uses the same name.
func (c change) hiddenArchive(kind string) string {
	return filepath.Join(c.dir, ".tmp."+archiveName(c.now.id.DB, kind))
}

// writeNative compresses the changed entries and writes both databases concurrently,
// because most of the time is spent waiting for the disk.
func (r *Repos) writeNative(ctx context.Context, c change) (*database, error) {
	next := c.next()
	if err := next.pack(ctx, r.packer, c.now.blocks); err != nil {
		return nil, err
	}
	var g errgroup.Group
	for which, kind := range kinds() {
		g.Go(func() error {
			return guard.Run(func() error { return r.disk.writeFile(c.hiddenArchive(kind), next.archive(r.packer, which)) })
		})
	}
	return next, g.Wait()
}

// next returns the database as it is after the change.
func (c change) next() *database {
	added := make([]*entry, len(c.added))
	for i, item := range c.added {
		added[i] = item.entry
	}
	return c.now.with(added, c.dropped)
}

// stamp returns the new databases a time that is at least one whole second after
// the last: Last-Modified and If-Modified-Since know no fractions, and a client
// that fetched the last one in this second would be told that nothing changed.
// A burst of writes so runs ahead of the clock, which harms nobody.
func (r *Repos) stamp(c change, next *database) error {
	next.modified = r.opts.Now().Truncate(time.Second)
	if earliest := c.now.modified.Truncate(time.Second).Add(time.Second); next.modified.Before(earliest) {
		next.modified = earliest
	}
	for _, kind := range kinds() {
		if err := r.disk.chtimes(c.hiddenArchive(kind), next.modified); err != nil {
			return err
		}
	}
	return nil
}

// switchTo makes the new databases the ones that are read. Late files have the
// name of one that the present database lists with another digest: that one
// goes first, so that no file is ever served under a wrong digest.
func (r *Repos) switchTo(c change) error {
	for _, i := range c.late {
		if err := r.disk.remove(filepath.Join(c.dir, i.entry.filename)); err != nil {
			return err
		}
	}
	for _, kind := range kinds() {
		if err := r.disk.rename(c.hiddenArchive(kind), filepath.Join(c.dir, archiveName(c.now.id.DB, kind))); err != nil {
			return err
		}
	}
	for _, i := range c.late {
		target := filepath.Join(c.dir, i.entry.filename)
		if err := r.disk.rename(waitingName(target), target); err != nil {
			return err
		}
	}
	return r.disk.syncDir(c.dir)
}

// markReplaced returns files that the change takes out of the database the
// present time: Prune counts from it.
func (r *Repos) markReplaced(c change) error {
	replaced := slices.Clone(c.dropped)
	for _, i := range c.added {
		if old := c.now.entries[i.entry.name]; old != nil && old.filename != i.entry.filename {
			replaced = append(replaced, old)
		}
	}
	for _, old := range replaced {
		err := r.disk.chtimes(filepath.Join(c.dir, old.filename), r.opts.Now())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mark %s as replaced: %w", old.filename, err)
		}
	}
	return nil
}
