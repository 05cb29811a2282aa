package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw"
)

// Report is the result of a pass over a directory of sources.
type Report struct {
	Found   int              // sources that are there
	Waiting int              // sources whose turn comes with the next pass
	Changed []string         // slugs of which a branch or tag is new, moved or gone since the pass before, sorted
	Removed []string         // slugs whose directory is gone, sorted
	Broken  map[string]error // why a source could not be mirrored, written for people; its refs are as before
	Looks   map[string]Look  // how sources stand that are worked at or in a pause
}

// SyncDir makes the mirror agree with the directory path: each subdirectory
// that is a git repository (with a working tree or bare) or a plain directory
// with a PKGBUILD is a source, its slug the name of the subdirectory (without
// the ending ".git" of a bare one). Sources that vanished from path are removed
// from the mirror.
//
// A source that cannot be read is in the report and does not stop others, as is
// one whose slug another directory of sources has already. The error means that
// path itself or the mirror failed; nothing is removed then.
func (m *Mirror) SyncDir(ctx context.Context, path string) (Report, error) {
	return m.sync(ctx, path, true, true)
}

// ReadDir is SyncDir for those who only plan: of many new sources the branches are
// known and the .SRCINFO can be read, and no objects are copied. After ReadSrcinfos,
// Unread says whether to call it again.
func (m *Mirror) ReadDir(ctx context.Context, path string) (Report, error) {
	return m.sync(ctx, path, true, false)
}

// SyncSome is ReadDir for a bounded time: the next call continues with the rest. Fill
// copies the objects. Slow sources are read beside the calls, until ctx ends.
func (m *Mirror) SyncSome(ctx context.Context, path string) (Report, error) {
	return m.sync(ctx, path, false, false)
}

func (m *Mirror) sync(ctx context.Context, path string, whole, copied bool) (Report, error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	path, err := filepath.Abs(path)
	if err != nil {
		return Report{}, fmt.Errorf("sync sources: %w", err)
	}
	if _, err := m.heal(ctx); err != nil {
		return Report{}, err
	}
	reach, found, err := m.scan(ctx, path)
	if err != nil {
		return Report{}, err
	}
	if len(found) == 0 {
		if n := srcinfoFiles(path); n > 0 {
			return Report{}, buildbtw.Invalid("%s has no source, only %d files *.SRCINFO: with them one can plan (buildbtw plan --sources dir:…); "+
				"a server needs for each a git repository, or a directory with its PKGBUILD", filepath.Base(path), n)
		}
	}
	if slices.ContainsFunc(found, candidate.isPlain) {
		h := m.historyOf(ctx, path)
		for i := range found {
			found[i].history = h
		}
	}
	m.footprints.retain(reach[0], found)
	before, err := m.refs(ctx)
	if err != nil {
		return Report{}, err
	}
	m.ahead.expect(path, len(found))
	p := &pass{mirror: m, reach: reach, before: before, have: before, report: Report{Found: len(found), Broken: map[string]error{}}}
	slugs, gone, err := p.claim(path, found)
	if err != nil {
		return Report{}, err
	}
	if p.report.Waiting, err = p.mirrorAll(ctx, found, whole); err != nil {
		return Report{}, err
	}
	if copied && m.ahead.isLeft() || whole && p.report.Waiting > 0 {
		if copied {
			m.fill(ctx)
		}
		if p.have, err = m.refs(ctx); err != nil {
			return Report{}, err
		}
		if p.report.Waiting, err = p.mirrorAll(ctx, found, whole); err != nil { // each that could not be mirrored together with others
			return Report{}, err
		}
	}
	p.report.Removed, err = m.remove(ctx, m.looks.forget(gone), before)
	if err != nil {
		return Report{}, err
	}
	err = p.finish(ctx, path, slugs)
	p.report.Waiting += m.looks.report(&p.report, slugs, before)
	return p.report, err
}

// scan lists the sources in a directory. One that does not answer, such as a
// network's file system, is given up for now, and not asked again before it
// answers.
func (m *Mirror) scan(ctx context.Context, path string) (reach, []candidate, error) {
	type list struct {
		reach reach
		found []candidate
		err   error
	}
	answer := m.scans[path]
	if answer == nil {
		answer = make(chan any, 1)
		m.scans[path] = answer
		go func() {
			var l list
			if l.reach, l.err = m.reachOf(path); l.err == nil {
				l.found, l.err = l.reach.scan(l.reach[0], m.footprints.unchanged)
			}
			answer <- l
		}()
	}
	select {
	case a := <-answer:
		delete(m.scans, path)
		l := a.(list)
		return l.reach, l.found, l.err
	case <-time.After(scanTime):
		return nil, nil, buildbtw.Unavailable("the directory did not answer within %v; it is asked again when it does", scanTime)
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("sync sources: %w", context.Cause(ctx))
	}
}

