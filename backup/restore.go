package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/internal/flock"
	"buildbtw/store"
)

// asidePrefix begins the name of the directory, in a data directory, with what was there
// before a restore.
const asidePrefix = "before-restore-"

// unfinished is a file in a data directory while a backup is restored into it.
const unfinished = "restore-unfinished"

// What the file says. Until what was there before is aside, files beside it may be that.
const (
	movingAside = "a backup is being restored into this directory\n"
	movedAside  = "a backup is being restored into this directory; what was there before is aside\n"
)

// Unfinished returns an error when a restore into a data directory did not come to its end:
// it must not be used.
func Unfinished(dataDir string) error {
	if _, err := os.Lstat(filepath.Join(dataDir, unfinished)); err == nil {
		return buildbtw.Conflict("a backup was being restored into %s, and that did not come to its end; repeat it with 'buildbtw restore --replace'", dataDir)
	}
	return nil
}

// Find returns the backup that a path names: a backup itself, or the newest one of a
// directory of backups. The error is NotFound when there is none, and Invalid when it is
// damaged.
func Find(path string) (Summary, error) {
	dir := path
	if _, err := os.Lstat(filepath.Join(path, manifestName)); err != nil {
		if dir, err = newest(path); err != nil || dir == "" {
			return Summary{}, buildbtw.NotFound("there is no whole backup in %s", path)
		}
	}
	m, err := readManifest(dir)
	if err != nil {
		return Summary{}, err
	}
	return Summary{Dir: dir, Made: m.Made, Schema: m.Schema, Version: m.Version, Progress: Progress{Total: m.files()}}, nil
}

// maxFaults bounds the faults that Verify and Restore name.
const maxFaults = 20

// faults are differences between a backup and its manifest, the first of them in words.
type faults struct {
	n     int
	words []string
}

func (f *faults) add(words string) {
	if f.n++; f.n <= maxFaults {
		f.words = append(f.words, words)
	}
}

func (f *faults) list() []string {
	if f.n > len(f.words) {
		return append(f.words, fmt.Sprintf("and %d more", f.n-len(f.words)))
	}
	return f.words
}

// Verify reads a backup, or the newest one of a directory of backups, and compares every file
// with the manifest. The database is checked as a whole. Summary.Left has what is wrong, and
// then there is an error.
func Verify(ctx context.Context, path string, o Options) (Summary, error) {
	o = o.withDefaults()
	s, err := Find(path)
	if err != nil {
		return s, err
	}
	m, err := readManifest(s.Dir)
	if err != nil {
		return s, err
	}
	var wrong faults
	c := counter{o: o, s: &s}
	for _, e := range m.entries {
		if e.Link != "" || e.Dir {
			continue
		}
		size, err := verifyEntry(ctx, s.Dir, e)
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		if err != nil {
			wrong.add(buildbtw.MessageOf(err))
		}
		c.count(size, false)
	}
	if _, err := store.CheckFile(ctx, filepath.Join(s.Dir, database)); err != nil {
		wrong.add("the database of the backup is damaged: " + buildbtw.MessageOf(err))
	}
	s.Left = wrong.list()
	if wrong.n > 0 {
		return s, buildbtw.Invalid("%d files of the backup %s are damaged or missing", wrong.n, s.Dir)
	}
	return s, nil
}

func verifyEntry(ctx context.Context, dir string, e entry) (int64, error) {
	path := filepath.Join(dir, filepath.FromSlash(e.Path))
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, buildbtw.Invalid("%s is missing", e.Path)
	case err != nil:
		return 0, buildbtw.Invalid("%s cannot be read: %w", e.Path, err)
	case e.SHA256 == "": // another name of a file that is looked at under its first
		return 0, nil
	case info.Size() != e.Size:
		return 0, buildbtw.Invalid("%s has %d bytes instead of %d", e.Path, info.Size(), e.Size)
	}
	same, err := hasDigest(ctx, path, e.SHA256)
	switch {
	case err != nil:
		return 0, buildbtw.Invalid("%s cannot be read: %w", e.Path, err)
	case !same:
		return 0, buildbtw.Invalid("%s has another content", e.Path)
	}
	return e.Size, nil
}

