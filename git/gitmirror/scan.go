package gitmirror

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"buildbtw"
)

// candidate is a subdirectory that is a source, or would be if err were nil.
type candidate struct {
	path    string // below the directory of sources, as it was found
	slug    string
	dir     string   // without links in its path, as gitDir
	gitDir  string   // where its refs are; "" for a plain directory
	history *history // of a plain directory; nil: none is known
	err     error

	unchanged bool // nothing of it has changed since the pass before
}

func (c candidate) isPlain() bool { return c.gitDir == "" && c.err == nil }

// scan finds the sources directly below dir, sorted by name. A subdirectory
// that is neither a git repository nor holds a PKGBUILD is no source.
//
// One of which nothing has changed is taken from the pass before.
func (r reach) scan(dir string, unchanged func(path string) (candidate, bool)) ([]candidate, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	var found []candidate
	slugs := map[string]string{}
	for _, e := range entries {
		if !e.IsDir() && e.Type() != fs.ModeSymlink || e.Name() == ".git" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		c, ok := unchanged(path)
		if !ok {
			c, ok = r.examine(path)
		}
		if !ok {
			continue
		}
		if first, clash := slugs[c.slug]; clash {
			c.err = buildbtw.Conflict("%s and %s would be the same source; rename one of them", first, e.Name())
			c.slug = e.Name()
		} else {
			slugs[c.slug] = e.Name()
		}
		found = append(found, c)
	}
	return found, nil
}

// srcinfoFiles returns how many files NAME.SRCINFO lie in a directory or in its
// subdirectories.
func srcinfoFiles(dir string) (n int) {
	for _, pattern := range []string{"?*.SRCINFO", "*/?*.SRCINFO"} {
		names, _ := fs.Glob(os.DirFS(dir), pattern)
		n += len(names)
	}
	return n
}

// examine reports whether a directory is a source, and of which sort.
func (r reach) examine(path string) (candidate, bool) {
	c := candidate{path: path, slug: filepath.Base(path)}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() || errors.Is(err, fs.ErrNotExist) {
		return c, false
	}
	if c.dir, err = r.enter(path); err != nil {
		c.err = outside(c.slug, "the link "+c.slug, err)
		return c, true
	}
	c.gitDir, err = r.findGitDir(c.slug, c.dir)
	switch {
	case err != nil:
		c.err = forPeople(c, err)
		return c, true
	case c.gitDir == c.dir:
		c.slug = strings.TrimSuffix(c.slug, ".git")
	case c.gitDir == "" && !exists(filepath.Join(c.dir, pkgbuild)):
		return c, false
	}
	c.err = checkSlug(c.slug)
	return c, true
}

// checkSlug returns an error for a text that is no slug or that git refuses in a ref
// (git-check-ref-format(1)).
func checkSlug(slug string) error {
	if err := buildbtw.CheckSlug(slug); err != nil {
		return err
	}
	if strings.Contains(slug, "..") || strings.HasSuffix(slug, ".lock") {
		return buildbtw.Invalid("%q is no source name: git refuses \"..\" and the ending \".lock\"", slug)
	}
	return nil
}

// findGitDir returns the directory that holds the refs of the repository in dir:
// its .git directory, the target of a .git link or file (submodules, further worktrees),
// dir itself when it is bare, or "" when it is no repository.
func (r reach) findGitDir(slug, dir string) (string, error) {
	dotGit := filepath.Join(dir, ".git")
	info, err := os.Lstat(dotGit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if exists(filepath.Join(dir, "HEAD")) && exists(filepath.Join(dir, "objects")) && exists(filepath.Join(dir, "refs")) {
			return dir, nil
		}
		return "", nil
	case err != nil:
		return "", err
	case info.Mode().Type() == fs.ModeSymlink:
		if dotGit, err = r.enter(dotGit); err != nil {
			return "", outside(slug, "the link .git", err)
		}
	case !info.IsDir():
		text, err := readPointer(dir, ".git")
		if err != nil {
			return "", err
		}
		if dotGit, err = r.enter(relativeTo(dir, strings.TrimSpace(strings.TrimPrefix(text, "gitdir:")))); err != nil {
			return "", outside(slug, "the file .git", err)
		}
	}
	common, err := readPointer(dotGit, "commondir")
	if errors.Is(err, fs.ErrNotExist) {
		return dotGit, nil
	}
	if err != nil {
		return "", err
	}
	if common, err = r.enter(relativeTo(dotGit, common)); err != nil {
		return "", outside(slug, "the repository of the worktree", err)
	}
	return common, nil
}