// RetainDirs removes the sources that came from any other directory than these,
// and from any other owner of remotes: to be called once at start, as --sources
// may have changed.
func (m *Mirror) RetainDirs(ctx context.Context, paths []string, remotes ...string) (removed []string, err error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	keep := map[string]bool{}
	for _, owner := range remotes {
		keep[owner] = true
	}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("retain sources: %w", err)
		}
		keep[abs] = true
	}
	refs, err := m.refs(ctx)
	if err != nil {
		return nil, err
	}
	return m.remove(ctx, m.owners.ownedBy(func(dir string) bool { return !keep[dir] }), refs)
}

// pass is one run of SyncDir or SyncSome.
type pass struct {
	mirror *Mirror
	reach  reach
	before map[string]sourceRefs // the refs when it began
	have   map[string]sourceRefs // now, unless the pass itself has changed them
	report Report
}

// claim records path as the owner of the found sources, marks as broken those
// that may not be mirrored, and returns the slugs that are there, and those that
// vanished from path.
func (p *pass) claim(path string, found []candidate) (slugs, gone []string, err error) {
	there := map[string]bool{}
	for _, c := range found {
		if c.err != nil {
			p.report.Broken[c.slug] = c.err
		}
		if checkSlug(c.slug) == nil {
			slugs = append(slugs, c.slug)
			there[c.slug] = true
		}
	}
	owners := p.mirror.owners
	taken, err := owners.claim(path, slugs)
	if err != nil {
		return nil, nil, err
	}
	for _, slug := range taken {
		p.report.Broken[slug] = buildbtw.Conflict("another of --sources has a source %q already; rename one of them", slug)
	}
	slugs = slices.DeleteFunc(slugs, func(slug string) bool { return p.report.Broken[slug] != nil })
	gone = owners.ownedBy(func(dir string) bool { return dir == path })
	return slugs, slices.DeleteFunc(gone, func(slug string) bool { return there[slug] }), nil
}

// mirrorAll brings every source that is not broken up to date, a few at a time. It
// returns how many had no turn. Unless the whole is wanted, it waits neither for
// slow sources nor longer than a pass may take.
func (p *pass) mirrorAll(ctx context.Context, found []candidate, whole bool) (left int, err error) {
	m := p.mirror
	sound := slices.DeleteFunc(slices.Clone(found), func(c candidate) bool { return p.report.Broken[c.slug] != nil })
	sound = m.looks.order(toRead(sound, p.have), p.have)
	var timeUp <-chan time.Time
	if !whole {
		timeUp = time.After(m.passTime)
	}
	fresh := 0
	for _, c := range sound {
		if len(p.have[c.slug]) == 0 {
			fresh++
		}
	}
	many := fresh > manyNew
	limit := m.patience
	if whole {
		limit = 0
	}
	var under sync.WaitGroup
	for i, c := range sound {
		select {
		case m.looks.places <- struct{}{}:
		case <-timeUp:
			m.ahead.sealOpen(m)
			return len(sound) - i + m.commitDrafts(ctx), nil
		case <-ctx.Done():
			return 0, fmt.Errorf("sync sources: %w", context.Cause(ctx))
		}
		working, cancel := context.WithCancelCause(ctx)
		s, ok := m.looks.begin(c.slug, m.now(), cancel)
		if !ok {
			cancel(nil)
			<-m.looks.places
			continue
		}
		under.Add(1)
		m.looks.under.Add(1)
		go m.work(working, c, s, limit, under.Done, func(ctx context.Context) outcome {
			o := m.mirrorOne(ctx, p.reach, c, p.have[c.slug], s, many)
			m.ahead.settle(c.slug)
			return o
		})
	}
	done := make(chan struct{})
	go func() {
		under.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-timeUp:
	}
	m.ahead.sealOpen(m)
	left = m.commitDrafts(ctx)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("sync sources: %w", context.Cause(ctx))
	}
	return left, nil
}

// forPeople returns a source's failure without the server's paths.
func forPeople(c candidate, err error) error {
	var said *gitError
	var known *buildbtw.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &said) && isPartial(c):
		return &buildbtw.Error{Kind: buildbtw.KindInvalid, Message: fmt.Sprintf(
			"source %s is a partial clone (git clone --filter), which lacks files; run there: git fetch --refetch --no-filter", c.slug), Err: err}
	case errors.As(err, &said) && lacksObjects(said.said):
		return &buildbtw.Error{Kind: buildbtw.KindInvalid, Message: fmt.Sprintf(
			"git cannot read source %s: objects of its repository are missing or damaged; run there: git fsck", c.slug), Err: err}
	case errors.As(err, &said):
		text := strings.Join(strings.Fields(strings.ReplaceAll(said.said, "\x00", " ")), " ") // in one line
		for _, path := range []string{c.gitDir, c.dir} {
			if path != "" {
				text = strings.ReplaceAll(text, path, c.slug)
			}
		}
		return &buildbtw.Error{Kind: buildbtw.KindInvalid, Message: fmt.Sprintf("git cannot read source %s: %s", c.slug, text), Err: err}
	}
	return buildbtw.Invalid("source %s cannot be read: %w", c.slug, plainCause(err))
}

