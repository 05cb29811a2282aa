package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
)

// A new server finds thousands of sources at once. Their branches and .SRCINFO files are
// read in the sources' own repositories, some dozens of sources with one process, so that
// plans can be made soon. The objects are copied into the mirror afterwards, again dozens
// of sources at once, or when one is requested. One git fetch for each source costs ten times as much
// (docs/decisions/0011-reading-ahead.md).
const (
	batchTime = time.Minute // for reading one batch

	manyNew        = 8  // more new sources than this are read ahead
	packedTogether = 40 // batches after which their packs are put together

	together = 32 // sources that one process reads; git looks into the store of each for an object
)

// batch is some sources that git reads together: from a directory that has their
// refs, as they were read, below refs/sources, and their objects by alternates.
type batch struct {
	members []*unmirrored
	served  string

	mirroring sync.Mutex   // held while the batch is mirrored
	using     sync.RWMutex // held for reading while served is read
	done      bool         // served is gone: the objects are in the mirror, or are fetched for each source alone; guarded by using
}

// unmirrored is a source that was looked at and whose objects are not in the mirror.
type unmirrored struct {
	slug    string
	objects string // its store of objects
	refs    sourceRefs
	batch   *batch
	alone   bool // it could not be read or mirrored together with others; guarded by ahead.mu
}

// ahead has the refs of sources that are not in the mirror yet. It may be lost at any
// time: a source that is not in the mirror is read again.
type ahead struct {
	mu       sync.Mutex
	of       map[string]*unmirrored // by slug
	byCommit map[string]*unmirrored // by the commit of a branch
	open     *batch                 // not full yet
	queue    []*batch               // to be mirrored, in this order
	filling  bool                   // somebody does that
	drafts   []snapshot             // of plain directories, to be committed together
	size     int                    // bytes in drafts

	found   map[string]int  // sources by directory of sources, for Reading
	settled map[string]bool // by slug: a pass has looked at it
	sealed  int             // members of all batches
	read    int             // of them were read
}

// get returns the refs that were read ahead of a source, and whether it must be mirrored
// alone.
func (a *ahead) get(slug string) (u *unmirrored, alone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	u = a.of[slug]
	return u, u != nil && u.alone
}

// add takes a source that was looked at.
func (a *ahead) add(m *Mirror, u *unmirrored) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(u.slug)
	if a.open == nil {
		a.open = &batch{}
	}
	u.batch = a.open
	a.open.members = append(a.open.members, u)
	if len(a.open.members) == together {
		a.seal(m)
	}
}

// sealOpen closes the last batch, however few are in it.
func (a *ahead) sealOpen(m *Mirror) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seal(m)
}

// seal is called with the mutex held. From then on the batch's sources are known to
// all.
func (a *ahead) seal(m *Mirror) {
	b := a.open
	if b == nil {
		return
	}
	a.open, a.sealed = nil, a.sealed+len(b.members)
	if err := b.serve(m); err != nil { // a full disk: fetched alone, each says so
		b.done = true
	}
	a.queue = append(a.queue, b)
	for _, u := range b.members {
		u.alone = b.done
		a.of[u.slug] = u
		for name, commit := range u.refs {
			if strings.HasPrefix(name, headsPrefix) {
				a.byCommit[commit] = u
			}
		}
	}
}

// serve makes the directory from which git reads the batch.
func (b *batch) serve(m *Mirror) (err error) {
	refs := sourceRefs{}
	var stores []string
	for _, u := range b.members {
		for name, object := range u.refs {
			refs[strings.TrimPrefix(refRoot, "refs/")+u.slug+"/"+name] = object
		}
		stores = append(stores, u.objects)
	}
	b.served, err = m.serveStores(refs, stores...)
	return err
}

// serveStores makes a repository that has these refs, and as alternates the stores of
// objects of others. Whoever asks for it removes it.
func (m *Mirror) serveStores(refs sourceRefs, stores ...string) (dir string, err error) {
	dir, err = m.newScratch(refs)
	if err != nil {
		return "", err
	}
	var alternates strings.Builder
	for _, store := range stores {
		alternates.WriteString(quotePath(store) + "\n")
	}
	info := filepath.Join(dir, "objects", "info")
	err = errors.Join(os.MkdirAll(info, 0o755), os.WriteFile(filepath.Join(info, "alternates"), []byte(alternates.String()), 0o644))
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// drop forgets a source. It is called with the mutex held.
func (a *ahead) drop(slug string) {
	u := a.of[slug]
	if u == nil {
		return
	}
	delete(a.of, slug)
	for name, commit := range u.refs {
		if strings.HasPrefix(name, headsPrefix) && a.byCommit[commit] == u {
			delete(a.byCommit, commit)
		}
	}
}

// forget drops a source that is gone or is in the mirror, and reports whether it was
// known ahead.
func (a *ahead) forget(slug string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.of[slug]
	a.drop(slug)
	return u != nil
}

// clear drops all, when the mirror is made anew.
func (a *ahead) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.of)
	clear(a.byCommit)
	clear(a.settled)
	a.open, a.queue, a.drafts, a.size, a.read, a.sealed = nil, nil, nil, 0, 0, 0
}

