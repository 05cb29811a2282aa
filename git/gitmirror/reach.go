package gitmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"buildbtw"
)

// reach is where a directory of sources may lead: itself first, and then the
// directories in which its links may end (SetLinks). Their paths have no links.
//
// The author of a source may not be allowed to read all files of the server's user, and
// the mirror can be read by everybody. So no symbolic link, .git file or list of
// alternates in a source is followed out of reach.
type reach []string

// SetLinks sets the directories, besides the directory of sources itself, in which
// links of sources may end. It is called before the first pass.
func (m *Mirror) SetLinks(dirs []string) { m.links = dirs }

// reachOf returns where a directory of sources may lead.
func (m *Mirror) reachOf(dir string) (reach, error) {
	var r reach
	for i, path := range append([]string{dir}, m.links...) {
		path, err := filepath.Abs(path)
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		switch {
		case err == nil:
			r = append(r, path)
		case i == 0:
			return nil, fmt.Errorf("list sources: %w", err)
		}
	}
	return r, nil
}

// errOutside is the error of enter for a path out of reach.
var errOutside = errors.New("it leads out of the directory of sources")

// enter returns the path, without links, to which a path leads, if that is in
// reach.
func (r reach) enter(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	inside := func(dir string) bool {
		return real == dir || dir == "/" || strings.HasPrefix(real, dir+"/")
	}
	if !slices.ContainsFunc(r, inside) {
		return "", fmt.Errorf("%s leads to %s: %w", path, real, errOutside)
	}
	return real, nil
}

// outside returns the error for people about a link of a source.
func outside(slug, what string, err error) error {
	if errors.Is(err, errOutside) {
		return &buildbtw.Error{Kind: buildbtw.KindForbidden, Err: err, Message: fmt.Sprintf(
			"source %s: %s leads out of its directory of sources; put it below, or start the server with --source-links and the directory to which links may lead", slug, what)}
	}
	return buildbtw.Invalid("source %s: %s leads nowhere: %w", slug, what, plainCause(err))
}

// maxPointer is more than a file has that names a path: a .git file, commondir, a
// symbolic ref.
const maxPointer = 8 << 10

// readRegular reads a regular file of at most limit bytes below root. Links in the
// name are followed as long as they stay below. Opening a FIFO does not wait for
// somebody who writes to it.
func readRegular(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, buildbtw.Invalid("%s is not a regular file", filepath.Base(name))
	case info.Size() > limit:
		return nil, buildbtw.TooLarge("%s has %d bytes; at most %d are read", filepath.Base(name), info.Size(), limit)
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // as large as the file, so that it need not grow
	_, err = data.ReadFrom(io.LimitReader(f, limit+1))
	if err == nil && int64(data.Len()) > limit {
		err = buildbtw.TooLarge("%s grew to more than %d bytes while it was read", filepath.Base(name), limit)
	}
	return data.Bytes(), err
}

// readPointer reads a file in a directory that names a path.
func readPointer(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	text, err := readRegular(root, name, maxPointer)
	return strings.TrimSpace(string(text)), err
}

// maxAlternates is how deep git itself follows alternates.
const maxAlternates = 5

// checkObjects refuses a store of objects in which git would read anything that is
// out of reach, or is no file: links, devices, FIFOs, alternates
// (gitrepository-layout(5)). dir has no links in its path.
func (r reach) checkObjects(slug, dir string, depth int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && name != "." {
				return nil // git packs and prunes
			}
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return buildbtw.Invalid("source %s: objects/%s of its repository is not a regular file", slug, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := readRegular(root, "info/alternates", 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '"' || depth == maxAlternates {
			return buildbtw.Invalid("source %s: the alternates of its repository are too deep, or quoted; run there: git repack -a -d && rm .git/objects/info/alternates", slug)
		}
		real, err := r.enter(relativeTo(dir, line))
		if err != nil {
			return outside(slug, "the list of alternates of its repository", err)
		}
		if err := r.checkObjects(slug, real, depth+1); err != nil {
			return err
		}
	}
	return err
}