// isPartial reports whether a source is a partial clone: git marks the packs that lack
// objects (git-clone(1), "--filter").
func isPartial(c candidate) bool {
	marks, _ := fs.Glob(os.DirFS(filepath.Join(c.gitDir, "objects", "pack")), "*.promisor")
	return len(marks) > 0
}

// lacksObjects reports whether git speaks of objects that are not as they should be.
func lacksObjects(said string) bool {
	return isDamage(said) || strings.Contains(said, "repository corruption") || strings.Contains(said, "unable to read")
}

// mirrorOne brings one source up to date.
//
// One of many new ones is read ahead.
func (m *Mirror) mirrorOne(ctx context.Context, r reach, c candidate, have sourceRefs, s *state, many bool) outcome {
	at, resting := newFootprint(c, m.now())
	known, alone := m.ahead.get(c.slug)
	if alone || known != nil && c.gitDir == "" {
		have = nil
	}
	if c.gitDir == "" {
		m.ahead.forget(c.slug)
		o := m.snapshot(ctx, c, have, s, many)
		if resting && o == (outcome{cheap: true}) {
			m.footprints.put(at)
		}
		return o
	}
	repository, err := readRepository(c.gitDir)
	switch {
	case err != nil:
		return outcome{err: err, cheap: true}
	case repository.reftable: // every pass asks git
	case len(repository.refs) == 0 && len(have) == 0:
		return outcome{err: noBranch(c.slug), cheap: true}
	case maps.Equal(repository.refs, have):
		if resting && known == nil {
			m.footprints.put(at)
		}
		return outcome{}
	}
	objects, err := r.objectsOf(c)
	if err != nil {
		return outcome{err: err, cheap: true}
	}
	o := outcome{wrote: true, print: repository.refs.digest()}
	if err := m.looks.rest(s, m.now(), o.print); err != nil {
		return outcome{err: err, resting: true}
	}
	if many && known == nil && len(have) == 0 && !m.looks.hasFailed(s) && repository.isPlain() {
		m.ahead.add(m, &unmirrored{slug: c.slug, objects: objects, refs: repository.refs})
		return o
	}
	if known != nil { // the mirror has nothing of it
		have = nil
		defer m.ahead.forget(c.slug)
	}
	o.err = m.fetchLocal(ctx, c, objects, have, repository)
	if o.err == nil && !repository.reftable && len(repository.refs) == 0 {
		o.err, o.cheap = noBranch(c.slug), true
	}
	return o
}

func noBranch(slug string) error {
	return buildbtw.Invalid("source %s has no branch yet; commit something to it", slug)
}

// remove deletes all refs of the slugs, in one transaction, and their owners. It
// returns those that had refs.
func (m *Mirror) remove(ctx context.Context, slugs []string, refs map[string]sourceRefs) (removed []string, err error) {
	var commands strings.Builder
	for _, slug := range slugs {
		if len(refs[slug]) > 0 {
			removed = append(removed, slug)
		}
		if m.ahead.forget(slug) {
			continue // nothing of it is in the mirror
		}
		for name := range refs[slug] {
			commands.WriteString("delete " + refRoot + slug + "/" + name + "\n")
		}
	}
	if commands.Len() > 0 {
		err := m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands.String())})
		if err != nil {
			return nil, fmt.Errorf("remove %d vanished sources: %w", len(removed), err)
		}
	}
	for _, slug := range slugs {
		m.seen.Delete(slug)
	}
	return removed, m.owners.release(slugs)
}

// finish tidies the mirror and reports which sources' refs have changed since the
// pass before over the same directory.
func (p *pass) finish(ctx context.Context, path string, slugs []string) error {
	m, after := p.mirror, p.before
	if m.looks.takeWrote() {
		if m.ahead.busy() {
			m.looks.mu.Lock()
			m.looks.wrote = true // it is tidied when all is there
			m.looks.mu.Unlock()
		} else if err := m.Tidy(ctx); err != nil {
			return err
		}
		var err error
		if after, err = m.refs(ctx); err != nil {
			return err
		}
	}
	last, known := m.reported[path]
	if !known {
		last = p.before
	}
	now := make(map[string]sourceRefs, len(slugs))
	for _, slug := range slugs {
		now[slug] = after[slug]
		if !maps.Equal(last[slug], now[slug]) {
			p.report.Changed = append(p.report.Changed, slug)
		}
	}
	m.reported[path] = now
	slices.Sort(p.report.Changed)
	return nil
}

// Tidy packs refs into one file, and objects when there are many loose ones, so
// that the mirror can be read quickly.
func (m *Mirror) Tidy(ctx context.Context) error {
	for _, args := range [][]string{{"pack-refs", "--all"}, {"gc", "--auto", "--quiet"}} {
		if err := m.git.run(ctx, call{args: args}); err != nil {
			return fmt.Errorf("tidy the mirror: %w", err)
		}
	}
	return nil
}
