// Package handover moves released packages into their targets and back, so that
// each target shows a whole state at every moment and never another set of packages
// than the one that somebody confirmed.
//
// What it does is derived from the database: a release that is being handed over,
// or a generation that is being written. Whatever a crash cut off, the next pass does.
// Before the pointer of a target is replaced nothing of a release can be seen, and
// afterwards all of it.
package handover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/internal/guard"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/signing"
	"buildbtw/signing/keyring"
	"buildbtw/store"
)

// Config is what a Handover works with.
type Config struct {
	Store         *store.Store
	Catalog       *catalog.Catalog
	Generations   *pacmanrepo.Generations
	Bases         baserepo.Bases
	Architectures []string
	Targets       []buildbtw.Target // of the settings
	Signer        signing.Signer    // asked for signatures; nil: packagers send them
	Log           *slog.Logger
	Now           func() time.Time
}

// Handover hands releases over. Its methods may be called concurrently.
type Handover struct {
	Config
	mu    sync.Mutex
	locks map[string]chan struct{} // by target: has an element while somebody works on it
	moved map[string]string        // by target: generations for which it was looked whether it has what those behind it have
	later map[int64]time.Time      // by release that could not be handed over: not before

	unsigned guard.Items[int64] // releases that the signer did not sign
}

// pause is how long a release that could not be handed over rests: every change of the
// database starts a pass, and each asks the servers of the base repositories.
const pause = 10 * time.Second

// New makes the targets those of the settings.
func New(ctx context.Context, c Config) (*Handover, error) {
	for _, t := range c.Targets {
		if t.Keys == "" {
			continue
		}
		if _, err := keyring.Load(t.Keys); err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
	}
	if _, err := c.Store.SetTargets(ctx, c.Targets); err != nil {
		return nil, err
	}
	return &Handover{Config: c, locks: map[string]chan struct{}{}, moved: map[string]string{}, later: map[int64]time.Time{}}, nil
}

