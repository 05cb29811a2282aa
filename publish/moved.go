package publish

import (
	"context"
	"slices"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

// rebuild is an iteration on one architecture and the iteration with which it is
// compared; 0: with the base.
type rebuild struct {
	iteration, previous int64
	architecture        string
}

// moved lists the interfaces (sonames, provides, module directories) that packages had
// before an iteration and that its builds no longer have, by the name under which
// dependents use them, each with its pkgbase and its replacement.
type moved struct {
	gone        map[string]move
	directories []move // those of gone that are directories
}

type move struct {
	alpm.Gone
	pkgbase string
	unbuilt bool // the pkgbase is a changeset that is built after the others
}

// movedIn returns, for the iterations of some builds, the interfaces that their packages no
// longer have and had when these builds were last built. All packages of an iteration
// are compared, not only the dependencies of a build: a python module that depends only
// on another module must be rebuilt with python, however long the chain is.
func (p *Publisher) movedIn(ctx context.Context, list []store.CutoffCandidate) (map[rebuild]moved, error) {
	all := map[rebuild]moved{}
	for _, u := range list {
		r := rebuildOf(u)
		if _, known := all[r]; known {
			continue
		}
		m, err := p.moved(ctx, r)
		if err != nil {
			return nil, err
		}
		all[r] = m
	}
	return all, nil
}

func rebuildOf(u store.CutoffCandidate) rebuild {
	r := rebuild{iteration: u.Build.IterationID, architecture: u.Build.Architecture}
	if u.Previous != nil {
		r.previous = u.Previous.IterationID
	}
	return r
}

func (p *Publisher) moved(ctx context.Context, r rebuild) (moved, error) {
	m := moved{gone: map[string]move{}}
	rebuilt, err := p.Store.Rebuilt(ctx, r.iteration, r.previous, r.architecture)
	if err != nil {
		return m, err
	}
	if err := p.compare(ctx, r.architecture, rebuilt); err != nil {
		return m, err
	}
	for _, b := range rebuilt {
		for _, one := range p.compared[b.ID].moves {
			if _, known := m.gone[one.Name]; !known {
				m.gone[one.Name] = one
				if one.IsDirectory() {
					m.directories = append(m.directories, one)
				}
			}
		}
	}
	return m, nil
}

// comparison lists the interfaces that a build no longer has, compared with an earlier
// build or the base.
type comparison struct {
	output string // of the build
	was    int64  // id of the build that it was compared with; 0: the base
	status buildbtw.Status
	moves  []move
}

// maxCompared bounds the comparisons in memory: those of some iterations of a
// whole distribution.
const maxCompared = 50_000

// compare compares builds with the packages before them, and remembers the results: of the
// thousands of builds of an iteration each pass has a few new ones.
func (p *Publisher) compare(ctx context.Context, architecture string, rebuilt []store.Rebuilt) error {
	if len(p.compared) > maxCompared || p.compared == nil {
		p.compared = map[int64]comparison{}
	}
	var fresh []store.Rebuilt
	var ids []int64
	for _, b := range rebuilt {
		if c, ok := p.compared[b.ID]; ok && c.output == b.Output && c.was == b.WasID && c.status == b.Status {
			continue
		}
		fresh = append(fresh, b)
		if b.Status == buildbtw.StatusBuilt {
			ids = append(ids, b.ID)
		}
		if b.WasID != 0 {
			ids = append(ids, b.WasID)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	known, err := p.Store.InterfacesOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, b := range fresh {
		was := known[b.WasID]
		if b.WasID == 0 {
			was = p.ofBase(architecture, b.Pkgbase)
		}
		p.compared[b.ID] = comparison{b.Output, b.WasID, b.Status, movesOf(b, was, known[b.ID])}
	}
	return nil
}

// movesOf compares a build's packages with those before. Of a changeset that is
// not built yet, because it lies on a cycle, any directory may be about to move.
func movesOf(b store.Rebuilt, was, now []alpm.Interface) []move {
	var list []move
	if b.Status != buildbtw.StatusBuilt {
		names, _ := alpm.Uses(was)
		for _, name := range names {
			if g := (alpm.Gone{Name: name}); g.IsDirectory() {
				list = append(list, move{g, b.Pkgbase, true})
			}
		}
		return list
	}
	for _, gone := range alpm.GoneOf(was, now) {
		list = append(list, move{gone, b.Pkgbase, false})
	}
	return list
}

// noticesMoved reports whether the last packages of a build use an interface that its
// iteration's packages no longer have.
func (p *Publisher) noticesMoved(u store.CutoffCandidate, m moved) (reason string, changed bool) {
	if len(m.gone) == 0 {
		return "", false
	}
	uses, whole := p.usesOf(u)
	for _, name := range uses {
		if one, gone := m.gone[name]; gone && one.pkgbase != u.Build.Pkgbase {
			return one.reason(), true
		}
	}
	at := slices.IndexFunc(m.directories, func(one move) bool { return one.pkgbase != u.Build.Pkgbase })
	if whole || at < 0 {
		return "", false
	}
	return "it is unknown which files its last build has, and " + m.directories[at].words(), true
}

// usesOf returns the interfaces that the last packages of a build use. whole is true if
// all their files are known.
func (p *Publisher) usesOf(u store.CutoffCandidate) (names []string, whole bool) {
	own := u.Own
	if u.Previous == nil {
		own = p.ofBase(u.Build.Architecture, u.Build.Pkgbase)
	}
	return alpm.Uses(own)
}

// onlyHasFiles reports whether a build depends on some packages by nothing but files
// in a versioned directory of theirs.
func (p *Publisher) onlyHasFiles(u store.CutoffCandidate, deps []alpm.Dep, on []alpm.Interface) bool {
	uses, whole := p.usesOf(u)
	return whole && !alpm.Asks(deps, on) && slices.ContainsFunc(on, func(i alpm.Interface) bool {
		return slices.ContainsFunc(i.Directories, func(dir string) bool { return slices.Contains(uses, dir) })
	})
}

// reason returns why somebody who uses it is built again.
func (m move) reason() string {
	if m.IsDirectory() {
		return "it has files in /" + m.Name + ", and " + m.words()
	}
	return "it links with what is gone: " + m.words()
}

func (m move) words() string {
	if m.unbuilt {
		return m.pkgbase + ", which has it too, is built later, on a cycle"
	}
	return m.pkgbase + " " + m.String()
}

// ofBase returns the known interfaces of the base's packages of a pkgbase; some may be
// missing.
func (p *Publisher) ofBase(architecture, pkgbase string) []alpm.Interface {
	if p.Baseline == nil {
		return nil
	}
	list, _ := p.Baseline(architecture, pkgbase)
	return list
}
