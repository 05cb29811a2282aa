package runners

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Limits of a source tree. The largest packaging repositories hold some
// thousand patches; sources themselves are downloaded, not committed.
const (
	maxTreeBytes   = 1 << 30
	maxTreeEntries = 100_000
)

// treeError is why a source tree must not be unpacked: the package's fault.
type treeError struct{ reason string }

func (e *treeError) Error() string { return "the source tree " + e.reason }

func refuse(format string, args ...any) error {
	return &treeError{reason: fmt.Sprintf(format, args...)}
}

// unpackTree writes a tar of regular files, directories and links into dir,
// which exists. Nothing is written or pointed to outside it. A *treeError means
// that the tree itself is bad, any other error that reading or writing failed.
func unpackTree(dir string, r io.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the directory for the source: %w", err)
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	u := unpacker{root: root, left: maxTreeBytes}
	archive := tar.NewReader(r)
	for range maxTreeEntries {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return u.checkEnd(r)
		}
		if err != nil {
			return fmt.Errorf("read the source tree: %w", err)
		}
		if err := u.entry(header, archive); err != nil {
			return err
		}
	}
	return refuse("has more than %d entries", maxTreeEntries)
}

type unpacker struct {
	root    *os.Root
	left    int64 // bytes that may still come
	entries int
	links   []string
}

// checkEnd refuses an empty answer, which a torn connection can look like, and
// links that leave the tree by way of other links.
func (u *unpacker) checkEnd(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil { // the padding, and a late error of the stream
		return fmt.Errorf("read the end of the source tree: %w", err)
	}
	if u.entries == 0 {
		return fmt.Errorf("read the source tree: %w", io.ErrUnexpectedEOF)
	}
	for _, link := range u.links {
		if _, err := u.root.Stat(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refuse("holds the link %s, which cannot be followed: %v", link, err)
		}
	}
	return nil
}

func (u *unpacker) entry(h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader { // git archive's comment with the commit
		return nil
	}
	name := path.Clean(strings.TrimSuffix(h.Name, "/"))
	if path.IsAbs(h.Name) || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsRune(h.Name, 0) {
		return refuse("holds the path %q, which leaves it", h.Name)
	}
	u.entries++
	if err := u.write(name, h, body); err != nil {
		return fmt.Errorf("unpack %q of the source tree: %w", name, err)
	}
	return nil
}

func (u *unpacker) write(name string, h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return u.root.MkdirAll(name, 0o755)
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(name, h, body)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	}
	return refuse("holds %q, which is neither file, directory nor symbolic link", name)
}

func (u *unpacker) file(name string, h *tar.Header, body io.Reader) error {
	if u.left -= h.Size; u.left < 0 {
		return refuse("is larger than %d MiB", maxTreeBytes>>20)
	}
	mode := os.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return u.root.Chtimes(name, time.Time{}, h.ModTime)
}

// symlink makes a link whose target, as written, is in the tree; checkEnd checks
// where it really leads.
func (u *unpacker) symlink(name, target string) error {
	end := path.Join(path.Dir(name), target)
	if path.IsAbs(target) || end == ".." || strings.HasPrefix(end, "../") {
		return refuse("holds the link %s -> %s, which leaves it", name, target)
	}
	u.links = append(u.links, name)
	return u.root.Symlink(target, name)
}
