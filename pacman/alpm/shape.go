package alpm

import (
	"archive/tar"
	"fmt"
	"strings"
)

// shape refuses entries that makepkg never writes and that would reach beyond
// the package where it is unpacked: devices, FIFOs, hard links to files outside
// of the package, and entries below a symbolic link, in any order.
type shape struct {
	files   map[string]bool // also hard links to files
	links   map[string]bool // symbolic links
	parents map[string]bool // paths that must be directories
	last    string          // the directory that was looked at last: the next entry is often in it, too
	entries int             // that an archive may have; it has no more directories either
}

func newShape(entries int) shape {
	return shape{files: map[string]bool{}, links: map[string]bool{}, parents: map[string]bool{".": true}, last: ".", entries: entries}
}

// check checks the next entry, whose name checkPath has accepted.
func (s *shape) check(header *tar.Header) error {
	name := strings.TrimSuffix(header.Name, "/")
	if err := s.checkParents(name); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		s.files[name] = true
	case tar.TypeDir:
	case tar.TypeSymlink:
		return s.addLink(name)
	case tar.TypeLink:
		if s.links[header.Linkname] { // cp -al makes them
			return s.addLink(name)
		}
		if !s.files[header.Linkname] {
			return fmt.Errorf("%q is a hard link to %q, which is no file before it in the package; install a copy or a symbolic link",
				shorten(name), shorten(header.Linkname))
		}
		s.files[name] = true
	case tar.TypeChar, tar.TypeBlock:
		return fmt.Errorf("%q is a device node; a package holds only files, directories and links (devices are made at boot, see tmpfiles.d(5))", shorten(name))
	case tar.TypeFifo:
		return fmt.Errorf("%q is a FIFO; a package holds only files, directories and links (FIFOs are made at boot, see tmpfiles.d(5))", shorten(name))
	default:
		return fmt.Errorf("%q is of a kind (%q) that is no file, directory or link; a package holds nothing else", shorten(name), header.Typeflag)
	}
	return nil
}

func (s *shape) addLink(name string) error {
	if s.parents[name] {
		return belowLink(name)
	}
	s.links[name] = true
	return nil
}

func (s *shape) checkParents(name string) error {
	dir := parent(name)
	if dir == s.last {
		return nil
	}
	for d := dir; !s.parents[d]; d = parent(d) {
		if s.links[d] {
			return belowLink(d)
		}
		s.parents[d] = true
	}
	if len(s.parents) > s.entries+1 { // an entry with a deep path names thousands of them
		return fmt.Errorf("%w: more than %d directories", ErrLimit, s.entries)
	}
	s.last = dir
	return nil
}

// parent is path.Dir for names as checkPath leaves them; it does not read them through.
func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "."
	}
	return name[:i]
}

func belowLink(name string) error {
	return fmt.Errorf("%q is a symbolic link, and other files of the package are below it; install them where it leads to", shorten(name))
}
