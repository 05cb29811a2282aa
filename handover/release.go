package handover

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/internal/guard"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
)

// handOver makes a target show the packages of a confirmed release. Base repositories and
// target are read again: another set than the confirmed one is never handed over.
func (h *Handover) handOver(ctx context.Context, r store.ReleaseRow) error {
	target := r.Target
	givers, err := h.givers(ctx, target)
	if err != nil {
		return err
	}
	involved := append([]string{target}, givers...) // those before it stay as they are while their databases are signed
	if r.FromTarget != "" {
		involved = append(involved, r.FromTarget) // it stays as it is while its packages are linked
	}
	unlock, err := h.lockAll(ctx, involved...)
	if err != nil {
		return err
	}
	defer unlock()
	r, err = h.Store.Release(ctx, r.ID)
	if err != nil || r.State != buildbtw.ReleaseHandingOver {
		return err // somebody else has done it
	}
	t, err := h.Store.Target(ctx, target)
	if err != nil {
		return h.fail(ctx, r, err)
	}
	if t.Kind == buildbtw.TargetPkgctl {
		return h.stage(ctx, t, r)
	}
	g, writing, err := h.Store.WritingGeneration(ctx, t.ID)
	if err != nil {
		return err
	}
	if t.Generation == 0 {
		return buildbtw.Unavailable("target %s has no generation yet", t.Name)
	}
	if writing && g.ReleaseID != r.ID {
		return buildbtw.Unavailable("generation %d of target %s is being written", g.Number, t.Name)
	}
	if shown, err := h.Generations.Shown(target); err != nil || writing && shown == g.Number {
		if err != nil {
			return err
		}
		return h.write(ctx, t, g, pacmanrepo.NextGeneration{}) // a crash came after the pointer
	}
	set, add, signatures, ok, err := h.confirmed(ctx, r, g, writing)
	if err != nil || !ok {
		return err
	}
	next := h.next(t, pacmanrepo.NextGeneration{From: t.Generation, Add: add, Drop: set.Dropped, Signatures: signatures})
	if waits, err := h.signDatabases(ctx, r, givers, &next); err != nil || waits {
		if err != nil {
			return h.fail(ctx, r, err)
		}
		return nil
	}
	g, err = h.Store.BeginGeneration(ctx, buildbtw.Generation{TargetID: t.ID, Parent: t.Generation, ReleaseID: r.ID, CreatedBy: r.ConfirmedBy})
	if err != nil {
		return err
	}
	err = h.write(ctx, t, g, next)
	if err == nil {
		return nil
	}
	return h.abort(ctx, r, g, err)
}

// confirmed computes the set of a release once more, with the signatures of its files. It is
// not ok when the release cannot be handed over now: then its state says why.
func (h *Handover) confirmed(ctx context.Context, r store.ReleaseRow, g buildbtw.Generation, writing bool) (set catalog.Release, add []pacmanrepo.Adopted, signatures map[string][]byte, ok bool, err error) {
	h.refresh(ctx)
	set, err = h.compute(ctx, r.FromTarget, r.Buildspace, r.Iteration, r.Target)
	if err != nil {
		return set, nil, nil, false, h.fail(ctx, r, err)
	}
	if set.Digest != r.Digest {
		return set, nil, nil, false, h.recheck(ctx, r, set, g, writing)
	}
	if err := shrinks(set); err != nil {
		return set, nil, nil, false, h.fail(ctx, r, err)
	}
	add = added(set)
	signatures, waits, err := h.signatures(ctx, r, add)
	if err != nil {
		return set, nil, nil, false, h.fail(ctx, r, err)
	}
	return set, add, signatures, !waits, nil
}

// refreshTime bounds how long a hand-over waits for the servers of the base repositories:
// what they do not say in it counts as unchanged.
const refreshTime = time.Minute

// refresh reads the base repositories again.
func (h *Handover) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	for _, arch := range slices.Sorted(maps.Keys(h.Bases)) {
		for _, result := range h.Bases[arch].Refresh(ctx) {
			if result.Warning != "" {
				h.Log.WarnContext(ctx, "a release is checked against an older state of a base repository", "repository", result.Repo, "warning", result.Warning)
			}
		}
	}
}