type counter struct {
	o    Options
	s    *Summary
	last time.Time
}

func (c *counter) count(size int64, copied bool) {
	c.s.Files++
	c.s.Bytes += size
	if copied {
		c.s.Copied++
		c.s.CopiedBytes += size
	}
	if now := c.o.Now(); now.Sub(c.last) >= progressPeriod {
		c.last = now
		c.o.Progress(c.s.Progress)
	}
}

// Restore makes a data directory of a backup, or of the newest one of a directory of backups.
// The error is Conflict when a server uses the data directory, or when there is something in
// it and Options.Replace is not set. Files of the backup that are damaged are left out and
// named in Summary.Left; a start of the server has lost packages built again. A damaged
// database is an error, and nothing is changed.
func Restore(ctx context.Context, path, dataDir string, o Options) (Summary, error) {
	o = o.withDefaults()
	s, err := Find(path)
	if err != nil {
		return s, err
	}
	if err := apart(dataDir, s.Dir); err != nil {
		return s, err
	}
	m, err := readManifest(s.Dir)
	if err != nil {
		return s, err
	}
	if newest, err := store.NewestSchema(); err != nil || m.Schema > newest {
		return s, errors.Join(err, buildbtw.Conflict("the backup was made by a newer buildbtw (schema %d, this one knows %d); restore it with that version", m.Schema, newest))
	}
	if _, err := store.CheckFile(ctx, filepath.Join(s.Dir, database)); err != nil {
		return s, fmt.Errorf("the database of the backup %s cannot be used; choose an older backup: %w", s.Dir, err)
	}
	if err := os.MkdirAll(dataDir, 0o750); err != nil {
		return s, fmt.Errorf("make the data directory: %w", err)
	}
	release, err := lockData(dataDir)
	if err != nil {
		return s, err
	}
	err = restore(ctx, m, dataDir, o, &s)
	return s, errors.Join(forPeople(err, fullWords(dataDir)), release())
}

// fullWords says what to do when a restore has filled the disk.
func fullWords(dataDir string) string {
	words := fmt.Sprintf("the disk of %s is full, and no server starts there now; free some space and repeat it with --replace", dataDir)
	aside, err := filepath.Glob(filepath.Join(dataDir, asidePrefix+"*"))
	if err != nil || len(aside) == 0 {
		return words
	}
	return words + ". What was there before restores takes space, too: move it to another disk, or remove it when you do not need it: " + strings.Join(aside, ", ")
}

// lockData takes the locks of a server that uses a data directory.
func lockData(dataDir string) (release func() error, err error) {
	used := buildbtw.Conflict("a buildbtw server uses %s; stop it first", dataDir)
	path := filepath.Join(dataDir, database+".lock")
	lock, err := flock.Take(path)
	if errors.Is(err, flock.ErrLocked) {
		return nil, used
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	whole, err := flock.TakeDir(dataDir)
	if errors.Is(err, flock.ErrLocked) {
		return nil, errors.Join(used, lock.Release())
	}
	return func() error { return errors.Join(whole.Release(), lock.Release()) }, nil
}

// ownLock is the file that lockData makes; it is no content.
const ownLock = database + ".lock"

func restore(ctx context.Context, m *manifest, dataDir string, o Options, s *Summary) error {
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return err
	}
	var there []string
	for _, e := range entries {
		if e.Name() != ownLock && e.Name() != "lost+found" {
			there = append(there, e.Name())
		}
	}
	if len(there) > 0 && !o.Replace {
		return buildbtw.Conflict("%s is not empty: %s is there; choose an empty directory, or have what is there moved aside with --replace", dataDir, there[0])
	}
	mark := filepath.Join(dataDir, unfinished)
	before, err := os.ReadFile(mark)
	switch {
	case err == nil && string(before) == movedAside:
		// All but what is aside is of a restore that was cut off: kept, it would fill the disk
		// that was too full for it.
		if err := removeRestored(dataDir, there); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if err := atomicfile.WriteBytes(mark, 0o600, []byte(movingAside)); err != nil {
			return err
		}
		if err := moveAside(dataDir, there, o, s); err != nil {
			return err
		}
		if err := errors.Join(atomicfile.SyncDir(dataDir), atomicfile.WriteBytes(mark, 0o600, []byte(movedAside))); err != nil {
			return err
		}
	}
	var wrong faults
	c := counter{o: o, s: s}
	var dirs []entry
	for _, e := range m.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Path == database {
			continue
		}
		if e.Dir {
			dirs = append(dirs, e)
		}
		if err := restoreEntry(ctx, s.Dir, dataDir, e, &c); buildbtw.KindOf(err) == buildbtw.KindInvalid {
			wrong.add(buildbtw.MessageOf(err))
		} else if err != nil {
			return fmt.Errorf("restore %s: %w", e.Path, err)
		}
	}
	for _, e := range dirs {
		if err := os.Chmod(filepath.Join(dataDir, filepath.FromSlash(e.Path)), e.Mode|0o700); err != nil {
			return err
		}
	}
	// The database comes last: without it no server takes the directory for whole.
	for _, e := range m.entries {
		if e.Path == database {
			if err := restoreEntry(ctx, s.Dir, dataDir, e, &c); err != nil {
				return fmt.Errorf("restore the database: %w", err)
			}
		}
	}
	if err := syncFileSystem(dataDir); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	s.Left = wrong.list()
	o.Progress(s.Progress)
	return atomicfile.SyncDir(dataDir)
}