// lock waits until nobody else works on a target.
func (h *Handover) lock(ctx context.Context, target string) (unlock func(), err error) {
	h.mu.Lock()
	held := h.locks[target]
	if held == nil {
		held = make(chan struct{}, 1)
		h.locks[target] = held
	}
	h.mu.Unlock()
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lockAll waits until nobody else works on any of these targets.
func (h *Handover) lockAll(ctx context.Context, targets ...string) (unlock func(), err error) {
	names := slices.Clone(targets)
	slices.Sort(names) // all take them in the same order
	var unlocks []func()
	unlock = func() {
		for _, u := range unlocks {
			u()
		}
	}
	for _, name := range slices.Compact(names) {
		one, err := h.lock(ctx, name)
		if err != nil {
			unlock()
			return nil, err
		}
		unlocks = append(unlocks, one)
	}
	return unlock, nil
}

// Wish is what somebody wants to be released.
type Wish struct {
	Buildspace string
	Iteration  int    // 0: the latest
	From       string // a target that gives its packages, in place of the buildspace
	Target     string // empty: the first of the settings

	// Digest is that of the set that was shown. Without one the release is only computed
	// and waits for somebody to confirm it.
	Digest string
	Shown  []string // the set that was shown, as Lines has it: to say how it differs
}

// compute returns what can go from an iteration, or from a target when it names one.
func (h *Handover) compute(ctx context.Context, from, buildspace string, iteration int, target string) (catalog.Release, error) {
	if from != "" {
		return h.Catalog.ReleaseFrom(ctx, from, target)
	}
	return h.Catalog.Release(ctx, buildspace, iteration, target)
}

// Create computes what of an iteration can go into a target, and stores it as a release. One
// whose set was shown and is still the same is handed over as soon as possible. The error is
// Conflict when it is another set by now, and says how it differs, or when nothing can go.
func (h *Handover) Create(ctx context.Context, actor string, w Wish) (store.ReleaseRow, error) {
	r, err := h.compute(ctx, w.From, w.Buildspace, w.Iteration, w.Target)
	if err != nil {
		return store.ReleaseRow{}, err
	}
	switch {
	case r.Target.ID == 0:
		return store.ReleaseRow{}, buildbtw.Conflict("this server has no targets; start it with --target")
	case w.Digest != "" && w.Digest != r.Digest:
		return store.ReleaseRow{}, buildbtw.Conflict("what can go has changed since you looked: %s. Nothing was released; look again", difference(w.Shown, r))
	case len(r.Goes) == 0:
		return store.ReleaseRow{}, buildbtw.Conflict("nothing of %s can go to %s now", r.Source(), r.Target.Name)
	}
	if err := shrinks(r); err != nil {
		return store.ReleaseRow{}, err
	}
	return h.Store.CreateRelease(ctx, actor, releaseOf(r), unitsOf(r), w.Digest != "")
}

// What a release may take away: so many names of an architecture, or so large a part of them.
const (
	mayLeave     = 5
	mayLeavePart = 100 // one of so many
)

// shrinks refuses a set by which so many packages would leave that it is more likely a fault:
// those that a person has dropped do not count.
func shrinks(r catalog.Release) error {
	gone := map[string][]string{}
	for _, l := range r.Leaves {
		if l.ReplacedBy == "" && !slices.Contains(r.Dropped, l.Pkgname) {
			gone[l.View] = append(gone[l.View], l.Pkgname)
		}
	}
	for _, arch := range r.Architectures {
		if n := len(gone[arch]); n > max(mayLeave, r.Names[arch]/mayLeavePart) {
			return buildbtw.Conflict("%d of %d packages for %s would leave, which is too many to be meant: %s. Release them in smaller parts, or let the builds make these packages again",
				n, r.Names[arch], arch, buildbtw.Names(gone[arch]).Summary())
		}
	}
	return nil
}

// releaseOf describes a computed set.
func releaseOf(r catalog.Release) buildbtw.Release {
	return buildbtw.Release{
		IterationID: r.Iteration.ID, FromID: r.From.ID, TargetID: r.Target.ID, Digest: r.Digest, Base: r.Base, Generation: r.Target.Generation,
		Units: len(r.Goes), Packages: len(packagesOf(r)), Proven: r.Proven, AtMost: r.AtMost,
	}
}

// packagesOf returns the file names of a set, each once: files for any machine are in the
// repositories of all architectures.
func packagesOf(r catalog.Release) map[string]bool {
	names := map[string]bool{}
	for _, pkgbase := range r.Goes {
		for _, files := range r.Files[pkgbase] {
			for _, f := range files {
				names[f.Filename] = true
			}
		}
	}
	return names
}

func unitsOf(r catalog.Release) []buildbtw.ReleaseUnit {
	units := make([]buildbtw.ReleaseUnit, 0, len(r.Goes)+len(r.Held))
	for _, pkgbase := range r.Goes {
		units = append(units, buildbtw.ReleaseUnit{Pkgbase: pkgbase, Goes: true, Version: r.Versions[pkgbase], Pkgnames: r.Pkgnames[pkgbase], BuildID: r.IDs[pkgbase]})
	}
	for _, held := range r.Held {
		units = append(units, buildbtw.ReleaseUnit{Pkgbase: held.Pkgbase, Version: r.Versions[held.Pkgbase], Reason: held.Reason(), BuildID: r.IDs[held.Pkgbase]})
	}
	return units
}

// Lines describes the set that can go, one pkgbase with its version each, for Wish.Shown.
func Lines(r catalog.Release) []string {
	lines := make([]string, len(r.Goes))
	for i, pkgbase := range r.Goes {
		lines[i] = pkgbase + " " + r.Versions[pkgbase]
	}
	return lines
}

// difference says how the set that can go differs from one that was shown.
func difference(shown []string, r catalog.Release) string {
	now := Lines(r)
	var words []string
	if more := without(now, shown); len(more) > 0 {
		words = append(words, more.Summary()+" can go, too")
	}
	for i, line := range without(shown, now) {
		pkgbase, _, _ := strings.Cut(line, " ")
		switch at := slices.IndexFunc(r.Held, func(held release.Held) bool { return held.Pkgbase == pkgbase }); {
		case i == maxNamed:
			return strings.Join(append(words, fmt.Sprintf("and %d more cannot go any more", len(without(shown, now))-i)), "; ")
		case slices.Contains(r.Present, pkgbase):
			words = append(words, pkgbase+" has been released already")
		case at >= 0:
			words = append(words, pkgbase+" is held: "+r.Held[at].Reason())
		default:
			words = append(words, line+" cannot go any more")
		}
	}
	if len(words) == 0 {
		return "some of its packages were built again"
	}
	return strings.Join(words, "; ")
}

// maxNamed bounds the packages that a sentence gives reasons for.
const maxNamed = 8

func without(lines, others []string) buildbtw.Names {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
}

// Advance does what is to be done in the targets: gives each its first generation, finishes
// what a crash cut off, and hands confirmed releases over, the oldest first. One that cannot
// be handed over does not hold up those of other targets.
func (h *Handover) Advance(ctx context.Context) error {
	targets, err := h.Store.Targets(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, t := range targets {
		err := guard.Run(func() error { return h.prepare(ctx, t.Name) })
		if err == nil {
			err = guard.Run(func() error { return h.leave(ctx, t.Name) })
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("target %s: %w", t.Name, err))
		}
	}
	releases, err := h.Store.HandingOver(ctx)
	failures = append(failures, err)
	for _, r := range releases {
		if h.rests(r.ID) {
			continue
		}
		err := guard.Run(func() error { return h.handOver(ctx, r) })
		if err != nil {
			h.rest(r.ID)
			failures = append(failures, fmt.Errorf("hand release %d over to %s: %w", r.ID, r.Target, err))
			continue
		}
		for _, t := range targets {
			if err := guard.Run(func() error { return h.leave(ctx, t.Name) }); err != nil {
				failures = append(failures, fmt.Errorf("target %s: %w", t.Name, err))
			}
		}
	}
	return errors.Join(append(failures, h.observeAll(ctx))...)
}

func (h *Handover) rests(release int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Now().Before(h.later[release]) {
		return true
	}
	delete(h.later, release)
	return false
}

func (h *Handover) rest(release int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.later[release] = h.Now().Add(pause)
}

// prepare finishes a generation that belongs to no release that is being handed over, and
// makes one when the target lacks an architecture.
func (h *Handover) prepare(ctx context.Context, name string) error {
	givers, err := h.givers(ctx, name)
	if err != nil {
		return err
	}
	unlock, err := h.lockAll(ctx, append(givers, name)...)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := h.Store.Target(ctx, name)
	if err != nil || t.Kind == buildbtw.TargetPkgctl {
		return err
	}
	g, writing, err := h.Store.WritingGeneration(ctx, t.ID)
	switch {
	case err != nil:
		return err
	case writing && g.Undoes != 0:
		if err := h.giveBack(ctx, t, givers, g.Undoes); err != nil {
			return err
		}
		return h.restore(ctx, t, g)
	case writing:
		if going, err := h.handingOver(ctx, g.ReleaseID); err != nil || going {
			return err // handOver goes on with it
		}
		if now, err := h.shown(ctx, t); err != nil || t.Generation != 0 && (now.ReleaseID != g.ReleaseID || now.Parent != g.Parent) {
			if err != nil {
				return err
			}
			return h.endWriting(ctx, t, g) // packages were to leave, or to be given back
		}
	default:
		if err := h.align(ctx, t); err != nil {
			return err
		}
		if t.Generation == 0 {
			break
		}
		has, err := h.Generations.Architectures(t.Name, t.Generation)
		if errors.Is(err, fs.ErrNotExist) {
			return lostGeneration(t)
		}
		if err != nil {
			return err
		}
		if len(without(h.Architectures, has)) == 0 {
			return nil
		}
	}
	now, err := h.shown(ctx, t)
	if err != nil {
		return err
	}
	g, err = h.Store.BeginGeneration(ctx, buildbtw.Generation{
		TargetID: t.ID, Parent: now.Parent, ReleaseID: now.ReleaseID, CreatedBy: buildbtw.System,
	})
	if err != nil {
		return err
	}
	return h.write(ctx, t, g, pacmanrepo.NextGeneration{From: t.Generation})
}

// handingOver reports whether a release is on its way.
func (h *Handover) handingOver(ctx context.Context, release int64) (bool, error) {
	if release == 0 {
		return false, nil
	}
	r, err := h.Store.Release(ctx, release)
	return r.State == buildbtw.ReleaseHandingOver, err
}

// shown returns the generation that a target shows; a zero one when there is none.
func (h *Handover) shown(ctx context.Context, t store.TargetRow) (buildbtw.Generation, error) {
	if t.Generation == 0 {
		return buildbtw.Generation{}, nil
	}
	return h.Store.Generation(ctx, t.ID, t.Generation)
}

// next returns a generation of a target, for all architectures of the settings.
func (h *Handover) next(t store.TargetRow, n pacmanrepo.NextGeneration) pacmanrepo.NextGeneration {
	n.Target, n.Number, n.Shown = t.Name, t.Generation+1, t.Generation
	n.Architectures = slices.Clone(h.Architectures)
	return n
}

// write makes a generation that was begun the one that a target shows. It may be called again
// after a crash at any point.
func (h *Handover) write(ctx context.Context, t store.TargetRow, g buildbtw.Generation, n pacmanrepo.NextGeneration) error {
	n = h.next(t, n)
	n.Number, n.Shown = g.Number, t.Generation
	shown, err := h.Generations.Shown(t.Name)
	if err != nil {
		return err
	}
	var summary pacmanrepo.GenerationSummary
	if shown == g.Number { // a crash came after this
		summary, err = h.Generations.Summary(t.Name, g.Number)
	} else {
		summary, err = h.Generations.Write(ctx, n)
		if err == nil {
			err = h.putFiles(ctx, t, g)
		}
		if err == nil {
			err = h.Generations.Show(t.Name, g.Number)
		}
	}
	if err == nil {
		err = h.switchDirectory(ctx, t, g)
	}
	if err != nil {
		return err
	}
	g.Digest, g.Packages = summary.Digest, summary.Packages
	return h.Store.CompleteGeneration(ctx, g)
}
