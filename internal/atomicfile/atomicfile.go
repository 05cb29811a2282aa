// Package atomicfile replaces files in one step: a reader, or a start after a
// crash, finds the old content or the new one, whole.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// TempPrefix begins the names of files that are not finished. One that a crash
// left behind may be removed by whoever owns the directory.
const TempPrefix = ".buildbtw-tmp-"

// Write replaces the file at path by one with the content that write writes. When write
// fails, the file stays as it was.
func Write(path string, perm fs.FileMode, write func(io.Writer) error) error {
	temp, err := Temp(filepath.Dir(path), perm, write)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}

// WriteBytes replaces the file at path by data.
func WriteBytes(path string, perm fs.FileMode, data []byte) error {
	return Write(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Temp writes a new file in dir, for a caller that checks it before it renames
// it. The content is on disk when Temp returns; a file that could not be written
// is removed.
func Temp(dir string, perm fs.FileMode, write func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, TempPrefix)
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(perm), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// SyncDir makes the names in a directory durable (fsync(2)).
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