// recheck gives a release whose set has changed back to whoever confirms it.
func (h *Handover) recheck(ctx context.Context, r store.ReleaseRow, set catalog.Release, g buildbtw.Generation, writing bool) error {
	if writing {
		if err := h.drop(ctx, r.Target, g); err != nil {
			return err
		}
	}
	units, err := h.Store.ReleaseUnits(ctx, r.ID)
	if err != nil {
		return err
	}
	var shown []string
	for _, u := range units {
		if u.Goes {
			shown = append(shown, u.Pkgbase+" "+u.Version)
		}
	}
	next := releaseOf(set)
	next.ID = r.ID
	next.Message = "What can go has changed since it was confirmed: " + difference(shown, set) + "."
	if len(set.Goes) == 0 {
		return h.Store.EndRelease(ctx, buildbtw.System, r.ID, buildbtw.ReleaseFailed, next.Message+" Nothing is left that can go.")
	}
	return h.Store.RecheckRelease(ctx, next, unitsOf(set))
}

// added returns the packages of a set, by pkgbase and architecture.
func added(r catalog.Release) []pacmanrepo.Adopted {
	var list []pacmanrepo.Adopted
	repository := buildbtw.RepositoryName(r.Iteration.Buildspace, r.Iteration.Number)
	for _, pkgbase := range r.Goes {
		for _, arch := range slices.Sorted(maps.Keys(r.Files[pkgbase])) {
			a := pacmanrepo.Adopted{
				From:  pacmanrepo.ID{Repository: repository, DB: r.Iteration.Buildspace, Architecture: arch},
				Files: r.Files[pkgbase][arch], Architectures: []string{arch},
			}
			if from := r.From; from.Name != "" {
				a.From, a.Generation = pacmanrepo.ID{Repository: from.Name, DB: from.Name, Architecture: arch}, from.Generation
			}
			list = append(list, a)
		}
	}
	return list
}

// abort ends a release whose generation could not be written, unless it can be seen already:
// then the next pass completes it. After a crash, or when the server stops, it goes on.
func (h *Handover) abort(ctx context.Context, r store.ReleaseRow, g buildbtw.Generation, cause error) error {
	var crash *guard.PanicError
	if ctx.Err() != nil || errors.As(cause, &crash) {
		return cause
	}
	if shown, err := h.Generations.Shown(r.Target); err != nil || shown == g.Number {
		return errors.Join(cause, err)
	}
	if err := h.drop(ctx, r.Target, g); err != nil {
		return errors.Join(cause, err)
	}
	return h.fail(ctx, r, cause)
}

// drop gives a generation up that nobody has seen.
func (h *Handover) drop(ctx context.Context, target string, g buildbtw.Generation) error {
	if err := h.Store.DropGeneration(ctx, g.ID); err != nil {
		return err
	}
	return h.Generations.Remove(target, g.Number)
}

// fail ends a release of which nothing was shown, in words, unless the cause may pass.
func (h *Handover) fail(ctx context.Context, r store.ReleaseRow, cause error) error {
	if ctx.Err() != nil || buildbtw.KindOf(cause) == buildbtw.KindUnavailable {
		return cause
	}
	words := buildbtw.MessageOf(cause)
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		words = "the server's disk is full; free some space and release again"
	}
	if buildbtw.KindOf(cause) == buildbtw.KindInternal {
		guard.Log(ctx, h.Log, "a release could not be handed over", cause, "release", r.ID)
	}
	return h.Store.EndRelease(ctx, buildbtw.System, r.ID, buildbtw.ReleaseFailed, strings.TrimSuffix(words, ".")+". Nothing of it is shown.")
}

// Confirm hands a release over that waits for it. The digest is that of the set that the
// actor has seen.
func (h *Handover) Confirm(ctx context.Context, actor string, id int64, digest string) (store.ReleaseRow, error) {
	return h.Store.ConfirmRelease(ctx, actor, id, digest)
}

