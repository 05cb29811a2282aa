package pacmanrepo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// disk is the two directories that this package works in, that of the repositories
// and that of the uploads. Everything below them is reached through it, and by way
// of an os.Root: a symbolic link that somebody put there leads to no file outside.
// It makes the changes that must survive a crash in their order. A test sets
// before, to fail between any two of them as a crash would.
type disk struct {
	dirs   [2]string                   // absolute
	before func(op, path string) error // nil: go on
}

func (d disk) step(op, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(op, path)
}

// within calls f with the one of the directories in which path lies, and with the
// path below it. The directory is opened anew each time: somebody may have removed
// it and a start or an upload may have made it again.
func (d disk) within(path string, f func(root *os.Root, name string) error) error {
	for _, dir := range d.dirs {
		name, err := filepath.Rel(dir, path)
		if err != nil || !filepath.IsLocal(name) {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }() // files that were opened with it stay open
		return f(root, name)
	}
	return &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
}

// open opens a file for reading; a FIFO does not keep it waiting.
func (d disk) open(path string) (f *os.File, err error) {
	err = d.within(path, func(root *os.Root, name string) (err error) {
		f, err = root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	return f, err
}

func (d disk) stat(path string) (info fs.FileInfo, err error) {
	err = d.within(path, func(root *os.Root, name string) (err error) {
		info, err = root.Stat(name)
		return err
	})
	return info, err
}

func (d disk) readFile(path string) (text []byte, err error) {
	err = d.within(path, func(root *os.Root, name string) (err error) {
		text, err = root.ReadFile(name)
		return err
	})
	return text, err
}

func (d disk) readDir(path string) (entries []fs.DirEntry, err error) {
	err = d.within(path, func(root *os.Root, name string) (err error) {
		entries, err = fs.ReadDir(root.FS(), filepath.ToSlash(name))
		return err
	})
	return entries, err
}

// glob returns the paths below dir that match a pattern, which is relative to it.
func (d disk) glob(dir, pattern string) (paths []string, err error) {
	err = d.within(dir, func(root *os.Root, name string) error {
		below, err := fs.Sub(root.FS(), filepath.ToSlash(name))
		if err != nil {
			return err
		}
		names, err := fs.Glob(below, pattern)
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, n))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return paths, err
}

func (d disk) mkdir(path string) error {
	return d.within(path, func(root *os.Root, name string) error { return root.Mkdir(name, 0o755) })
}

// mkdirTemp makes a directory in dir with a name that nothing else has.
func (d disk) mkdirTemp(dir, prefix string) (path string, err error) {
	path = filepath.Join(dir, prefix+rand.Text())
	return path, d.within(path, func(root *os.Root, name string) error { return root.Mkdir(name, 0o700) })
}

func (d disk) chmod(path string, mode fs.FileMode) error {
	return d.within(path, func(root *os.Root, name string) error { return root.Chmod(name, mode) })
}

func (d disk) chtimes(path string, t time.Time) error {
	return d.within(path, func(root *os.Root, name string) error { return root.Chtimes(name, t, t) })
}

func (d disk) mkdirAll(path string) error {
	if err := d.step("mkdir", path); err != nil {
		return err
	}
	return d.within(path, func(root *os.Root, name string) error { return root.MkdirAll(name, 0o755) })
}

// rename renames a file or a directory within one of the two directories.
func (d disk) rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return d.within(from, func(root *os.Root, old string) error {
		name, err := filepath.Rel(root.Name(), to)
		if err != nil {
			return err
		}
		return root.Rename(old, name)
	})
}

// remove deletes a file; one that is gone already is no error.
func (d disk) remove(path string) error {
	if err := d.step("remove", path); err != nil {
		return err
	}
	err := d.within(path, (*os.Root).Remove)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d disk) removeAll(path string) error {
	if err := d.step("remove all", path); err != nil {
		return err
	}
	err := d.within(path, (*os.Root).RemoveAll)
	if errors.Is(err, fs.ErrNotExist) { // the directory itself is gone
		return nil
	}
	return err
}

// symlink makes name point to target; one that does already is left alone.
func (d disk) symlink(target, link string) error {
	return d.within(link, func(root *os.Root, name string) error {
		if now, err := root.Readlink(name); err == nil && now == target {
			return nil
		}
		if err := d.step("symlink", link); err != nil {
			return err
		}
		temp := filepath.Join(filepath.Dir(name), ".new."+filepath.Base(name))
		if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := root.Symlink(target, temp); err != nil {
			return err
		}
		return root.Rename(temp, name)
	})
}

// link makes a hard link to, which must not exist. Across file systems it
// copies, and the copy is on disk when link returns.
func (d disk) link(from, to string) error {
	if err := d.step("link", to); err != nil {
		return err
	}
	err := d.hardLink(from, to)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		src, err := d.open(from)
		if err != nil {
			return err
		}
		defer src.Close()
		return d.writeFile(to, func(w io.Writer) error {
			_, err := io.Copy(w, src)
			return err
		})
	}
	return err
}

// hardLink links between the two directories, which os.Root.Link cannot: by the
// last part of each path in its directory, which was opened below its root.
func (d disk) hardLink(from, to string) error {
	source, err := d.open(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := d.open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer target.Close()
	err = unix.Linkat(int(source.Fd()), filepath.Base(from), int(target.Fd()), filepath.Base(to), 0)
	if err != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	return nil
}

// writeFile creates or overwrites a file that everybody may read, and returns when
// it is on disk. A file that could not be written whole is removed.
func (d disk) writeFile(path string, write func(io.Writer) error) error {
	return d.within(path, func(root *os.Root, name string) (err error) {
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		defer func() {
			if err != nil {
				f.Close()
				_ = root.Remove(name) // the error tells more
			}
		}()
		if err := write(f); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	})
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(path string) error {
	if err := d.step("sync", path); err != nil {
		return err
	}
	dir, err := d.open(path)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