func relativeTo(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// plainCause takes the path, which people must not see, out of a file error.
func plainCause(err error) error {
	var pathErr *fs.PathError
	switch {
	case !errors.As(err, &pathErr):
		return err
	case strings.Contains(pathErr.Err.Error(), "path escapes"): // os.Root
		return fmt.Errorf("%s is a link that leads out of the source", filepath.Base(pathErr.Path))
	}
	return fmt.Errorf("%s %s: %w", pathErr.Op, filepath.Base(pathErr.Path), pathErr.Err)
}

// maxPacked bounds the file of packed refs, which has a line of some 70 bytes for
// each ref.
const maxPacked = 64 << 20

// readRefs reads the branches and tags of a repository from its files, without
// a process: a pass over thousands of repositories of which none has changed
// must cost next to nothing. Formats: gitrepository-layout(5) and
// git-pack-refs(1). reftable is true when the refs are in the format of that name
// instead, and only git can read them.
//
// A ref read while git rewrites it may be missing. The caller then fetches, and
// reads it with the next pass.
func readRefs(root *os.Root) (refs sourceRefs, reftable bool, err error) {
	if _, err := root.Lstat("reftable"); err == nil {
		return nil, true, nil
	}
	// Loose refs first: git packs by writing packed-refs and then deleting the
	// loose file, so a ref is never missed in this order.
	loose := sourceRefs{}
	for _, prefix := range []string{headsPrefix, tagsPrefix} {
		if err := readLoose(root, prefix, loose, 0); err != nil {
			return nil, false, err
		}
	}
	packed, err := readRegular(root, "packed-refs", maxPacked)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if refs, err = parsePacked(bytes.NewReader(packed)); err != nil {
		return nil, false, err
	}
	maps.Copy(refs, loose)
	return refs, false, resolveSymbolic(refs)
}

// maxRefDepth is how many directories deep branches may lie: a path has at most
// 4096 bytes.
const maxRefDepth = 2048

// readLoose adds the refs below refs/PREFIX, one file each.
func readLoose(root *os.Root, prefix string, refs sourceRefs, depth int) error {
	dir, err := root.OpenFile("refs/"+prefix, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	dir.Close()
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := prefix + e.Name()
		switch {
		case e.IsDir() && depth < maxRefDepth:
			if err := readLoose(root, name+"/", refs, depth+1); err != nil {
				return err
			}
			continue
		case strings.HasSuffix(name, ".lock"):
			continue
		}
		text, err := readRegular(root, "refs/"+name, maxPointer)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		refs[name] = strings.TrimSpace(string(text))
	}
	return nil
}

// parsePacked reads lines "OBJECT REF". Lines with # or ^ (the commit of the
// annotated tag above) are no refs.
func parsePacked(r io.Reader) (sourceRefs, error) {
	refs := sourceRefs{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		object, ref, ok := strings.Cut(lines.Text(), " ")
		name, inRefs := strings.CutPrefix(ref, "refs/")
		if ok && inRefs && isHex(object) && (strings.HasPrefix(name, headsPrefix) || strings.HasPrefix(name, tagsPrefix)) {
			refs[name] = object
		}
	}
	return refs, lines.Err()
}

// resolveSymbolic replaces symbolic refs by the objects they lead to. It fails for
// a ref that is neither an object nor such a link, and for names that are none.
func resolveSymbolic(refs sourceRefs) error {
	for name, value := range refs {
		for range 5 { // git's own limit
			target, symbolic := strings.CutPrefix(value, "ref: refs/")
			if !symbolic {
				break
			}
			value = refs[target]
		}
		switch {
		case value == "":
			delete(refs, name) // points nowhere: git lists no such ref either
		case strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }):
			return buildbtw.Invalid("%q is no name of a branch or tag", name)
		case len(value) == sha256Digits && isHex(value):
			return buildbtw.Invalid("its objects are named by SHA-256, which cannot be mirrored together with others")
		case len(value) != sha1Digits || !isHex(value):
			return buildbtw.Invalid("%s is neither a commit nor leads to one", name)
		default:
			refs[name] = value
		}
	}
	return nil
}

const (
	sha1Digits   = 40
	sha256Digits = 64
)
