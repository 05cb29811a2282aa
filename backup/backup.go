// Package backup copies a data directory while a server uses it, checks such copies, and
// makes data directories of them.
//
// A directory of backups has one subdirectory per backup, named by its time. Each is whole
// by itself: files that did not change are hard links to those of the backup before. A
// backup is written under a hidden name and renamed when all of it is on the disk, so that
// half a one is never taken for a whole one. Its manifest lists every file with its digest.
//
// # The order
//
// The database is copied first and the files after it. A package is in its repository
// before the database calls its build built, so the files copied later have all that the
// database lists, but for what was replaced meanwhile; the start of a server finds that
// and has it built again. The other way round every package published during the backup
// would be missing.
package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/internal/flock"
	"buildbtw/store"
)

// Options are the settings of Write and Restore. The zero value is ready to use.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Version  string           // of the program, for people who read the manifest
	Keep     int              // whole backups that stay, this one included; 0: all
	Replace  bool             // Restore moves what is in the data directory aside
	Progress func(Progress)   // called from time to time; nil: never
}

// Progress is how far a backup, a check or a restore has come.
type Progress struct {
	Files int   // that were handled
	Bytes int64 // of these
	Total int   // files in all; 0: not known

	Copied      int   // of Files, those whose content was copied
	CopiedBytes int64 // of these
}

// Summary is what Write and Restore have done.
type Summary struct {
	Progress
	Dir     string    // of the backup
	Made    time.Time // when its database was copied
	Schema  int       // of its database
	Version string    // of the program that made it
	Aside   string    // where Restore has moved what was there before; empty: nothing was there
	Left    []string  // what was left out, in words
}

// database is the name of the database in a data directory and in a backup.
const database = "buildbtw.sqlite"

// writing is the hidden name of a backup that is not finished, and of one that is removed.
const writing = ".writing"

// nameFormat is how backups are named, in UTC: names sort by time.
const nameFormat = "20060102T150405.000Z"

// progressPeriod is the shortest time between two calls of Options.Progress.
const progressPeriod = time.Second

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Write backs a data directory up into a directory of backups, which is made when it is
// missing. A server may use the data directory meanwhile. The error is Conflict when another
// backup is being written there.
func Write(ctx context.Context, dataDir, dir string, o Options) (Summary, error) {
	o = o.withDefaults()
	if _, err := os.Stat(filepath.Join(dataDir, database)); err != nil {
		return Summary{}, buildbtw.NotFound("there is no database in %s; name the data directory with --data-dir", dataDir)
	}
	if err := apart(dataDir, dir); err != nil {
		return Summary{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Summary{}, fmt.Errorf("make the directory of backups: %w", err)
	}
	lock, err := flock.Take(filepath.Join(dir, ".lock"))
	if errors.Is(err, flock.ErrLocked) {
		return Summary{}, buildbtw.Conflict("another backup is being written into %s; wait for its end", dir)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("lock the directory of backups: %w", err)
	}
	s, err := write(ctx, dataDir, dir, o)
	if err == nil && o.Keep > 0 {
		err = prune(dir, o.Keep)
	}
	if err != nil {
		err = forPeople(err, "the disk is full, and nothing of this is kept; free some space and try again")
	}
	return s, errors.Join(err, lock.Release())
}

// apart refuses two directories that lie in each other, such as a directory of backups in the
// data directory: each backup would have all backups before it.
func apart(dataDir, dir string) error {
	data, err := resolved(dataDir)
	if err != nil {
		return fmt.Errorf("look for the data directory: %w", err)
	}
	place, err := resolved(dir)
	if err != nil {
		return fmt.Errorf("look for the directory of backups: %w", err)
	}
	if below(data, place) || below(place, data) {
		return buildbtw.Invalid("the backups in %s and the data directory %s lie in each other; choose a directory elsewhere, best on another disk", dir, dataDir)
	}
	return nil
}

// resolved returns an absolute path without symbolic links. What does not exist is taken as it
// is written.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		parent, err := resolved(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return real, err
}

