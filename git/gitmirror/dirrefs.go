package gitmirror

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readRefs reads the branches and tags of a repository from its files, without
// a process: a pass over thousands of repositories of which none has changed
// must cost next to nothing. Formats: gitrepository-layout(5) and
// git-pack-refs(1). complete is false when the files do not tell (the reftable
// format); git must be asked then.
//
// A ref read while git rewrites it may be missing. The caller then fetches for
// nothing, and git itself decides what is there.
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
	refs, err = readPacked(filepath.Join(gitDir, "packed-refs"))
	if err != nil {
		return nil, false, err
	}
	for name, object := range loose {
		refs[name] = object
	}
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

func readPacked(path string) (sourceRefs, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sourceRefs{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parsePacked(f)
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

// resolveSymbolic replaces branches that are links to other branches by what
// those name. It returns false if a ref is neither an object nor such a link.
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