// busy reports whether anything waits to be mirrored.
func (a *ahead) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.filling || len(a.queue) > 0
}

// refs returns the refs of the sources that are known ahead.
func (a *ahead) refs() map[string]sourceRefs {
	a.mu.Lock()
	defer a.mu.Unlock()
	refs := make(map[string]sourceRefs, len(a.of))
	for slug, u := range a.of {
		refs[slug] = u.refs
	}
	return refs
}

// tips returns the branches that were read ahead of these sources, or of all. The commits
// of tags are unknown until the source is mirrored.
func (a *ahead) tips(slugs []string, all bool) (tips []Tip) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if all {
		slugs = slices.Sorted(maps.Keys(a.of))
	}
	for _, slug := range slugs {
		if u := a.of[slug]; u != nil {
			for _, name := range slices.Sorted(maps.Keys(u.refs)) {
				if ref, isHead := strings.CutPrefix(name, headsPrefix); isHead {
					tips = append(tips, Tip{Slug: slug, Ref: ref, Commit: u.refs[name]})
				}
			}
		}
	}
	return tips
}

// readAhead reads the .SRCINFO of those commits that are known ahead, and returns the
// others.
func (m *Mirror) readAhead(ctx context.Context, commits []string) (read map[string]Srcinfo, others []string, err error) {
	of := map[*batch][]string{}
	a := &m.ahead
	a.mu.Lock()
	for _, c := range commits {
		if u := a.byCommit[c]; u != nil {
			of[u.batch] = append(of[u.batch], c)
		} else {
			others = append(others, c)
		}
	}
	a.mu.Unlock()
	read = map[string]Srcinfo{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(parallel)
	for b, commits := range of {
		group.Go(func() error {
			infos, err := m.readBatch(ctx, b, commits)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(read, infos)
			if infos == nil { // it is in the mirror now
				others = append(others, commits...)
			}
			return err
		})
	}
	err = group.Wait()
	return read, others, err
}

// readBatch reads the .SRCINFO of commits of a batch. It returns nil when the batch
// has been mirrored. A source that cannot be read together with others is read
// alone.
func (m *Mirror) readBatch(ctx context.Context, b *batch, commits []string) (map[string]Srcinfo, error) {
	b.using.RLock()
	defer b.using.RUnlock()
	if b.done {
		return nil, nil
	}
	bounded, cancel := context.WithTimeoutCause(ctx, batchTime, errSlow)
	defer cancel()
	infos, err := m.served(b).readSrcinfos(bounded, commits)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read sources together: %w", context.Cause(ctx))
	}
	again := buildbtw.Unavailable("it could not be read together with others; it is read by itself")
	if err != nil {
		infos = make(map[string]Srcinfo, len(commits))
		for _, c := range commits {
			infos[c] = Srcinfo{Err: again}
		}
	}
	m.ahead.mu.Lock()
	defer m.ahead.mu.Unlock()
	m.ahead.read += len(commits)
	for c, info := range infos {
		if u := m.ahead.byCommit[c]; u != nil && buildbtw.KindOf(info.Err) == buildbtw.KindUnavailable {
			u.alone = true
		}
	}
	return infos, nil
}

// served returns git for a batch. Damage that it reports is the sources', not the
// mirror's.
func (m *Mirror) served(b *batch) git {
	g := m.git
	g.dir, g.damage = b.served, nil
	return g
}

// isLeft reports whether anything is not in the mirror that a pass has read.
func (a *ahead) isLeft() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.of) > 0
}

// Unread reports whether there are sources that could not be read together with
// others: the next pass reads each by itself.
func (m *Mirror) Unread() bool {
	a := &m.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.of {
		if u.alone {
			return true
		}
	}
	return false
}

// expect records how many sources a directory has.
func (a *ahead) expect(dir string, sources int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found[dir] = sources
}

// settle records that a pass has looked at a source.
func (a *ahead) settle(slug string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled[slug] = true
}

// Reading returns how many sources have been read, and how many there are: for those
// who wait for the first pass.
func (m *Mirror) Reading() (read, of int) {
	a := &m.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.found {
		of += n
	}
	return max(0, len(a.settled)-(a.sealed-a.read)), of
}

// Fill copies the objects of the sources that were read ahead into the mirror, apart
// from the passes, until ctx ends. It does not wait.
func (m *Mirror) Fill(ctx context.Context) {
	if !m.ahead.busy() {
		return
	}
	m.looks.under.Go(func() {
		if m.fill(ctx) && m.looks.ended != nil {
			m.looks.ended() // the next pass tidies
		}
	})
}

