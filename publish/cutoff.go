package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
	"buildbtw/store"
)

// decide finds out for builds that are ready, and that the cut-off may apply
// to, whether anything they notice has changed. It returns how many there were.
func (p *Publisher) decide(ctx context.Context) (int, error) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	list, unreadable := p.Store.CutoffCandidates(ctx, reuseBatch)
	if len(list) == 0 {
		return 0, unreadable
	}
	commits := make([]string, 0, len(list))
	for _, u := range list {
		commits = append(commits, u.Build.Commit)
	}
	slices.Sort(commits)
	files, err := p.Mirror.ReadSrcinfos(ctx, slices.Compact(commits))
	if err != nil {
		return 0, fmt.Errorf("read the dependencies of %d builds: %w", len(list), err)
	}
	moved, err := p.movedIn(ctx, list)
	if err != nil {
		return 0, err
	}
	decisions := make([]store.CutoffResult, len(list))
	for i, u := range list {
		err := guard.Run(func() error {
			decisions[i] = p.decideOn(u, triggers(files[u.Build.Commit], u), moved[rebuildOf(u)])
			return nil
		})
		if err != nil { // as with everything that is not known, it is built
			guard.Log(ctx, p.Log, "a build cannot be compared with the last one; it is built", err, "build", u.Build.ID)
			decisions[i] = store.CutoffResult{BuildID: u.Build.ID, Reason: "its dependencies could not be compared; the server's log says why."}
		}
	}
	_, err = guard.Apart(decisions, func(some []store.CutoffResult) error { return p.Store.ApplyCutoff(ctx, some) })
	return len(list), errors.Join(unreadable, err)
}

// triggers returns the dependencies of a build of the kinds that bring dependents
// into the set. None when its .SRCINFO cannot be read; then it is built.
func triggers(file gitmirror.Srcinfo, u store.CutoffCandidate) []alpm.Dep {
	info, err := file.Parse()
	if err != nil {
		return nil
	}
	lists := []srcinfo.Values{}
	for _, pkg := range info.Packages {
		lists = append(lists, pkg.Depends)
	}
	if buildbtw.TriggerKinds(u.Makedepends)&buildbtw.EdgeMakedepends != 0 {
		lists = append(lists, info.Base.MakeDepends)
	}
	var deps []alpm.Dep
	for _, values := range lists {
		for _, text := range values.For(u.Build.Architecture) {
			if d, err := alpm.ParseDep(text); err == nil {
				deps = append(deps, d)
			}
		}
	}
	return deps
}

// decideOn compares the packages that brought a build into the set with those that it was
// last built against, and the interfaces that the build uses with those that packages of
// the iteration no longer have. The build is skipped if all are known and no difference
// concerns it; otherwise it is built, with the first reason found.
func (p *Publisher) decideOn(u store.CutoffCandidate, deps []alpm.Dep, m moved) store.CutoffResult {
	d := store.CutoffResult{BuildID: u.Build.ID}
	switch {
	case u.Within:
		d.Reason = "its first stage was built, so its second is too."
		return d
	case len(u.Triggers) == 0:
		d.Reason = "the dependency that brought it in is built after it, on a cycle."
		return d
	}
	var same []string
	for _, tr := range u.Triggers {
		if reason, changed := p.noticed(u, tr, deps); changed {
			d.Reason = reason + "."
			return d
		}
		same = append(same, tr.Pkgbase)
	}
	if reason, changed := p.noticesMoved(u, m); changed {
		d.Reason = reason + "."
		return d
	}
	d.Action, d.Reason = store.CutoffSkip, "Not rebuilt: the ABI of "+buildbtw.Names(same).Summary()+" is the same as in the base repositories."
	if u.Previous != nil {
		d.Action, d.From = store.CutoffKeep, u.Previous.BuildID
		d.Reason = fmt.Sprintf("the ABI of %s is the same as in #%d.", buildbtw.Names(same).Summary(), u.Previous.Iteration)
	}
	return d
}

// noticed reports whether a dependency differs noticeably from the one that a
// build was last built against.
func (p *Publisher) noticed(u store.CutoffCandidate, tr store.Trigger, deps []alpm.Dep) (reason string, changed bool) {
	was, now := tr.Before, tr.Now
	if tr.Unchanged && tr.FromBase {
		return "", false
	}
	if tr.FromBase {
		was = p.base(u.Build.Architecture, tr.Pkgbase)
	}
	if tr.Unchanged {
		now = p.base(u.Build.Architecture, tr.Pkgbase)
	}
	switch {
	case len(was) == 0:
		return "it is unknown which " + tr.Pkgbase + " the last build used", true
	case len(now) == 0:
		return "the ABI of " + tr.Pkgbase + " is unknown", true
	}
	if p.onlyHasFiles(u, deps, was) { // noticesMoved compares those files
		return "", false
	}
	if reason, changed = alpm.Noticed(deps, was, now); changed {
		reason = "in " + tr.Pkgbase + ", " + reason
	}
	return reason, changed
}

// base returns the base's packages of a pkgbase, or none when they are not known.
func (p *Publisher) base(architecture, pkgbase string) []alpm.Interface {
	if p.Baseline == nil {
		return nil
	}
	list, ok := p.Baseline(architecture, pkgbase)
	if !ok {
		return nil
	}
	return list
}