// moveAside moves what is in a data directory into a directory in it: that needs no space,
// and works where the data directory is a disk of its own.
func moveAside(dataDir string, there []string, o Options, s *Summary) error {
	for _, name := range there {
		if name == unfinished || strings.HasPrefix(name, asidePrefix) {
			continue
		}
		if s.Aside == "" {
			s.Aside = filepath.Join(dataDir, asidePrefix+o.Now().UTC().Format(nameFormat))
			if err := os.Mkdir(s.Aside, 0o700); err != nil {
				return err
			}
		}
		if err := os.Rename(filepath.Join(dataDir, name), filepath.Join(s.Aside, name)); err != nil {
			return fmt.Errorf("move %s aside: %w", name, err)
		}
	}
	return nil
}

// removeRestored removes what a restore that was cut off has made, and leaves what is aside.
func removeRestored(dataDir string, there []string) error {
	for _, name := range there {
		if name == unfinished || strings.HasPrefix(name, asidePrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dataDir, name)); err != nil {
			return fmt.Errorf("remove %s of a restore that was cut off: %w", name, err)
		}
	}
	return nil
}

// restoreEntry makes one file. The error is Invalid when it is damaged in the backup; then
// there is none.
func restoreEntry(ctx context.Context, dir, dataDir string, e entry, c *counter) error {
	to := filepath.Join(dataDir, filepath.FromSlash(e.Path))
	switch {
	case e.Dir:
		return os.Mkdir(to, 0o700)
	case e.Link != "":
		return os.Symlink(e.Link, to)
	case e.SameAs != "":
		err := os.Link(filepath.Join(dataDir, filepath.FromSlash(e.SameAs)), to)
		if errors.Is(err, fs.ErrNotExist) {
			return buildbtw.Invalid("%s is damaged, as %s is", e.Path, e.SameAs)
		}
		c.count(0, false)
		return err
	}
	from := filepath.Join(dir, filepath.FromSlash(e.Path))
	src, err := os.Open(from)
	if err != nil {
		return buildbtw.Invalid("%s cannot be read: %w", e.Path, err)
	}
	defer src.Close() // it was only read
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum, size, err := copyDigest(ctx, dst, reading{src})
	err = errors.Join(err, dst.Chmod(e.Mode), dst.Close())
	if err == nil && (sum != e.SHA256 || size != e.Size) {
		err = buildbtw.Invalid("%s is damaged", e.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	c.count(size, true)
	modified := time.Unix(0, e.Modified) // pacman and browsers ask by it
	return os.Chtimes(to, modified, modified)
}

// reading tells errors of reading from those of writing: the first are the backup's.
type reading struct{ r io.Reader }

func (r reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = buildbtw.Invalid("the backup cannot be read: %w", err)
	}
	return n, err
}
