package vm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// sector is the unit of disk sizes.
const sector = 512

// writeDisk makes a disk of exactly the tar of a directory.
func writeDisk(file, dir string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := addTree(w, dir); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// addTree adds regular files, directories and links: a source has no others.
func addTree(w *tar.Writer, dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		if d.Type()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(file); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
		if err := w.WriteHeader(header); err != nil || !d.Type().IsRegular() {
			return err
		}
		return copyFile(w, file)
	})
}

func copyFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// emptyDisk makes a disk of zeros as a sparse file.
func emptyDisk(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size / sector * sector)
}

// readDisk unpacks the tar that a guest has written: its result, the
// list of what was installed and its packages, nothing else, each once, and no more than the disk can hold: a
// sparse file may claim any size. From a disk that was never written to it
// reads nothing.
func readDisk(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	if err := root.Mkdir(packageDir, 0o755); err != nil {
		return err
	}
	left := info.Size()
	archive := tar.NewReader(f)
	for range 10 * maxPackages {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what the guest has written: %w", err)
		}
		if left -= header.Size; left < 0 {
			return errors.New("the guest has written more than its disk holds")
		}
		if name := path.Clean(header.Name); header.Typeflag == tar.TypeReg && wanted(name) {
			if err := unpack(root, name, archive); err != nil {
				return fmt.Errorf("take %q out of the guest: %w", name, err)
			}
		}
	}
	return errors.New("the guest has written too many files")
}

// wanted reports whether a file is the result, the list of what was installed, or one of
// the packages.
func wanted(name string) bool {
	file, found := strings.CutPrefix(name, packageDir+"/")
	return name == resultName || name == installedName || found && file != "" && file != ".." && !strings.Contains(file, "/")
}

func unpack(root *os.Root, name string, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