// Withdraw makes a target show again what it showed before a release. One that nobody has
// seen yet is given up. The error is Conflict when another release came after it, or what was
// shown before is not kept any more, and Unconfirmed when something would break that the
// actor has not confirmed: its message says what.
func (h *Handover) Withdraw(ctx context.Context, actor string, id int64, confirmed bool) (store.ReleaseRow, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil {
		return r, err
	}
	givers, err := h.givers(ctx, r.Target)
	if err != nil {
		return r, err
	}
	unlock, err := h.lockAll(ctx, append(givers, r.Target)...)
	if err != nil {
		return r, err
	}
	defer unlock()
	if r, err = h.Store.Release(ctx, id); err != nil {
		return r, err
	}
	switch r.State {
	case buildbtw.ReleaseChecked, buildbtw.ReleaseSigning:
		err = h.Store.EndRelease(ctx, actor, id, buildbtw.ReleaseWithdrawn, "Given up before it was handed over.")
	case buildbtw.ReleaseWaiting:
		err = h.giveUp(ctx, actor, r, confirmed)
	default:
		err = h.withdraw(ctx, actor, r, givers, confirmed)
	}
	if err != nil {
		return r, err
	}
	return h.Store.Release(ctx, id)
}

func (h *Handover) withdraw(ctx context.Context, actor string, r store.ReleaseRow, givers []string, confirmed bool) error {
	if !r.State.MayBecome(buildbtw.ReleaseWithdrawn) {
		return buildbtw.Conflict("release %d is %s", r.ID, r.State.Words())
	}
	t, err := h.Store.Target(ctx, r.Target)
	if err != nil {
		return err
	}
	if t.Kind == buildbtw.TargetPkgctl {
		return buildbtw.Conflict("the packages of release %d are in the repositories of the distribution, which buildbtw does not change; take them out with pkgctl db remove, or release the older commits with a higher pkgrel", r.ID)
	}
	now, err := h.shown(ctx, t)
	if err != nil {
		return err
	}
	if now.ReleaseID != r.ID {
		return buildbtw.Conflict("%s came after it and changed %s; withdraw that first", releaseWords(now.ReleaseID), t.Name)
	}
	before, err := h.Store.Generation(ctx, t.ID, now.Parent)
	if err != nil || before.State != buildbtw.GenerationComplete {
		return buildbtw.Conflict("what %s showed before release %d is not kept any more; release the older commits with a higher pkgrel instead", t.Name, r.ID)
	}
	givers, err = h.gave(ctx, givers, r.ID)
	if err != nil {
		return err
	}
	if err := h.checkSigned(ctx, t, before.Number, givers, r.ID); err != nil {
		return err
	}
	if !confirmed {
		broken, err := h.newlyBroken(ctx, t, before.Number, givers)
		if err != nil {
			return err
		}
		if len(broken) > 0 {
			return buildbtw.Unconfirmed("Withdrawing release %d would break what works now: %s; confirm it if that is wanted", r.ID, broken.Summary())
		}
	}
	g, err := h.Store.BeginGeneration(ctx, buildbtw.Generation{
		TargetID: t.ID, Parent: before.Parent, ReleaseID: before.ReleaseID, Undoes: r.ID, CreatedBy: actor,
	})
	if err != nil {
		return err
	}
	err = h.giveBack(ctx, t, givers, r.ID)
	if err == nil {
		err = h.restore(ctx, t, g)
	}
	if err != nil {
		if shown, lookErr := h.Generations.Shown(t.Name); lookErr == nil && shown != g.Number && ctx.Err() == nil {
			err = errors.Join(err, h.drop(ctx, t.Name, g))
		}
		return err
	}
	return nil
}

// restore makes the generation that withdraws a release the one that is shown: with the
// packages and the bytes of the one before.
func (h *Handover) restore(ctx context.Context, t store.TargetRow, g buildbtw.Generation) error {
	now, err := h.shown(ctx, t)
	if err != nil {
		return err
	}
	return h.write(ctx, t, g, pacmanrepo.NextGeneration{From: now.Parent, SignedDatabases: h.SignsDatabases(t.Name)})
}

// checkSigned refuses to withdraw a release when a target would show databases without the
// signatures that it needs: those of before were not signed, or would be others.
func (h *Handover) checkSigned(ctx context.Context, t store.TargetRow, before int, givers []string, release int64) error {
	const instead = "release the older commits with a higher pkgrel instead"
	if h.SignsDatabases(t.Name) {
		signed, err := h.hasSigned(t.Name, before)
		if err != nil {
			return err
		}
		if !signed {
			return buildbtw.Conflict("nobody signed the databases that %s showed before release %d; %s", t.Name, release, instead)
		}
	}
	for _, name := range givers {
		if !h.SignsDatabases(name) {
			continue
		}
		giver, left, ok, err := h.left(ctx, name, release)
		if err != nil || !ok {
			return err
		}
		signed, err := h.hasSigned(name, left.Parent)
		if err != nil {
			return err
		}
		if left.Number != giver.Generation || !signed {
			return buildbtw.Conflict("%s has changed since it gave the packages of release %d, and nobody signed its databases as they would be with them; withdraw what came after it, or %s", name, release, instead)
		}
	}
	return nil
}

