package gitmirror

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"buildbtw"
)

const (
	pkgbuild    = "PKGBUILD"
	srcinfoName = ".SRCINFO"
)

// Bounds of a plain directory. It is held in memory while it is committed.
const (
	maxDirBytes = 64 << 20
	maxDirFiles = 10_000
)

// file is a file of a plain directory. Its mode is one of git's.
type file struct {
	path string // below the directory, with slashes
	mode string
	data []byte // the content, or a symbolic link's target
	info fs.FileInfo
}

const (
	modeFile = "100644"
	modeExec = "100755"
	modeLink = "120000"
)

// listFiles returns the files of a plain directory that belong to the source,
// sorted by path and without their content. Leftovers of makepkg (src, pkg, built
// packages) and a .git do not.
func listFiles(dir string) ([]file, error) {
	var files []file
	var size int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if rel == "src" || rel == "pkg" || d.Name() == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		built, _ := filepath.Match("*.pkg.tar*", rel)
		if built || !d.Type().IsRegular() && d.Type() != fs.ModeSymlink {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{path: filepath.ToSlash(rel), mode: modeFile, info: info}
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			f.mode = modeLink
		case info.Mode().Perm()&0o100 != 0:
			f.mode = modeExec
		}
		files = append(files, f)
		if size += info.Size(); size > maxDirBytes || len(files) > maxDirFiles {
			return buildbtw.TooLarge("the directory holds more than %d MiB or %d files; make it a git repository, or keep downloads elsewhere (SRCDEST of makepkg.conf)", maxDirBytes>>20, maxDirFiles)
		}
		return nil
	})
	return files, err
}

// readFiles reads the content of the files, which may have changed since they were
// listed.
func readFiles(dir string, files []file) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	left := int64(maxDirBytes)
	for i := range files {
		f := &files[i]
		if f.mode == modeLink {
			var target string
			target, err = root.Readlink(f.path)
			f.data = []byte(target)
		} else {
			limit := left
			if f.path == srcinfoName {
				limit = min(left, MaxSrcinfo)
			}
			f.data, err = readRegular(root, f.path, limit)
		}
		if err != nil {
			return err
		}
		left -= int64(len(f.data))
	}
	return nil
}

// find returns the file with that path, or nil.
func find(files []file, path string) *file {
	i := slices.IndexFunc(files, func(f file) bool { return f.path == path })
	if i < 0 {
		return nil
	}
	return &files[i]
}

// contentHash returns a digest of names, modes and contents.
func contentHash(files ...file) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %s %d\n", f.path, f.mode, len(f.data))
		h.Write(f.data)
	}
	return sum(h)
}

// statHash returns a digest that changes whenever a file does, without reading
// any. It misses the second of two writes within one tick of the file system's
// clock: see atRest.
func statHash(files []file) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %s %d %d", f.path, f.mode, f.info.Size(), f.info.ModTime().UnixNano())
		if st, ok := f.info.Sys().(*syscall.Stat_t); ok {
			fmt.Fprintf(h, " %d %d", st.Ino, st.Ctim.Nano())
		}
		fmt.Fprintln(h)
	}
	return sum(h)
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// restTime is longer than a tick of any file system's clock (FAT: 2 s).
const restTime = 3 * time.Second

// atRest reports whether nothing was written recently, so that any later write
// changes statHash.
func atRest(files []file, now time.Time) bool {
	for _, f := range files {
		last := f.info.ModTime()
		if st, ok := f.info.Sys().(*syscall.Stat_t); ok {
			last = time.Unix(st.Ctim.Unix())
		}
		if now.Sub(last) < restTime {
			return false
		}
	}
	return true
}

// newest returns the time of the latest change to a file's content.
func newest(files []file) time.Time {
	var t time.Time
	for _, f := range files {
		if f.info.ModTime().After(t) {
			t = f.info.ModTime()
		}
	}
	return t
}
