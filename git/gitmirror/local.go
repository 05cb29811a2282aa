package gitmirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw/internal/atomicfile"

	"buildbtw"
)

// repository is a source's git repository, as far as a look at it tells.
type repository struct {
	refs     sourceRefs
	reftable bool   // only git can read its refs
	shallow  []byte // where the history of a shallow clone ends; nil: it is whole
}

// maxRefs is how many refs a source may have that is read together with others.
const maxRefs = 1_000

// isPlain reports whether nothing about the repository is out of the ordinary, so
// that it can be read together with others.
func (r repository) isPlain() bool {
	return !r.reftable && r.shallow == nil && len(r.refs) <= maxRefs
}

// readRepository reads the refs of the repository in a directory.
func readRepository(gitDir string) (repository, error) {
	root, err := os.OpenRoot(gitDir)
	if err != nil {
		return repository{}, err
	}
	defer func() { _ = root.Close() }()
	var r repository
	if r.refs, r.reftable, err = readRefs(root); err != nil {
		return repository{}, err
	}
	r.shallow, err = readRegular(root, "shallow", maxPacked)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, err
}

// objectsOf returns the store of objects of a source's repository.
func (r reach) objectsOf(c candidate) (dir string, err error) {
	dir, err = r.enter(filepath.Join(c.gitDir, "objects"))
	if err != nil {
		return "", outside(c.slug, "the store of objects of its repository", err)
	}
	return dir, r.checkObjects(c.slug, dir, 0)
}

// fetchLocal makes the mirror's refs of a source equal to those of its repository.
//
// Git never reads the configuration of a source, which can name programs to run
// and files to include: it is served from a directory that has the source's refs,
// as they were read, its objects by an alternate, and a configuration of ours.
func (m *Mirror) fetchLocal(ctx context.Context, c candidate, objects string, have sourceRefs, from repository) error {
	served, err := m.serve(c.gitDir, objects, from)
	if err != nil {
		return fmt.Errorf("prepare the fetch of source %s: %w", c.slug, err)
	}
	defer os.RemoveAll(served)
	scratch, err := m.newScratch(have)
	if err != nil {
		return fmt.Errorf("prepare the fetch of source %s: %w", c.slug, err)
	}
	defer os.RemoveAll(scratch)
	shallow, err := m.copyShallow(scratch)
	if err != nil {
		return fmt.Errorf("prepare the fetch of source %s: %w", c.slug, err)
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--prune", "--force", "--no-write-fetch-head", "--no-recurse-submodules"}
	if from.shallow != nil {
		args = append(args, "--update-shallow") // else git skips the refs of a shallow clone without a word
	}
	g := m.git
	g.dir = scratch
	g.env = append(slices.Clone(g.env), "GIT_ALLOW_PROTOCOL=file", "GIT_OBJECT_DIRECTORY="+filepath.Join(m.git.dir, "objects"))
	err = g.run(ctx, call{args: append(args, "--", served, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")})
	var said *gitError
	if errors.As(err, &said) {
		said.said = strings.NewReplacer(served, c.slug, objects, c.slug, scratch, "the mirror", m.git.dir, "the mirror").Replace(said.said)
	}
	if err != nil {
		return err
	}
	got, err := readRepository(scratch)
	switch {
	case err != nil:
		return fmt.Errorf("read what was fetched of source %s: %w", c.slug, err)
	case !from.reftable && !maps.Equal(got.refs, from.refs): // git leaves out refs that it cannot read
		return buildbtw.Invalid("source %s: git cannot read %s", c.slug, differing(from.refs, got.refs))
	}
	if err := m.addShallow(shallow, got.shallow); err != nil {
		return fmt.Errorf("fetch source %s: %w", c.slug, err)
	}
	return m.replaceRefs(ctx, c.slug, have, got.refs)
}

// differing names a few refs that are not the same in both.
func differing(want, got sourceRefs) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			names = append(names, name)
		}
	}
	if len(names) > maxSuggestions {
		names = append(names[:maxSuggestions], fmt.Sprintf("%d more", len(names)-maxSuggestions))
	}
	return strings.Join(names, ", ")
}

// serve makes the directory from which git reads a source.
func (m *Mirror) serve(gitDir, objects string, from repository) (dir string, err error) {
	dir, err = m.serveStores(from.refs, objects)
	if err != nil {
		return "", err
	}
	if from.shallow != nil {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "shallow"), from.shallow, 0o644))
	}
	if from.reftable {
		config := "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\trefStorage = reftable\n"
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644),
			os.Symlink(filepath.Join(gitDir, "reftable"), filepath.Join(dir, "reftable")))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// copyShallow tells a scratch repository where the histories in the mirror end.
func (m *Mirror) copyShallow(scratch string) (shallow []byte, err error) {
	shallow, err = os.ReadFile(filepath.Join(m.git.dir, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return shallow, os.WriteFile(filepath.Join(scratch, "shallow"), shallow, 0o644)
}

// addShallow adds the lines that a fetch added to its copy of the file "shallow" (commits
// without parents here) to that of the mirror. Several fetches may end at the same time.
func (m *Mirror) addShallow(before, after []byte) error {
	if bytes.Equal(before, after) {
		return nil
	}
	m.shallow.Lock()
	defer m.shallow.Unlock()
	path := filepath.Join(m.git.dir, "shallow")
	now, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines := strings.Fields(string(now) + "\n" + string(after))
	slices.Sort(lines)
	return atomicfile.WriteBytes(path, 0o644, []byte(strings.Join(slices.Compact(lines), "\n")+"\n"))
}