func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// forPeople gives a full disk words.
func forPeople(err error, full string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: full, Err: err}
	}
	return err
}

func write(ctx context.Context, dataDir, dir string, o Options) (Summary, error) {
	hidden := filepath.Join(dir, writing)
	if err := os.RemoveAll(hidden); err != nil { // a crash left it
		return Summary{}, fmt.Errorf("remove an unfinished backup: %w", err)
	}
	if err := os.Mkdir(hidden, 0o700); err != nil {
		return Summary{}, fmt.Errorf("begin a backup: %w", err)
	}
	w := &writer{o: o, data: dataDir, into: hidden, seen: map[inode]string{}}
	if before, err := newest(dir); err != nil {
		return Summary{}, err
	} else if before != "" {
		m, err := readManifest(before)
		if err != nil {
			w.left("the backup " + filepath.Base(before) + " is damaged, so that everything is copied: " + buildbtw.MessageOf(err))
		} else {
			w.before, w.beforeDir = m.byPath(), before
		}
	}
	s, err := w.write(ctx)
	if err != nil {
		return s, errors.Join(err, os.RemoveAll(hidden))
	}
	s.Dir = filepath.Join(dir, s.Made.UTC().Format(nameFormat))
	if _, err := os.Lstat(s.Dir); err == nil {
		return s, errors.Join(buildbtw.Conflict("there is a backup %s already", s.Dir), os.RemoveAll(hidden))
	}
	if err := os.Rename(hidden, s.Dir); err != nil {
		return s, fmt.Errorf("finish a backup: %w", err)
	}
	return s, atomicfile.SyncDir(dir)
}

// inode identifies a file under all of its names.
type inode struct{ dev, ino uint64 }

type writer struct {
	o          Options
	data, into string
	manifest   *manifestWriter
	summary    Summary
	last       time.Time // of the last call of Options.Progress

	before    map[string]entry // of the newest backup, by path
	beforeDir string
	seen      map[inode]string // where files with several names are in this backup
	vanished  bool             // a file was removed between being listed and being copied
}

func (w *writer) left(words string) { w.summary.Left = append(w.summary.Left, words) }

func (w *writer) write(ctx context.Context) (Summary, error) {
	copied := filepath.Join(w.into, database)
	w.summary.Made, w.summary.Version = w.o.Now(), w.o.Version
	if err := store.Backup(ctx, filepath.Join(w.data, database), copied); err != nil {
		return w.summary, err
	}
	var err error
	if w.summary.Schema, err = store.CheckFile(ctx, copied); err != nil {
		return w.summary, err
	}
	elsewhere, err := store.CountObjectsIn(ctx, copied, w.summary.Schema)
	if err != nil {
		return w.summary, err
	}
	if elsewhere.Files > 0 {
		w.left(fmt.Sprintf("%d files in object storage, %d MiB, which the database names: copy the bucket, too, or keep versions of it there", elsewhere.Files, (elsewhere.Bytes+1<<20-1)>>20))
	}
	w.manifest, err = createManifest(w.into, header{
		Format: format, Made: w.summary.Made.UTC(), Schema: w.summary.Schema, Version: w.o.Version, DataDir: w.data, Elsewhere: elsewhere.Files,
	})
	if err != nil {
		return w.summary, fmt.Errorf("write the manifest: %w", err)
	}
	err = w.addDatabase(ctx, copied)
	if err == nil {
		err = w.addAll(ctx)
	}
	if err = errors.Join(err, w.manifest.finish(err == nil)); err != nil {
		return w.summary, err
	}
	if err := syncFileSystem(w.into); err != nil {
		return w.summary, fmt.Errorf("bring a backup onto the disk: %w", err)
	}
	w.o.Progress(w.summary.Progress)
	return w.summary, nil
}

