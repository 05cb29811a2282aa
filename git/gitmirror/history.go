package gitmirror

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// history has the files at HEAD of the repository whose work tree contains a directory of
// sources. Modification times do not help in a clone, where files are written in the order
// of their names: only git knows which of two files was changed first.
type history struct {
	top  string // of the work tree, without links in its path
	head string // commit
	ids  map[string]string
}

// historyTime bounds the reading of a history.
const historyTime = 20 * time.Second

// historyOf returns the history that a directory of sources is part of, nil when there
// is none that can be read: then times decide. It is read again when HEAD moves. It is
// called with syncing held.
func (m *Mirror) historyOf(ctx context.Context, path string) *history {
	top, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	for !exists(filepath.Join(top, ".git")) {
		if top == "/" {
			return nil
		}
		top = filepath.Dir(top)
	}
	gitDir := filepath.Join(top, ".git")
	if !sameOwner(gitDir, path) {
		return nil
	}
	head := headOf(gitDir)
	if last := m.histories[path]; head == "" || last != nil && last.head == head {
		return last
	}
	ctx, cancel := context.WithTimeout(ctx, historyTime)
	defer cancel()
	h := &history{top: top, head: head}
	if h.ids, err = m.readHistory(ctx, candidate{slug: filepath.Base(top), gitDir: gitDir}, head); err != nil {
		h.ids = nil // not tried again before HEAD moves
	}
	m.histories[path] = h
	return h
}

// sameOwner reports whether a repository belongs to whom the directory belongs, to this
// process's user or to root, as git's safe.directory asks: /tmp/.git is anybody's.
func sameOwner(gitDir, dir string) bool {
	info, err := os.Lstat(gitDir)
	if err != nil || !info.IsDir() {
		return false
	}
	own, ok := info.Sys().(*syscall.Stat_t)
	of, err := os.Stat(dir)
	if err != nil || !ok {
		return false
	}
	theirs, ok := of.Sys().(*syscall.Stat_t)
	return ok && (own.Uid == theirs.Uid || own.Uid == 0 || int(own.Uid) == os.Geteuid())
}

// headOf returns the commit that is checked out, or "".
func headOf(gitDir string) string {
	head, err := readPointer(gitDir, "HEAD")
	if err != nil {
		return ""
	}
	if ref, symbolic := strings.CutPrefix(head, "ref: refs/"); symbolic {
		repository, err := readRepository(gitDir)
		if err != nil {
			return ""
		}
		head = repository.refs[ref]
	}
	if checkCommit(head) != nil {
		return ""
	}
	return head
}

// readHistory returns the ids of all PKGBUILDs and .SRCINFOs of a commit, by path.
func (m *Mirror) readHistory(ctx context.Context, c candidate, head string) (map[string]string, error) {
	r := reach(append([]string{filepath.Dir(c.gitDir)}, m.links...))
	objects, err := r.objectsOf(c)
	if err != nil {
		return nil, err
	}
	served, err := m.serveStores(nil, objects)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(served)
	g := m.git
	g.dir, g.damage = served, nil
	out, err := g.output(ctx, "ls-tree", "-r", "-z", "--full-tree", head)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for line := range strings.SplitSeq(out, "\x00") {
		kind, path, _ := strings.Cut(line, "\t")
		if fields := strings.Fields(kind); len(fields) == 3 && (filepath.Base(path) == pkgbuild || filepath.Base(path) == srcinfoName) {
			ids[path] = fields[2]
		}
	}
	return ids, nil
}

// has reports whether these files of a directory are as they were committed.
func (h *history) has(dir string, files ...*file) bool {
	if h == nil {
		return false
	}
	below, err := filepath.Rel(h.top, dir)
	return err == nil && !slices.ContainsFunc(files, func(f *file) bool {
		return h.ids[filepath.ToSlash(filepath.Join(below, f.path))] != objectID("blob", f.data)
	})
}

// contradicts reports whether a PKGBUILD assigns another version than its .SRCINFO has. A
// version that only bash could compute counts as the same.
func contradicts(recipe, srcinfo []byte) bool {
	said, listed := versions(recipe, false), versions(srcinfo, true)
	for name, value := range said {
		if other, known := listed[name]; known && value != "" && other != "" && value != other {
			return true
		}
	}
	return false
}

// versions returns the values that a text assigns to the parts of a version, without
// those that are no literal or assigned more than once.
func versions(text []byte, indented bool) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if indented {
			line = strings.TrimLeft(line, " \t")
		}
		name, value, ok := strings.Cut(line, "=")
		if indented {
			name = strings.TrimRight(name, " \t")
		}
		if !ok || name != "epoch" && name != "pkgver" && name != "pkgrel" {
			continue
		}
		value = plainValue(value)
		if before, twice := values[name]; twice && before != value {
			value = ""
		}
		values[name] = value
	}
	return values
}

// plainValue returns a value without blanks, quotes and comment; empty when bash
// would have to compute it.
func plainValue(value string) string {
	value, _, _ = strings.Cut(value, " #")
	value = strings.TrimSpace(value)
	for _, quote := range []string{`"`, "'"} {
		if inner, ok := strings.CutPrefix(value, quote); ok {
			value = strings.TrimSuffix(inner, quote)
		}
	}
	if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~") != "" {
		return ""
	}
	return value
}
