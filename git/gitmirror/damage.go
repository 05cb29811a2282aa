package gitmirror

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The mirror can be made again from its sources. Files of it that a power cut or a failing
// disk damaged are moved aside for inspection; they never keep the server from starting or
// the sources from being read.

// maxAside is how many damaged repositories, and how many damaged files of owners,
// are left lying; the oldest are deleted.
const maxAside = 2

// remakePause bounds how often a mirror in use is made anew: a disk that goes on
// losing data would have all sources fetched again and again.
const remakePause = time.Hour

// asideMark is in the names of files that were set aside, before the time.
const asideMark = ".broken-"

// isDamage reports whether git speaks of damaged files, and not of objects that are
// odd: the content of no source makes it say so.
func isDamage(said string) bool {
	lower := strings.ToLower(said)
	return slices.ContainsFunc([]string{
		"object file", "is corrupt", "corrupt loose object", "missing object", "bad object", "inflate:", "garbage at end of loose object",
		"unable to unpack", "is not a git packfile", "packfile", "pack file", "index file", "not a git repository", "bad config", "unknown repository",
		"unexpected line in", "unterminated line in", "expected git repo version", "unable to parse object",
	}, func(phrase string) bool { return strings.Contains(lower, phrase) })
}

// SetAside returns the names of damaged parts of the mirror that were set aside and
// made anew, as long as they lie in the data directory, the newest first.
func (m *Mirror) SetAside() []string {
	m.asideMu.Lock()
	defer m.asideMu.Unlock()
	m.aside = slices.DeleteFunc(m.aside, func(path string) bool { return !exists(path) })
	names := make([]string, len(m.aside))
	for i, path := range m.aside {
		names[i] = filepath.Base(path)
	}
	return names
}

// listAside returns the paths that earlier processes set aside.
func (m *Mirror) listAside() []string {
	var found []string
	for _, dir := range []string{filepath.Dir(m.git.dir), m.git.dir} {
		entries, _ := os.ReadDir(dir) // an unreadable one has nothing to tell
		for _, e := range entries {
			if strings.Contains(e.Name(), asideMark) && (dir == m.git.dir || strings.HasPrefix(e.Name(), filepath.Base(m.git.dir)+asideMark)) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(stamp(b), stamp(a)) })
	return found
}

// stamp returns the time in the name of a file that was set aside.
func stamp(path string) string {
	_, at, _ := strings.Cut(filepath.Base(path), asideMark)
	return at
}

// moveAside renames a file or directory and deletes the oldest of those that were
// set aside under the same name.
func (m *Mirror) moveAside(path string) error {
	aside := path + asideMark + m.now().UTC().Format("20060102-150405.000")
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set a damaged %s aside: %w", filepath.Base(path), err)
	}
	same := 0
	list := m.listAside()
	for i, old := range list {
		if !strings.HasPrefix(filepath.Base(old), filepath.Base(path)+asideMark) {
			continue
		}
		if same++; same > maxAside {
			if err := os.RemoveAll(old); err == nil {
				list[i] = ""
			}
		}
	}
	m.asideMu.Lock()
	defer m.asideMu.Unlock()
	m.aside = slices.DeleteFunc(list, func(path string) bool { return path == "" })
	return nil
}

// setAside moves the repository aside and resets the state read from it.
func (m *Mirror) setAside() error {
	if err := m.moveAside(m.git.dir); err != nil {
		return err
	}
	m.seen.Clear()
	m.ahead.clear()
	m.footprints.forget("")
	clear(m.reported)
	m.looks.mu.Lock()
	defer m.looks.mu.Unlock()
	for slug, s := range m.looks.of {
		if s.began.IsZero() {
			delete(m.looks.of, slug)
		}
	}
	return nil
}

// Heal makes the mirror anew when it could not be made before, or when git has
// spoken of damage. It reports whether it has, and everything must be fetched again.
func (m *Mirror) Heal(ctx context.Context) (remade bool, err error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	return m.heal(ctx)
}

// heal is called with syncing held.
func (m *Mirror) heal(ctx context.Context) (remade bool, err error) {
	damage := m.git.damage.Swap(nil)
	switch {
	case m.unusable:
	case damage == nil:
		return false, nil
	case m.now().Sub(m.checked) < remakePause:
		return false, nil // the reader reports files that it cannot read
	default:
		m.checked = m.now()
		err := m.git.run(ctx, call{args: []string{"fsck", "--no-dangling", "--no-progress"}})
		m.git.damage.Store(nil)
		if ctx.Err() != nil || err == nil {
			return false, err // a false alarm
		}
		if err := m.setAside(); err != nil {
			return false, err
		}
	}
	err = m.prepare(ctx)
	m.unusable = err != nil
	return err == nil, err
}

// Empty reports whether the mirror has no refs at all: it is new, or was made anew.
func (m *Mirror) Empty(ctx context.Context) (bool, error) {
	refs, err := m.refs(ctx)
	return err == nil && len(refs) == 0, err
}