// hasSigned reports whether a generation that is kept has signed databases of all architectures
// of the settings.
func (h *Handover) hasSigned(target string, number int) (bool, error) {
	has, err := h.Generations.Architectures(target, number)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || len(without(h.Architectures, has)) > 0 {
		return false, err
	}
	return h.Generations.HasSignedDatabases(target, number)
}

// newlyBroken lists what would not work with another generation of a target that works with
// the one that is shown. The users of givers get back what they had.
func (h *Handover) newlyBroken(ctx context.Context, t store.TargetRow, other int, givers []string) (buildbtw.Names, error) {
	now, err := h.Catalog.Broken(ctx, t, t.Generation, false, givers...)
	if err != nil {
		return nil, err
	}
	then, err := h.Catalog.Broken(ctx, t, other, false, givers...)
	if err != nil {
		return nil, err
	}
	known := map[release.Broken]bool{}
	for _, b := range now {
		known[b] = true
	}
	var words buildbtw.Names
	for _, b := range then {
		if !known[b] {
			words = append(words, b.Package+" "+b.Reason())
		}
	}
	return words, nil
}

// Check returns what is wrong with a target today.
func (h *Handover) Check(ctx context.Context, target string) (catalog.TargetCheck, error) {
	t, err := h.Store.Target(ctx, target)
	if err != nil {
		return catalog.TargetCheck{}, err
	}
	return h.Catalog.CheckTarget(ctx, t)
}

// Old generations are kept for clients that hold an older database, and so that a release
// can be withdrawn.
const (
	keptFor     = 6 * time.Hour
	keptParents = 5 // of the one that is shown: so many releases can be withdrawn, one after the other
	keptRows    = 1000
)

// Prune removes the files of generations that nobody needs any more: not of the one that is
// shown, nor of those to which withdrawing goes back.
func (h *Handover) Prune(ctx context.Context) error {
	targets, err := h.Store.Targets(ctx)
	failures := []error{err}
	for _, t := range targets {
		failures = append(failures, guard.Run(func() error { return h.prune(ctx, t.Name) }))
	}
	return errors.Join(failures...)
}

func (h *Handover) prune(ctx context.Context, name string) error {
	unlock, err := h.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := h.Store.Target(ctx, name)
	if err != nil {
		return err
	}
	rows, err := h.Store.Generations(ctx, t.ID, keptRows)
	if err != nil {
		return err
	}
	byNumber := map[int]buildbtw.Generation{}
	for _, g := range rows {
		byNumber[g.Number] = g
	}
	keep := map[int]bool{}
	for i, n := 0, t.Generation; i <= keptParents && n != 0; i, n = i+1, byNumber[n].Parent {
		keep[n] = true
	}
	ended := h.Now().Add(-keptFor)
	for i, g := range rows {
		// It was shown until the one after it came.
		since := g.CreatedAt
		if i > 0 {
			since = rows[i-1].CreatedAt
		}
		if keep[g.Number] || g.State != buildbtw.GenerationComplete || since.After(ended) {
			continue
		}
		if err := h.Store.DropGeneration(ctx, g.ID); err != nil {
			return err
		}
		byNumber[g.Number] = buildbtw.Generation{}
	}
	return h.sweep(t, byNumber)
}

// sweep removes the files of generations that are not kept.
func (h *Handover) sweep(t store.TargetRow, rows map[int]buildbtw.Generation) error {
	numbers, err := h.Generations.Kept(t.Name)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(numbers), func(n int) bool {
		state := rows[n].State
		return state != buildbtw.GenerationComplete && state != buildbtw.GenerationWriting
	})
	for _, n := range numbers {
		if slices.Contains(kept, n) {
			continue
		}
		if err := h.removeFromDirectory(t, n, kept); err != nil {
			return err
		}
		if err := h.Generations.Remove(t.Name, n); err != nil {
			return err
		}
	}
	return nil
}
