package gitmirror

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// footprint has the times, sizes and inodes of the files that define a source: while they
// are the same, a pass does not read the source. Few of a thousand sources change between
// two passes, and stat(2) of ten files is cheaper than reading them.
type footprint struct {
	c     candidate
	paths []string
	looks []fileLook
}

// fileLook is the part of stat(2) that changes with a file. It is zero when there is
// none.
type fileLook struct {
	dev, ino            uint64
	mode                uint32
	size, mtime, change int64
}

// footprints are the sources that were at rest when they were last read, by path.
type footprints struct {
	mu sync.Mutex
	of map[string]footprint
}

// maxFootprint is how many files a source may have for a footprint.
const maxFootprint = 200

func lookOf(path string) (fileLook, bool) {
	var st syscall.Stat_t
	switch err := syscall.Lstat(path, &st); err {
	case nil:
		return fileLook{dev: st.Dev, ino: st.Ino, mode: st.Mode, size: st.Size, mtime: st.Mtim.Nano(), change: st.Ctim.Nano()}, true
	case syscall.ENOENT:
		return fileLook{}, true
	}
	return fileLook{}, false
}

// newFootprint returns the footprint of a source, to be taken before it is read. There is none
// for one with links in the places that matter, nor when something was written a
// moment ago: a second write would not be noticed (restTime).
func newFootprint(c candidate, now time.Time) (footprint, bool) {
	s := footprint{c: c, paths: []string{c.path}}
	switch {
	case c.gitDir == filepath.Join(c.path, ".git") || c.gitDir == c.path:
		// Git renames files into its directory, which changes the directory's time: the
		// times of packed-refs and shallow need not be compared.
		for _, name := range []string{".", "refs"} {
			s.paths = append(s.paths, filepath.Join(c.gitDir, name))
		}
		for _, name := range []string{"refs/heads", "refs/tags"} {
			if !s.addAll(filepath.Join(c.gitDir, name), "") {
				return footprint{}, false
			}
		}
	case c.gitDir == "" && c.dir == c.path:
		if !s.addAll(c.path, "src") {
			return footprint{}, false
		}
	default:
		return footprint{}, false
	}
	for _, path := range s.paths {
		l, ok := lookOf(path)
		link := l.mode&syscall.S_IFMT == syscall.S_IFLNK && c.gitDir != "" // of a plain directory the link is the content
		if !ok || link || now.Sub(time.Unix(0, max(l.mtime, l.change))) < restTime {
			return footprint{}, false
		}
		s.looks = append(s.looks, l)
	}
	return s, true
}

// addAll adds all files below a directory, except for a directory that makepkg fills.
func (s *footprint) addAll(dir, except string) bool {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir && os.IsNotExist(err):
			s.paths = append(s.paths, path)
			return fs.SkipAll
		case err != nil:
			return err
		case len(s.paths) == maxFootprint:
			return fs.ErrInvalid
		case d.IsDir() && except != "" && path == filepath.Join(dir, except):
			return fs.SkipDir
		}
		s.paths = append(s.paths, path)
		return nil
	})
	return err == nil
}

// holds reports whether all looks as it did.
func (s footprint) holds() bool {
	for i, path := range s.paths {
		if l, ok := lookOf(path); !ok || l != s.looks[i] {
			return false
		}
	}
	return true
}

// unchanged returns the source at a path if nothing of it has changed since it was
// last read.
func (s *footprints) unchanged(path string) (candidate, bool) {
	s.mu.Lock()
	last, ok := s.of[path]
	s.mu.Unlock()
	if !ok || !last.holds() {
		return candidate{}, false
	}
	c := last.c
	c.unchanged = true
	return c, true
}

func (s *footprints) put(last footprint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[last.c.path] = last
}

// retain forgets the sources of a directory that are not among those that were found.
func (s *footprints) retain(dir string, found []candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[string]bool, len(found))
	for _, c := range found {
		there[c.path] = true
	}
	for path := range s.of {
		if filepath.Dir(path) == dir && !there[path] {
			delete(s.of, path)
		}
	}
}

// forget has a source looked at again, or all when slug is empty.
func (s *footprints) forget(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, last := range s.of {
		if slug == "" || last.c.slug == slug {
			delete(s.of, path)
		}
	}
}

// toRead returns the sources that may have changed, or are not in the mirror.
func toRead(found []candidate, have map[string]sourceRefs) []candidate {
	return slices.DeleteFunc(slices.Clone(found), func(c candidate) bool { return c.unchanged && len(have[c.slug]) > 0 })
}