// syncFileSystem returns when all that was written below a directory is on its disk.
func syncFileSystem(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

func (w *writer) addDatabase(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	sum, size, err := copyDigest(ctx, io.Discard, f)
	if err != nil {
		return err
	}
	w.count(size, true)
	return w.manifest.add(entry{Path: database, Mode: 0o600, Size: size, SHA256: sum, Modified: w.summary.Made.UnixNano()})
}

// leftOut reports whether an entry of the data directory is not in backups: the database is
// there already (a hidden directory of its name is Litestream's), locks and the reserve belong to a running server, directories of builds
// and workers' secrets to machines, and the rest are copies of before.
func leftOut(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "."), database) || name == "reserve" || name == "workers" || name == "lost+found" ||
		strings.HasPrefix(name, asidePrefix) || name == unfinished || name == store.MigrationCopies
}

func (w *writer) addAll(ctx context.Context) error {
	entries, err := os.ReadDir(w.data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if leftOut(e.Name()) || isTemporary(e.Name()) {
			continue
		}
		from := filepath.Join(w.data, e.Name())
		if to, err := filepath.EvalSymlinks(from); err == nil {
			from = to // a directory that somebody has put onto another disk
		}
		if _, err := os.Lstat(filepath.Join(from, "objects")); err == nil {
			err = w.addGit(ctx, from, e.Name())
			if err != nil {
				return err
			}
			continue
		}
		if err := w.add(ctx, from, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// gitTries is how often the objects of a git repository are listed when git repacks them
// meanwhile.
const gitTries = 5

// addGit copies the refs of a bare repository before its objects, so that it has all that
// they name. Objects that a repack moves into another pack are found by listing them again.
func (w *writer) addGit(ctx context.Context, from, name string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := w.addDir(name, info); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "objects" && !isTemporary(e.Name()) {
			if err := w.add(ctx, filepath.Join(from, e.Name()), path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	for range gitTries {
		w.vanished = false
		if err := w.add(ctx, filepath.Join(from, "objects"), path.Join(name, "objects")); err != nil {
			return err
		}
		if !w.vanished {
			return nil
		}
	}
	w.left(name + " was repacked again and again while it was copied; what it lacks is fetched again after a restore")
	return nil
}

// isTemporary reports whether a name is one of files that are not finished.
func isTemporary(name string) bool {
	return strings.HasPrefix(name, atomicfile.TempPrefix) || strings.HasPrefix(name, ".tmp.") || strings.HasSuffix(name, ".lock") ||
		strings.HasPrefix(name, "tmp_obj_") || strings.HasPrefix(name, "tmp_pack_")
}

// add adds a file or a directory with all that is in it. Names that are there already stay.
func (w *writer) add(ctx context.Context, from, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		w.vanished = true
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := w.addDir(name, info); err != nil {
			return err
		}
		entries, err := os.ReadDir(from)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if isTemporary(e.Name()) {
				continue
			}
			if err := w.add(ctx, filepath.Join(from, e.Name()), path.Join(name, e.Name())); err != nil {
				return err
			}
		}
		return nil
	case info.Mode().IsRegular():
		return w.addFile(ctx, from, name, info)
	case info.Mode()&fs.ModeSymlink != 0:
		return w.addLink(from, name, info)
	}
	return nil // sockets and the like are of a process
}

func (w *writer) addDir(name string, info fs.FileInfo) error {
	err := os.Mkdir(filepath.Join(w.into, filepath.FromSlash(name)), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.manifest.add(entry{Path: name, Dir: true, Mode: info.Mode().Perm()})
}

func (w *writer) addLink(from, name string, info fs.FileInfo) error {
	to, err := os.Readlink(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !localLink(name, to) {
		w.left(name + " is a link that leads out of the data directory")
		return nil
	}
	return w.manifest.add(entry{Path: name, Link: to, Mode: info.Mode().Perm()})
}

// localLink reports whether a symbolic link leads to a place in the data directory.
func localLink(name, to string) bool {
	return !path.IsAbs(to) && to != "" && filepath.IsLocal(path.Join(path.Dir(name), to))
}

func (w *writer) addFile(ctx context.Context, from, name string, info fs.FileInfo) error {
	into := filepath.Join(w.into, filepath.FromSlash(name))
	if _, err := os.Lstat(into); err == nil {
		return nil
	}
	e := entry{Path: name, Mode: info.Mode().Perm(), Size: info.Size(), Modified: info.ModTime().UnixNano()}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok {
		e.Inode, e.Changed = stat.Ino, stat.Ctim.Nano()
		if other := w.seen[inode{stat.Dev, stat.Ino}]; other != "" && os.Link(filepath.Join(w.into, filepath.FromSlash(other)), into) == nil {
			e.SameAs = other
			w.count(0, false)
			return w.manifest.add(e)
		}
	}
	copied, err := w.copyOrLink(ctx, from, into, &e)
	if errors.Is(err, fs.ErrNotExist) {
		w.vanished = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	if ok && stat.Nlink > 1 {
		w.seen[inode{stat.Dev, stat.Ino}] = name
	}
	w.count(e.Size, copied)
	return w.manifest.add(e)
}

// copyOrLink makes the file of an entry, by a link to the same one of the backup before when
// there is one, and sets its digest and size.
func (w *writer) copyOrLink(ctx context.Context, from, into string, e *entry) (copied bool, err error) {
	old, known := w.before[e.Path]
	if known && old.SHA256 != "" && old.Size == e.Size {
		same := old.Modified == e.Modified && old.Changed == e.Changed && old.Inode == e.Inode
		if !same { // its times or names changed, perhaps its content did not
			if same, err = hasDigest(ctx, from, old.SHA256); err != nil {
				return false, err
			}
		}
		if same && w.link(old, into) {
			e.SHA256 = old.SHA256
			return false, nil
		}
	}
	src, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer src.Close() // it was only read
	dst, err := os.OpenFile(into, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	e.SHA256, e.Size, err = copyDigest(ctx, dst, src)
	return true, errors.Join(err, dst.Close())
}

// link links a file of the backup before, unless that is lost or was cut since.
func (w *writer) link(old entry, into string) bool {
	from := filepath.Join(w.beforeDir, filepath.FromSlash(old.Path))
	info, err := os.Lstat(from)
	return err == nil && info.Mode().IsRegular() && info.Size() == old.Size && os.Link(from, into) == nil
}

func hasDigest(ctx context.Context, path, sum string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // it was only read
	got, _, err := copyDigest(ctx, io.Discard, f)
	return got == sum, err
}

// copyDigest copies until the end of a file or of ctx, and returns the SHA-256 of what was
// copied and its size in bytes.
func copyDigest(ctx context.Context, into io.Writer, from io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		h.Write(buffer[:n])
		if _, err := into.Write(buffer[:n]); err != nil {
			return "", size, err
		}
		size += int64(n)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), size, nil
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return "", size, err
		}
	}
}

func (w *writer) count(size int64, copied bool) {
	w.summary.Files++
	w.summary.Bytes += size
	if copied {
		w.summary.Copied++
		w.summary.CopiedBytes += size
	}
	if now := w.o.Now(); now.Sub(w.last) >= progressPeriod {
		w.last = now
		w.o.Progress(w.summary.Progress)
	}
}

// List returns the paths of the backups in a directory, oldest first. Unfinished ones are not
// among them.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	var list []string
	for _, e := range entries {
		if _, err := time.Parse(nameFormat, e.Name()); err == nil && e.IsDir() {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// newest returns the newest backup in a directory; empty when there is none.
func newest(dir string) (string, error) {
	list, err := List(dir)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[len(list)-1], nil
}

// prune removes the oldest backups until so many are left.
func prune(dir string, keep int) error {
	list, err := List(dir)
	if err != nil {
		return err
	}
	for _, old := range list[:max(0, len(list)-keep)] {
		hidden := filepath.Join(dir, writing) // a crash in the middle leaves no backup with less in it
		if err := errors.Join(os.RemoveAll(hidden), os.Rename(old, hidden), os.RemoveAll(hidden)); err != nil {
			return fmt.Errorf("remove the backup %s: %w", filepath.Base(old), err)
		}
	}
	return nil
}
