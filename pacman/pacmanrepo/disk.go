package pacmanrepo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"buildbtw/internal/atomicfile"
)

// disk makes the changes to directories that must survive a crash in their order.
// A test sets before, to fail between any two of them as a crash would.
type disk struct {
	before func(op, path string) error // nil: go on
}

func (d disk) step(op, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(op, path)
}

func (d disk) mkdirAll(path string) error {
	if err := d.step("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o755)
}

func (d disk) rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// remove deletes a file; one that is gone already is no error.
func (d disk) remove(path string) error {
	if err := d.step("remove", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d disk) removeAll(path string) error {
	if err := d.step("remove all", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// symlink makes name point to target; one that does already is left alone.
func (d disk) symlink(target, name string) error {
	if now, err := os.Readlink(name); err == nil && now == target {
		return nil
	}
	if err := d.step("symlink", name); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(name), ".new."+filepath.Base(name))
	if err := d.remove(temp); err != nil {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	return os.Rename(temp, name)
}

// link makes a hard link to, which must not exist. Across file systems it
// copies, and the copy is on disk when link returns.
func (d disk) link(from, to string) error {
	if err := d.step("link", to); err != nil {
		return err
	}
	err := os.Link(from, to)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		src, err := os.Open(from)
		if err != nil {
			return err
		}
		defer src.Close()
		return writeFile(to, func(w io.Writer) error {
			_, err := io.Copy(w, src)
			return err
		})
	}
	return err
}

// writeFile creates or overwrites a file that everybody may read, and returns when
// it is on disk. A file that could not be written whole is removed.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(path)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(path string) error {
	if err := d.step("sync", path); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(path); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
