package gitmirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"buildbtw/internal/atomicfile"

	"buildbtw"
)

// Remote is a repository elsewhere that is a source.
type Remote struct {
	Slug string
	URL  string // https://, http:// or ssh://
}

// ClaimRemotes records that sources come from an owner, such as
// "gitlab:archlinux/packaging", before they are fetched. It returns those that
// belong to another owner already; they must not be fetched.
func (m *Mirror) ClaimRemotes(owner string, slugs []string) (taken []string, err error) {
	return m.owners.claim(owner, slugs)
}

// Remotes returns the sources of an owner, sorted.
func (m *Mirror) Remotes(owner string) []string {
	return m.owners.ownedBy(func(of string) bool { return of == owner })
}

// FetchRemote makes the mirror's refs of a source equal to those of a repository
// elsewhere, all in one step, and reports whether that changed any. After an
// error, which is written for people, the refs are as before. It is NotFound when
// there is no such repository, or the token may not see it.
//
// Many may be fetched at the same time, also during SyncDir. Call Tidy after
// many.
func (m *Mirror) FetchRemote(ctx context.Context, a Access, r Remote) (changed bool, err error) {
	if err := checkSlug(r.Slug); err != nil {
		return false, err
	}
	defer m.fetching.lock(r.Slug)()
	all, err := m.git.refsBelow(ctx, refRoot+r.Slug+"/")
	if err != nil {
		return false, err
	}
	have := all[r.Slug]
	scratch, err := m.newScratch(have)
	if err != nil {
		return false, fmt.Errorf("prepare the fetch of source %s: %w", r.Slug, err)
	}
	defer os.RemoveAll(scratch)
	if err := m.fetchInto(ctx, scratch, a, r); err != nil {
		return false, err
	}
	fetched, err := readRepository(scratch)
	now := fetched.refs
	switch {
	case err != nil:
		return false, fmt.Errorf("read what was fetched of source %s: %w", r.Slug, err)
	case len(now) == 0 && len(have) > 0: // git takes a page in front of the server for an empty repository
		return false, buildbtw.Unavailable("source %s has no branch any more, or what answers is no git server; it stays as it was", r.Slug)
	case len(now) == 0:
		return false, buildbtw.Invalid("source %s has no branch yet; push something to it", r.Slug)
	case maps.Equal(have, now):
		return false, nil
	}
	return true, m.replaceRefs(ctx, r.Slug, have, now)
}

// newScratch makes a repository that has the refs of one source and no others,
// and shares the mirror's objects. Fetching into it costs as much as this source
// alone: git offers the other side all refs that it has, and compares the fetched
// ones with all of them, which in the mirror are a distribution's. (Of the two,
// fetch's --negotiation-tip would shorten the first only.)
func (m *Mirror) newScratch(have sourceRefs) (dir string, err error) {
	dir, err = os.MkdirTemp(m.git.dir, atomicfile.TempPrefix)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(have)) {
		fmt.Fprintf(&packed, "%s refs/%s\n", have[name], name)
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(dir, "refs"), 0o755),
		os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/none\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "config"), []byte("[core]\n\trepositoryformatversion = 0\n\tbare = true\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "packed-refs"), packed.Bytes(), 0o644))
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// fetchInto fetches into a scratch repository; the objects go to the mirror.
func (m *Mirror) fetchInto(ctx context.Context, scratch string, a Access, r Remote) error {
	fetching, cancel := context.WithTimeoutCause(ctx, a.timeout(), errSlow)
	defer cancel()
	g := m.git
	g.dir = scratch
	g.env = append(slices.Clone(g.env), a.environment(r.URL)...)
	g.env = append(g.env, "GIT_OBJECT_DIRECTORY="+filepath.Join(m.git.dir, "objects"))
	err := g.run(fetching, call{args: []string{
		"fetch", "--quiet", "--no-tags", "--prune", "--force", "--no-write-fetch-head", "--no-recurse-submodules",
		"--", r.URL, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "^refs/heads/" + buildbtw.PipelineRefs + "*",
	}})
	if ctx.Err() != nil {
		return fmt.Errorf("fetch source %s: %w", r.Slug, context.Cause(ctx))
	}
	var said *gitError
	if errors.As(err, &said) {
		said.said = strings.NewReplacer(scratch, "the mirror", m.git.dir, "the mirror").Replace(said.said)
	}
	return a.forPeople(r, err)
}

// PushCommit makes a branch of a repository elsewhere point to a commit of the mirror
// that was made here, whatever it pointed to. The error is written for people; it is
// Forbidden when the token may not push there.
func (m *Mirror) PushCommit(ctx context.Context, a Access, r Remote, commit, branch string) error {
	if err := errors.Join(checkSlug(r.Slug), checkCommit(commit), buildbtw.CheckRef(branch)); err != nil {
		return err
	}
	pushing, cancel := context.WithTimeoutCause(ctx, a.timeout(), errSlow)
	defer cancel()
	g := m.git
	g.env = append(slices.Clone(g.env), a.environment(r.URL)...)
	err := g.run(pushing, call{args: []string{"push", "--quiet", "--no-verify", "--", r.URL, "+" + commit + ":refs/heads/" + branch}})
	if ctx.Err() != nil {
		return fmt.Errorf("push a commit of source %s: %w", r.Slug, context.Cause(ctx))
	}
	var said *gitError
	if errors.As(err, &said) {
		lower := strings.ToLower(said.said)
		for _, phrase := range []string{"returned error: 403", "not allowed to", "remote rejected", "pre-receive hook"} {
			if strings.Contains(lower, phrase) {
				return &buildbtw.Error{Kind: buildbtw.KindForbidden, Err: err, Message: "source " + r.Slug +
					": the commit with the higher version cannot be pushed to its project, where the token needs the scope api and the role Developer"}
			}
		}
	}
	return a.forPeople(r, err)
}

// replaceRefs changes the refs of a source. Vanished ones are deleted first: a
// branch "a" must make way for a branch "a/b".
func (m *Mirror) replaceRefs(ctx context.Context, slug string, have, want sourceRefs) error {
	var gone, moved strings.Builder
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if want[name] == "" {
			fmt.Fprintf(&gone, "delete %s%s/%s\n", refRoot, slug, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			fmt.Fprintf(&moved, "update %s%s/%s %s\n", refRoot, slug, name, want[name])
		}
	}
	for _, commands := range []string{gone.String(), moved.String()} {
		if commands == "" {
			continue
		}
		if err := m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands)}); err != nil {
			return fmt.Errorf("write the refs of source %s: %w", slug, err)
		}
	}
	return nil
}

// RemoveRemotes deletes sources of an owner with their refs, in one step. It
// returns those that had refs.
func (m *Mirror) RemoveRemotes(ctx context.Context, owner string, slugs []string) (removed []string, err error) {
	own := m.Remotes(owner)
	slugs = slices.DeleteFunc(slices.Clone(slugs), func(s string) bool { return !slices.Contains(own, s) })
	for _, slug := range slugs {
		defer m.fetching.lock(slug)()
	}
	refs, err := m.refs(ctx)
	if err != nil {
		return nil, err
	}
	return m.remove(ctx, slugs, refs)
}

// keyed is a set of locks by name. The zero value is ready.
type keyed struct {
	mu   sync.Mutex
	held map[string]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	users int
}

// lock waits for the lock of a key and returns the function that releases it.
func (k *keyed) lock(key string) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*keyedLock{}
	}
	l := k.held[key]
	if l == nil {
		l = &keyedLock{}
		k.held[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.held, key)
		}
	}
}
