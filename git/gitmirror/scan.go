package gitmirror

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"buildbtw"
)

// candidate is a subdirectory that is a source, or would be if err were nil.
type candidate struct {
	slug   string
	dir    string
	gitDir string // where its refs are; "" for a plain directory
	err    error
}

// scan finds the sources directly below dir, sorted by name. A subdirectory
// that is neither a git repository nor holds a PKGBUILD is no source.
func scan(dir string) ([]candidate, error) {
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
		c, ok := examine(filepath.Join(dir, e.Name()))
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

// examine reports whether a directory is a source, and of which sort.
func examine(dir string) (candidate, bool) {
	c := candidate{slug: filepath.Base(dir), dir: dir}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() || errors.Is(err, fs.ErrNotExist) {
		return c, false
	}
	gitDir, err := findGitDir(dir)
	if err != nil {
		c.err = buildbtw.Invalid("source %s cannot be read: %w", c.slug, plainCause(err))
		return c, true
	}
	if gitDir == dir {
		c.slug = strings.TrimSuffix(c.slug, ".git")
	}
	if gitDir == "" && !exists(filepath.Join(dir, pkgbuild)) {
		return c, false
	}
	c.gitDir, c.err = gitDir, checkSlug(c.slug)
	return c, true
}

// checkSlug refuses what is no slug and what git would not take in a ref
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
// its .git directory, what a .git file points to (submodules, further
// worktrees), dir itself when it is bare, or "" when it is no repository.
func findGitDir(dir string) (string, error) {
	dotGit := filepath.Join(dir, ".git")
	info, err := os.Stat(dotGit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if exists(filepath.Join(dir, "HEAD")) && exists(filepath.Join(dir, "objects")) && exists(filepath.Join(dir, "refs")) {
			return dir, nil
		}
		return "", nil
	case err != nil:
		return "", err
	case !info.IsDir():
		text, err := os.ReadFile(dotGit)
		if err != nil {
			return "", err
		}
		dotGit = relativeTo(dir, strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:")))
	}
	common, err := os.ReadFile(filepath.Join(dotGit, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		return dotGit, nil
	}
	return relativeTo(dotGit, strings.TrimSpace(string(common))), err
}

func relativeTo(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// plainCause takes the path, which people must not see, out of a file error.
func plainCause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s %s: %w", pathErr.Op, filepath.Base(pathErr.Path), pathErr.Err)
	}
	return err
}

// readRefs reads the branches and tags of a repository from its files, without
// a process: a pass over thousands of repositories of which none has changed
// must cost next to nothing. Formats: gitrepository-layout(5) and
// git-pack-refs(1). complete is false when the refs are not in these files (the
// reftable format); git must be asked then.
//
// A ref read while git rewrites it may be missing. The caller then fetches in
// vain, and git itself finds nothing new.
func readRefs(gitDir string) (refs sourceRefs, complete bool, err error) {
	if exists(filepath.Join(gitDir, "reftable")) {
		return nil, false, nil
	}
	// Loose refs first: git packs by writing packed-refs and then deleting the
	// loose file, so a ref is never missed in this order.
	loose := sourceRefs{}
	for _, prefix := range []string{headsPrefix, tagsPrefix} {
		if err := readLoose(gitDir, prefix, loose); err != nil {
			return nil, false, err
		}
	}
	packed, err := os.Open(filepath.Join(gitDir, "packed-refs"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refs = sourceRefs{}
	case err != nil:
		return nil, false, err
	default:
		defer packed.Close()
		if refs, err = parsePacked(packed); err != nil {
			return nil, false, err
		}
	}
	maps.Copy(refs, loose)
	return refs, resolveSymbolic(refs), nil
}

// readLoose adds the refs below refs/PREFIX, one file each.
func readLoose(gitDir, prefix string, refs sourceRefs) error {
	entries, err := os.ReadDir(filepath.Join(gitDir, "refs", prefix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		name := prefix + e.Name()
		if e.IsDir() {
			if err := readLoose(gitDir, name+"/", refs); err != nil {
				return err
			}
			continue
		}
		if strings.HasSuffix(name, ".lock") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(gitDir, "refs", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		refs[name] = strings.TrimSpace(string(text))
	}
	return nil
}

// parsePacked reads lines "OBJECT REF". Lines with # or ^ (what the tag above
// points to) are no refs.
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

// resolveSymbolic replaces symbolic refs by the objects they lead to. It returns false if a ref is neither an object nor such a link.
func resolveSymbolic(refs sourceRefs) bool {
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
		case !isHex(value):
			return false
		default:
			refs[name] = value
		}
	}
	return true
}
