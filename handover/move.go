package handover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// What a target has as the same file as one behind it leaves it: its users get that from
// there, and see no difference. So packages move from testing to stable, in two steps of
// which each leaves both repositories whole; a generation of the giving target names the
// release by which its packages left.

func releaseWords(id int64) string {
	if id == 0 {
		return "something"
	}
	return fmt.Sprintf("release %d", id)
}

// behind returns the targets that stand behind one, the nearest first.
func behind(t store.TargetRow, all []store.TargetRow) []store.TargetRow {
	var list []store.TargetRow
	for after := t.After; after != ""; {
		i := slices.IndexFunc(all, func(o store.TargetRow) bool { return o.Name == after })
		if i < 0 {
			return list
		}
		list, after = append(list, all[i]), all[i].After
	}
	return list
}

// givers returns the names of the targets that stand before one.
func (h *Handover) givers(ctx context.Context, name string) ([]string, error) {
	all, err := h.Store.Targets(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range all {
		if slices.ContainsFunc(behind(t, all), func(o store.TargetRow) bool { return o.Name == name }) {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// leave makes a generation of a target without the packages that targets behind it have as
// the same files, when there are any.
func (h *Handover) leave(ctx context.Context, name string) error {
	all, err := h.Store.Targets(ctx)
	if err != nil {
		return err
	}
	involved := []string{name}
	for _, t := range all {
		if t.Name == name {
			for _, b := range behind(t, all) {
				involved = append(involved, b.Name)
			}
		}
	}
	if len(involved) == 1 {
		return nil
	}
	unlock, err := h.lockAll(ctx, involved...)
	if err != nil {
		return err
	}
	defer unlock()
	rows := make([]store.TargetRow, len(involved))
	var key strings.Builder
	for i, one := range involved {
		if rows[i], err = h.Store.Target(ctx, one); err != nil {
			return err
		}
		if _, writing, err := h.Store.WritingGeneration(ctx, rows[i].ID); err != nil || writing {
			return err // when it is written, this is called again
		}
		fmt.Fprintf(&key, "%s %d\n", one, rows[i].Generation)
	}
	t := rows[0]
	if t.Generation == 0 || h.lookedAt(name, key.String()) {
		return nil
	}
	names, at, err := h.sameFiles(t, rows[1:], h.packages)
	if err != nil {
		return err
	}
	n := h.next(t, pacmanrepo.NextGeneration{From: t.Generation, Drop: names})
	signed, err := h.signLeaving(ctx, t, names, &n)
	if err != nil {
		return err
	}
	if len(names) > 0 && signed {
		now, err := h.shown(ctx, at)
		if err != nil {
			return err
		}
		g, err := h.Store.BeginGeneration(ctx, buildbtw.Generation{TargetID: t.ID, Parent: t.Generation, ReleaseID: now.ReleaseID, CreatedBy: buildbtw.System})
		if err != nil {
			return err
		}
		return h.write(ctx, t, g, n)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moved[name] = key.String()
	return nil
}

// signLeaving adds to a generation by which packages leave a target the signatures of its
// databases. They were made with the release to the target behind it. Without them, as when the
// target has changed meanwhile, the packages stay until the next release to that: its users see
// no difference.
func (h *Handover) signLeaving(ctx context.Context, t store.TargetRow, names []string, n *pacmanrepo.NextGeneration) (signed bool, err error) {
	if len(names) == 0 || !h.SignsDatabases(t.Name) {
		return true, nil
	}
	files, err := h.Generations.Databases(ctx, *n)
	if err != nil {
		return false, err
	}
	n.SignedDatabases = true
	n.Signatures, err = h.signaturesOf(ctx, t.Name, files)
	return !slices.ContainsFunc(files, func(f buildbtw.SigningFile) bool { return n.Signatures[f.SHA256] == nil }), err
}

// leavingDatabases returns the databases that a target shows when one behind it has its next
// generation, and what that has as the same files has left; none when nothing leaves.
func (h *Handover) leavingDatabases(ctx context.Context, name string, next pacmanrepo.NextGeneration) ([]buildbtw.SigningFile, error) {
	all, err := h.Store.Targets(ctx)
	if err != nil {
		return nil, err
	}
	t, err := h.Store.Target(ctx, name)
	if err != nil || t.Generation == 0 {
		return nil, err
	}
	then, err := h.Generations.Next(ctx, next)
	if err != nil {
		return nil, err
	}
	names, _, err := h.sameFiles(t, behind(t, all), func(b store.TargetRow, arch string) ([]pacmanrepo.Stored, error) {
		if b.Name == next.Target {
			return then[arch], nil
		}
		return h.packages(b, arch)
	})
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return h.Generations.Databases(ctx, h.next(t, pacmanrepo.NextGeneration{From: t.Generation, Drop: names}))
}

// packages returns what a target shows for an architecture.
func (h *Handover) packages(t store.TargetRow, arch string) ([]pacmanrepo.Stored, error) {
	return h.Generations.Packages(t.Name, t.Generation, arch)
}

// lookedAt reports whether nothing of these generations has to leave a target.
func (h *Handover) lookedAt(name, generations string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.moved[name] == generations
}

// sameFiles returns the pkgnames that a target has, for each of its architectures, as the same
// files as targets behind it, and one of these. has returns what these have.
func (h *Handover) sameFiles(t store.TargetRow, behind []store.TargetRow, has func(store.TargetRow, string) ([]pacmanrepo.Stored, error)) (names []string, at store.TargetRow, err error) {
	architectures, err := h.Generations.Architectures(t.Name, t.Generation)
	if err != nil {
		return nil, at, err
	}
	same := map[string]bool{} // by pkgname
	for _, arch := range architectures {
		own, err := h.Generations.Packages(t.Name, t.Generation, arch)
		if err != nil {
			return nil, at, err
		}
		there := map[string]store.TargetRow{} // by digest
		for _, b := range behind {
			list, err := has(b, arch)
			if err != nil {
				return nil, at, err
			}
			for _, p := range list {
				if _, known := there[p.SHA256]; !known {
					there[p.SHA256] = b
				}
			}
		}
		for _, p := range own {
			b, both := there[p.SHA256]
			if before, seen := same[p.Name]; both && at.Name == "" && (before || !seen) {
				at = b
			}
			if before, seen := same[p.Name]; !seen || before {
				same[p.Name] = both
			}
		}
	}
	for name, is := range same {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, at, nil
}

// gave returns those of the targets from which packages left by a release to another one.
func (h *Handover) gave(ctx context.Context, targets []string, release int64) ([]string, error) {
	var list []string
	for _, name := range targets {
		_, _, left, err := h.left(ctx, name, release)
		if err != nil {
			return nil, err
		}
		if left {
			list = append(list, name)
		}
	}
	return list, nil
}

// left returns the newest generation of a target that packages left by a release to another one;
// false when there is none.
func (h *Handover) left(ctx context.Context, name string, release int64) (t store.TargetRow, g buildbtw.Generation, ok bool, err error) {
	if t, err = h.Store.Target(ctx, name); err != nil {
		return t, g, false, err
	}
	rows, err := h.Store.Generations(ctx, t.ID, keptRows)
	if err != nil {
		return t, g, false, err
	}
	i := slices.IndexFunc(rows, func(g buildbtw.Generation) bool {
		return g.ReleaseID == release && g.Undoes == 0 && (g.State == buildbtw.GenerationComplete || g.Number == t.Generation)
	})
	if i < 0 {
		return t, g, false, nil
	}
	return t, rows[i], true, nil
}

// giveBack puts the packages that left givers by a release to another target back where they
// were, before that is withdrawn. It may be called again after a crash. The error is a Conflict
// when what a giver had is not kept any more.
func (h *Handover) giveBack(ctx context.Context, taker store.TargetRow, givers []string, release int64) error {
	for _, name := range givers {
		t, g, ok, err := h.left(ctx, name, release)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		before, err := h.Store.Generation(ctx, t.ID, g.Parent)
		if err != nil || before.State != buildbtw.GenerationComplete {
			return buildbtw.Conflict("what %s gave to %s is not kept any more; release the older commits with a higher pkgrel instead", name, taker.Name)
		}
		next, n := buildbtw.Generation{TargetID: t.ID, Parent: before.Parent, ReleaseID: before.ReleaseID, CreatedBy: buildbtw.System}, pacmanrepo.NextGeneration{From: before.Number}
		if g.Number != t.Generation { // it has changed since
			now, err := h.shown(ctx, t)
			if err != nil {
				return err
			}
			n = pacmanrepo.NextGeneration{From: now.Number}
			if n.Add, err = h.missing(t, before.Number, g.Number); err != nil {
				return err
			}
			if len(n.Add) == 0 {
				continue
			}
			next.Parent, next.ReleaseID = now.Parent, now.ReleaseID
		}
		if next, err = h.Store.BeginGeneration(ctx, next); err != nil {
			return err
		}
		n.SignedDatabases = h.SignsDatabases(name)
		if err := h.write(ctx, t, next, n); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the packages that left a target between two of its generations, unless it
// has others of the same pkgname or pkgbase by now.
func (h *Handover) missing(t store.TargetRow, before, after int) ([]pacmanrepo.Adopted, error) {
	var add []pacmanrepo.Adopted
	for _, arch := range h.Architectures {
		taken := map[string]bool{}
		for _, number := range []int{after, t.Generation} {
			list, err := h.Generations.Packages(t.Name, number, arch)
			if err != nil {
				return nil, err
			}
			for _, p := range list {
				taken["name "+p.Name], taken["base "+p.Base] = true, true
			}
		}
		list, err := h.Generations.Packages(t.Name, before, arch)
		if err != nil {
			return nil, err
		}
		a := pacmanrepo.Adopted{From: pacmanrepo.ID{Repository: t.Name, DB: t.Name, Architecture: arch}, Generation: before, Architectures: []string{arch}}
		for _, p := range list {
			if !taken["name "+p.Name] && !taken["base "+p.Base] {
				a.Files = append(a.Files, buildbtw.Package{Pkgname: p.Name, Version: p.Version, Architecture: p.Arch, Filename: p.Filename, SHA256: p.SHA256, Size: p.FileSize})
			}
		}
		if len(a.Files) > 0 {
			add = append(add, a)
		}
	}
	return add, nil
}

// endWriting ends a generation that a crash cut off: it is completed when it can be seen, and
// given up when not.
func (h *Handover) endWriting(ctx context.Context, t store.TargetRow, g buildbtw.Generation) error {
	shown, err := h.Generations.Shown(t.Name)
	if err != nil {
		return err
	}
	if shown == g.Number {
		return h.write(ctx, t, g, pacmanrepo.NextGeneration{})
	}
	return h.drop(ctx, t.Name, g)
}