// fill mirrors the sources that were read ahead. It returns false without doing so while
// another call does.
func (m *Mirror) fill(ctx context.Context) bool {
	a := &m.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.filling {
		return false
	}
	a.filling = true
	for n := 1; len(a.queue) > 0 && ctx.Err() == nil; n++ {
		b := a.queue[0]
		a.queue = a.queue[1:]
		a.mu.Unlock()
		m.mirrorBatch(ctx, b)
		if n%packedTogether == 0 { // else every git would look into hundreds of packs
			_ = m.git.run(ctx, call{args: []string{"repack", "--geometric=2", "-d", "--quiet"}}) // Tidy reports errors of the mirror
		}
		a.mu.Lock()
	}
	a.filling = false
	return true
}

// mirrorBatch copies the objects of a batch into the mirror and writes its refs. The
// sources of one that fails are mirrored alone, which tells whose fault it is.
func (m *Mirror) mirrorBatch(ctx context.Context, b *batch) {
	b.mirroring.Lock()
	defer b.mirroring.Unlock()
	b.using.RLock()
	done := b.done
	b.using.RUnlock()
	if done {
		return
	}
	bounded, cancel := context.WithTimeoutCause(ctx, fetchTime, errSlow)
	defer cancel()
	got, err := m.fetchBatch(bounded, b)
	if ctx.Err() != nil {
		return // looked at again after the next start, or by whoever asks next
	}
	m.takeBatch(bounded, b, got, err)
	b.using.Lock()
	defer b.using.Unlock()
	b.done = true
	_ = os.RemoveAll(b.served) // the next start removes the rest
}

// takeBatch writes the refs of a batch that was fetched. Sources that git left out because
// it could not read them, and all those of a failed batch, will be fetched alone.
func (m *Mirror) takeBatch(ctx context.Context, b *batch, got map[string]sourceRefs, err error) {
	a := &m.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	var mirrored []*unmirrored
	var commands strings.Builder
	for _, u := range b.members {
		if a.of[u.slug] != u {
			continue // gone, or has moved on
		}
		if err != nil || !maps.Equal(got[u.slug], u.refs) {
			u.alone = true
			continue
		}
		mirrored = append(mirrored, u)
		for name, object := range u.refs {
			fmt.Fprintf(&commands, "update %s%s/%s %s\n", refRoot, u.slug, name, object)
		}
	}
	if len(mirrored) > 0 {
		err = m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands.String())})
	}
	for _, u := range mirrored {
		if err != nil {
			u.alone = true
		} else {
			a.drop(u.slug)
		}
	}
	m.looks.mu.Lock()
	m.looks.wrote = true
	m.looks.mu.Unlock()
}

// fetchBatch fetches the objects of a batch, and returns the refs that were fetched.
func (m *Mirror) fetchBatch(ctx context.Context, b *batch) (map[string]sourceRefs, error) {
	scratch, err := m.newScratch(nil)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	g := m.git
	g.dir = scratch
	g.env = append(slices.Clone(g.env), "GIT_ALLOW_PROTOCOL=file", "GIT_OBJECT_DIRECTORY="+filepath.Join(m.git.dir, "objects"))
	err = g.run(ctx, call{args: []string{
		"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", b.served, "+" + refRoot + "*:" + refRoot + "*",
	}})
	if err != nil {
		return nil, err
	}
	return g.refsBelow(ctx, refRoot)
}

// mirrorSource sees to it that a source's objects are in the mirror, if it was read
// ahead. It reports whether it was.
func (m *Mirror) mirrorSource(ctx context.Context, slug string) bool {
	u, _ := m.ahead.get(slug)
	if u == nil {
		return false
	}
	m.mirrorBatch(ctx, u.batch)
	return true
}

// mirrorCommit is mirrorSource for the source that has a commit.
func (m *Mirror) mirrorCommit(ctx context.Context, commit string) bool {
	m.ahead.mu.Lock()
	u := m.ahead.byCommit[commit]
	m.ahead.mu.Unlock()
	return u != nil && m.mirrorSource(ctx, u.slug)
}

// maxDrafts is how many bytes of plain directories are committed together.
const maxDrafts = 8 << 20

// addDraft takes the snapshot of a new plain directory, to be committed with others.
func (m *Mirror) addDraft(ctx context.Context, s snapshot) {
	a := &m.ahead
	a.mu.Lock()
	a.drafts = append(a.drafts, s)
	for _, f := range s.files {
		a.size += len(f.data)
	}
	full := len(a.drafts) == together || a.size > maxDrafts
	a.mu.Unlock()
	if full {
		m.commitDrafts(ctx)
	}
}

// commitDrafts commits the snapshots that wait for it. Those that cannot be are left
// for the next pass, which commits each by itself; it returns how many.
func (m *Mirror) commitDrafts(ctx context.Context) (left int) {
	a := &m.ahead
	a.mu.Lock()
	list := a.drafts
	a.drafts, a.size = nil, 0
	a.mu.Unlock()
	if len(list) == 0 {
		return 0
	}
	if err := m.commit(ctx, list...); err != nil {
		for _, s := range list {
			m.seen.Store(s.slug, seenDir{alone: true})
		}
		return len(list)
	}
	for _, s := range list {
		m.seen.Store(s.slug, s.seen)
	}
	return 0
}
